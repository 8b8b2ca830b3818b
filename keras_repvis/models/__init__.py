"""Networks as functional Keras models, built from tables of records."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["mobilenet"],
    submod_attrs={
        "catalog": ["build", "names"],
        "counting": ["Cost", "Row", "cost"],
        "folding": ["fold_batch_norm"],
        "inlining": ["inline"],
        "mobilenet.v1": ["MobileNetV1"],
        "mobilenet.v2": ["MobileNetV2"],
        "mobilenet.v3": ["MobileNetV3Large", "MobileNetV3Small"],
        "mobilenet.v4": ["MobileNetV4ConvLarge", "MobileNetV4ConvMedium", "MobileNetV4ConvSmall"],
        "porting": ["port_weights"],
    },
)
