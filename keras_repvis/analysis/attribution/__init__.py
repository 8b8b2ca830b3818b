"""Where the evidence is: maps from an output back to the image."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "deconvnet": ["DeConvNet"],
        "feature_statistics": ["FeatureStatistics", "estimate_statistics"],
        "grad_cam": ["GradCAM"],
        "gradient": ["Gradient"],
        "guided_backprop": ["GuidedBackprop"],
        "guided_grad_cam": ["GuidedGradCAM"],
        "information_bottleneck": ["InformationBottleneck"],
        "integrated_gradients": ["IntegratedGradients"],
        "linear_approximation": ["LinearApproximation"],
        "method": ["Method"],
        "readout_bottleneck": ["ReadoutBottleneck"],
        "result": ["Attribution"],
        "smooth_grad": ["SmoothGrad"],
    },
)
