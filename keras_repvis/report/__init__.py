"""Figures and self-contained HTML; pages of training runs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "attribution_report": ["attribution_page"],
        "figures": ["confusion_matrix", "data_uri", "image_rows", "training_curve"],
        "overlays": ["overlay", "overlay_grid"],
        "page": ["Code", "Figure", "Section", "Table", "Text", "render", "write"],
        "run_comparison": ["compare_page"],
        "run_summary": ["run_page", "write_run_page"],
        "runs": ["Run", "read_run"],
        "sheets": ["amplified", "image_sheet"],
        "stego_report": ["stego_page"],
    },
)
