"""Small serialisable Keras layers; each file is one idea and carries the paper's word for it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[],
    submod_attrs={
        "admissible_size": ["AdmissibleSize"],
        "aligned_conv2d_transpose": ["AlignedConv2DTranspose"],
        "channels": ["make_divisible"],
        "conv_block": ["ConvBlock"],
        "cropping": ["Cropping"],
        "depthwise_separable": ["DepthwiseSeparable"],
        "fused_inverted_bottleneck": ["FusedInvertedBottleneck"],
        "instance_normalization": ["InstanceNormalization"],
        "inverted_residual": ["InvertedResidual"],
        "layer_scale": ["LayerScale"],
        "reflection_padding": ["ReflectionPadding"],
        "resize_convolution": ["ResizeConvolution"],
        "squeeze_excite": ["SqueezeExcite"],
        "universal_inverted_bottleneck": ["UniversalInvertedBottleneck"],
    },
)
