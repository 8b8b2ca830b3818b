"""Figures and self-contained HTML."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "figures": ["confusion_matrix", "data_uri", "image_rows", "training_curve"],
        "page": ["Code", "Figure", "Section", "Table", "Text", "render", "write"],
    },
)
