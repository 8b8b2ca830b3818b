"""Squeeze-and-excite: a gate on each channel, computed from the whole image."""

import keras

from keras_repvis import checks
from keras_repvis.layers.block import Block, checked_activation, fresh_initializer
from keras_repvis.layers.channels import make_divisible


@keras.saving.register_keras_serializable("keras_repvis")
class SqueezeExcite(Block):
    """Multiply each channel by a gate in [0, 1] computed from the mean of all channels.

    s = mean of x over height and width; y = x * gate(E act(S s)), with S: C -> q and E: q -> C, both with bias, and
    q = d(ratio C) rounded by `make_divisible`.

    Args:
        ratio: Width of the squeezed code as a share of the input's channels, > 0.
        activation: Name of the activation of the squeezed code.
        gate: Name of the gate's activation. "hard_sigmoid" is MobileNetV3's ReLU6(x + 3) / 6; "sigmoid" the original.
        divisor: The width of the squeezed code is a multiple of this, >= 1.
        kernel_initializer: Initialiser of both kernels.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        As the input.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import numpy as np
        >>> from keras_repvis.layers import SqueezeExcite
        >>> layer = SqueezeExcite(kernel_initializer="zeros")
        >>> float(layer(np.ones((1, 4, 4, 16), "float32"))[0, 0, 0, 0])  # hard_sigmoid(0)
        0.5

    Reference:
        Hu, Shen, Sun (2018), "Squeeze-and-Excitation Networks", equations 2 to 4; Howard et al. (2019), "Searching
        for MobileNetV3", section 5.3 (placement, ratio 1/4 of the expanded width, hard gate).
    """

    def __init__(
        self,
        ratio=0.25,
        activation="relu",
        gate="hard_sigmoid",
        divisor=8,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.ratio = checks.number("ratio", ratio, above=0)
        self.activation = checked_activation("activation", activation)
        self.gate = checked_activation("gate", gate)
        self.divisor = checks.number("divisor", divisor, low=1, integer=True)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def make_branch(self, channels):
        squeezed = make_divisible(self.ratio * channels, self.divisor)
        return [
            self.sublayer("pool", keras.layers.GlobalAveragePooling2D, keepdims=True),
            self._dense("reduce", squeezed),
            *self.activation_layers("reduce_activation", self.activation),
            self._dense("expand", channels),
            *self.activation_layers("gate", self.gate),
        ]

    def make_join(self, channels):
        return self.sublayer("scale", keras.layers.Multiply)

    def get_config(self):
        return {
            **super().get_config(),
            "ratio": self.ratio,
            "activation": self.activation,
            "gate": self.gate,
            "divisor": self.divisor,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }

    def _dense(self, role, filters):
        initializer = fresh_initializer(self.kernel_initializer)
        return self.sublayer(role, keras.layers.Conv2D, filters, 1, kernel_initializer=initializer)
