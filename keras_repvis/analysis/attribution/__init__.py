"""Where the evidence is: maps from an output back to the image."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "deconvnet": ["DeConvNet"],
        "gradient": ["Attribution", "Gradient"],
        "guided_backprop": ["GuidedBackprop"],
    },
)
