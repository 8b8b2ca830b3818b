"""Questions asked of any representation."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["adversarial", "attribution", "evaluation", "information"],
    submod_attrs={
        "calibration": ["Calibration", "ReliabilityBin", "measure_calibration"],
        "representation": ["Representation"],
        "unsupported": ["UnsupportedModelError"],
    },
)
