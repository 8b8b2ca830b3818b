"""Networks as functional Keras models, built from tables of records."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["mobilenet"],
    submod_attrs={
        "catalog": ["build", "names"],
        "mobilenet.v1": ["MobileNetV1"],
        "mobilenet.v2": ["MobileNetV2"],
    },
)
