"""Small serialisable Keras layers; each file is one idea and carries the paper's word for it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[],
    submod_attrs={
        "channels": ["make_divisible"],
        "conv_block": ["ConvBlock"],
        "depthwise_separable": ["DepthwiseSeparable"],
        "fused_inverted_bottleneck": ["FusedInvertedBottleneck"],
        "inverted_residual": ["InvertedResidual"],
        "layer_scale": ["LayerScale"],
        "squeeze_excite": ["SqueezeExcite"],
        "universal_inverted_bottleneck": ["UniversalInvertedBottleneck"],
    },
)
