"""The MobileNet family, V1 to V4: one table of block records each."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[],
    submod_attrs={},
)
