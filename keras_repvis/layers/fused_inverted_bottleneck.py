"""Fused inverted bottleneck: expansion and filtering in one full convolution."""

import keras

from keras_repvis import checks
from keras_repvis.layers.block import NormalizedBlock
from keras_repvis.layers.channels import make_divisible


@keras.saving.register_keras_serializable("keras_repvis")
class FusedInvertedBottleneck(NormalizedBlock):
    """Expand with one full convolution instead of a 1 x 1 and a depthwise one, then project without activation.

    z = act(BN(E * x)), E: k x k to d(t c) channels with the stride; y = BN(P * z), P: 1 x 1 to `filters`; plus x if
    the stride is 1 and the number of channels stays. Padding is TF "same". Early stages, with few channels and many
    pixels, run faster this way on accelerators.

    Args:
        filters: Number of output channels, >= 1.
        expansion: Expansion factor t, > 0.
        kernel_size: Side k of the expanding kernel in pixels, >= 1.
        strides: Step of the expanding convolution in pixels, >= 1.
        activation: Name of the activation, or None.
        divisor: The expanded width is rounded to a multiple of this by `make_divisible`, >= 1.
        momentum: Momentum of the batch normalisations, in [0, 1].
        epsilon: Number added to their variance, > 0.
        kernel_initializer: Initialiser of both kernels.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        `(batch, ceil(height / strides), ceil(width / strides), filters)`.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> from keras_repvis.layers import FusedInvertedBottleneck
        >>> FusedInvertedBottleneck(48, strides=2).compute_output_shape((None, 112, 112, 32))
        (None, 56, 56, 48)

    Reference:
        Qin et al. (2024), "MobileNetV4: Universal Models for the Mobile Ecosystem", figure 4 (Fused IB).
    """

    def __init__(
        self,
        filters,
        expansion=4,
        kernel_size=3,
        strides=1,
        activation="relu",
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
        self.divisor = checks.number("divisor", divisor, low=1, integer=True)

    def make_branch(self, channels):
        expanded = make_divisible(self.expansion * channels, self.divisor)
        return [
            *self.conv("expand", expanded, self.kernel_size, self.strides, self.activation),
            *self.conv("project", self.filters),
        ]

    def make_join(self, channels):
        if self.strides == 1 and channels == self.filters:
            return self.sublayer("shortcut", keras.layers.Add)
        return None

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "expansion": self.expansion,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "divisor": self.divisor,
        }
