"""Where the evidence is: maps from an output back to the image."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "deconvnet": ["DeConvNet"],
        "grad_cam": ["GradCAM"],
        "gradient": ["Gradient"],
        "guided_backprop": ["GuidedBackprop"],
        "guided_grad_cam": ["GuidedGradCAM"],
        "linear_approximation": ["LinearApproximation"],
        "method": ["Method"],
        "result": ["Attribution"],
    },
)
