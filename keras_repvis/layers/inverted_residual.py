"""Inverted residual with linear bottleneck, the block of MobileNetV2 and V3."""

import keras

from keras_repvis import checks
from keras_repvis.layers.block import NormalizedBlock
from keras_repvis.layers.channels import make_divisible
from keras_repvis.layers.squeeze_excite import SqueezeExcite


@keras.saving.register_keras_serializable("keras_repvis")
class InvertedResidual(NormalizedBlock):
    """Expand a thin input, filter it depthwise, project it back to a thin output without an activation.

    z = act(BN(E * x)), E: 1 x 1 to d(t c) channels (absent if t = 1); z = act(BN(D * z)), D: k x k depthwise with the
    stride; z = SE(z) if asked for; y = BN(P * z), P: 1 x 1 to `filters`; plus x if the stride is 1 and the number of
    channels stays. Padding is TF "same". Multiply-adds: h w t c (c + k^2 + filters) at stride 1.

    Args:
        filters: Number of output channels, >= 1.
        expansion: Expansion factor t, > 0; 1 leaves the expanding convolution out.
        kernel_size: Side k of the depthwise kernel in pixels, >= 1.
        strides: Step of the depthwise convolution in pixels, >= 1.
        squeeze_excite: Ratio of a squeeze-excite gate on the expanded features, > 0, or None for no gate.
        activation: Name of the activation, or None.
        linear_bottleneck: False applies the activation to the output of the projection too (for the ablation).
        shortcut: False leaves the residual connection out (for the ablation).
        divisor: The expanded width is rounded to a multiple of this by `make_divisible`, >= 1.
        momentum: Momentum of the batch normalisations, in [0, 1].
        epsilon: Number added to their variance, > 0.
        kernel_initializer: Initialiser of all kernels.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        `(batch, ceil(height / strides), ceil(width / strides), filters)`.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import keras
        >>> from keras_repvis.layers import InvertedResidual
        >>> image = keras.Input((None, None, 16))
        >>> InvertedResidual(24, strides=2)(image).shape
        (None, None, None, 24)
        >>> keras.Model(image, InvertedResidual(16, name="block").inline(image)).layers[-1].name
        'block_shortcut'

    Reference:
        Sandler, Howard, Zhu, Zhmoginov, Chen (2018), "MobileNetV2: Inverted Residuals and Linear Bottlenecks",
        table 1 (block), figure 6 (ablation); Howard et al. (2019), "Searching for MobileNetV3", figure 4.
    """

    def __init__(
        self,
        filters,
        expansion=6,
        kernel_size=3,
        strides=1,
        squeeze_excite=None,
        activation="relu6",
        linear_bottleneck=True,
        shortcut=True,
        divisor=8,
        momentum=0.99,
        epsilon=1e-3,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(activation, momentum, epsilon, kernel_initializer, **kwargs)
        self.filters = checks.number("filters", filters, low=1, integer=True)
        self.expansion = checks.number("expansion", expansion, above=0)
        self.kernel_size = checks.number("kernel_size", kernel_size, low=1, integer=True)
        self.strides = checks.number("strides", strides, low=1, integer=True)
        if squeeze_excite is not None:
            checks.number("squeeze_excite", squeeze_excite, above=0)
        self.squeeze_excite = squeeze_excite
        self.linear_bottleneck = checks.one_of("linear_bottleneck", linear_bottleneck, (True, False))
        self.shortcut = checks.one_of("shortcut", shortcut, (True, False))
        self.divisor = checks.number("divisor", divisor, low=1, integer=True)

    def make_branch(self, channels):
        expand, gate = [], []
        if self.expansion != 1:
            expanded = make_divisible(self.expansion * channels, self.divisor)
            expand = self.conv("expand", expanded, activation=self.activation)
        if self.squeeze_excite is not None:
            initializer = self.kernel_initializer
            gate = [self.sublayer("gate", SqueezeExcite, self.squeeze_excite, kernel_initializer=initializer)]
        bottleneck_activation = None if self.linear_bottleneck else self.activation
        return [
            *expand,
            *self.depthwise("depthwise", self.kernel_size, self.strides, self.activation),
            *gate,
            *self.conv("project", self.filters, activation=bottleneck_activation),
        ]

    def make_join(self, channels):
        if self.shortcut and self.strides == 1 and channels == self.filters:
            return self.sublayer("shortcut", keras.layers.Add)
        return None

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "expansion": self.expansion,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "squeeze_excite": self.squeeze_excite,
            "linear_bottleneck": self.linear_bottleneck,
            "shortcut": self.shortcut,
            "divisor": self.divisor,
        }
