"""Layer scale: a small learned factor a channel at the end of a residual branch."""

import keras

from keras_repvis import checks


@keras.saving.register_keras_serializable("keras_repvis")
class LayerScale(keras.layers.Layer):
    """Multiply each channel by a learned factor that starts small, so that a residual block starts near identity.

    y = gamma * x, with gamma one number a channel.

    Args:
        initial_value: What every factor starts at.

    Input shape:
        `(batch, ..., channels)`.

    Output shape:
        As the input.

    Raises:
        ValueError: If `initial_value` is not a number.

    Example:
        >>> import numpy as np
        >>> from keras_repvis.layers import LayerScale
        >>> float(LayerScale(0.5)(np.ones((1, 2, 2, 3), "float32"))[0, 0, 0, 0])
        0.5

    Reference:
        Touvron, Cord, Sablayrolles, Synnaeve, Jegou (2021), "Going deeper with Image Transformers", equation 4.
    """

    def __init__(self, initial_value=1e-5, **kwargs):
        super().__init__(**kwargs)
        self.initial_value = checks.number("initial_value", initial_value)

    def build(self, input_shape):
        self.gamma = self.add_weight(
            name="gamma", shape=(input_shape[-1],), initializer=keras.initializers.Constant(self.initial_value)
        )

    def call(self, inputs):
        return inputs * keras.ops.cast(self.gamma, inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "initial_value": self.initial_value}
