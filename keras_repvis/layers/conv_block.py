"""Convolution, batch normalisation, activation: the stem, the heads and the plain blocks of the MobileNets."""

import keras

from keras_repvis import checks
from keras_repvis.layers.block import NormalizedBlock


@keras.saving.register_keras_serializable("keras_repvis")
class ConvBlock(NormalizedBlock):
    """Convolve without bias, normalise over the batch, apply an activation.

    y = activation(BN(W * x)), with TF "same" padding.

    Args:
        filters: Number of output channels, >= 1.
        kernel_size: Side of the kernel in pixels, >= 1.
        strides: Step of the convolution in pixels, >= 1.
        activation: Name of the activation, or None.
        momentum: Momentum of the batch normalisation, in [0, 1].
        epsilon: Number added to its variance, > 0.
        kernel_initializer: Initialiser of the kernel.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        `(batch, ceil(height / strides), ceil(width / strides), filters)`.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> from keras_repvis.layers import ConvBlock
        >>> ConvBlock(16, strides=2).compute_output_shape((None, 225, None, 3))
        (None, 113, None, 16)

    Reference:
        Ioffe, Szegedy (2015), "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate
        Shift", section 3.2 (normalisation between a convolution without bias and its activation).
    """

    def __init__(
        self,
        filters,
        kernel_size=3,
        strides=1,
        activation="relu6",
        momentum=0.99,
        epsilon=1e-3,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(activation, momentum, epsilon, kernel_initializer, **kwargs)
        self.filters = checks.number("filters", filters, low=1, integer=True)
        self.kernel_size = checks.number("kernel_size", kernel_size, low=1, integer=True)
        self.strides = checks.number("strides", strides, low=1, integer=True)

    def make_branch(self, channels):
        return self.conv("conv", self.filters, self.kernel_size, self.strides, self.activation)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
        }
