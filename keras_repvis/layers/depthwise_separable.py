"""Depthwise separable convolution, the block of MobileNetV1."""

import keras

from keras_repvis import checks
from keras_repvis.layers.block import NormalizedBlock


@keras.saving.register_keras_serializable("keras_repvis")
class DepthwiseSeparable(NormalizedBlock):
    """Filter each channel on its own, then mix the channels in each pixel.

    y = act(BN(P * act(BN(D * x)))): D holds one k x k filter a channel, P is a 1 x 1 convolution, padding is TF
    "same". With C_out output channels its multiply-adds are 1/C_out + 1/k^2 of those of a full k x k convolution.

    Args:
        filters: Number of output channels C_out, >= 1.
        kernel_size: Side k of the depthwise kernel in pixels, >= 1.
        strides: Step of the depthwise convolution in pixels, >= 1.
        activation: Name of the activation after both convolutions, or None.
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
        >>> import numpy as np
        >>> from keras_repvis.layers import DepthwiseSeparable
        >>> DepthwiseSeparable(24, strides=2)(np.zeros((2, 15, 16, 8), "float32")).shape
        TensorShape([2, 8, 8, 24])

    Reference:
        Howard et al. (2017), "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
        section 3.1. The activation is ReLU6, as in the authors' code; the paper prints ReLU.
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
        return [
            *self.depthwise("depthwise", self.kernel_size, self.strides, self.activation),
            *self.conv("pointwise", self.filters, activation=self.activation),
        ]

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
        }
