"""The MobileNets, versions 1 to 4, from one table of block records each."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[],
    submod_attrs={
        "v1": ["MobileNetV1"],
        "v2": ["MobileNetV2"],
        "v3": ["MobileNetV3Large", "MobileNetV3Small"],
        "v4": ["MobileNetV4ConvLarge", "MobileNetV4ConvMedium", "MobileNetV4ConvSmall"],
    },
)
