"""Cropping whose gradient costs no more than the copy that it is."""

import keras


@keras.saving.register_keras_serializable("keras_repvis")
class Cropping(keras.layers.Cropping2D):
    """Cut rows and columns off the edges of an image.

    The function of `keras.layers.Cropping2D`. That one takes a strided slice, whose gradient TensorFlow computes on one
    core, in the time of a convolution; this one a plain slice, whose gradient is a padding with zeros.

    Args:
        cropping: Number of pixels cut off each edge, >= 0: one for all edges, `(rows, columns)`, or `((top, bottom),
            (left, right))`.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        `(batch, height - top - bottom, width - left - right, channels)`.

    Raises:
        ValueError: If `cropping` is of another form, or an image is too small for it.

    Example:
        >>> import numpy as np
        >>> from keras_repvis.layers import Cropping
        >>> rows = np.arange(4.0, dtype="float32").reshape(1, 4, 1, 1)
        >>> Cropping(((1, 0), (0, 0)))(rows)[0, :, 0, 0].numpy().tolist()
        [1.0, 2.0, 3.0]

    Reference:
        Dumoulin, Visin (2016), "A guide to convolution arithmetic for deep learning", section 4, on transposed
        convolutions, whose padding is such a crop of their output.
    """

    def __init__(self, cropping, **kwargs):
        super().__init__(cropping, data_format="channels_last", **kwargs)

    def call(self, inputs):
        (top, bottom), (left, right) = self.cropping
        batch, height, width, channels = keras.ops.shape(inputs)
        size = (batch, height - top - bottom, width - left - right, channels)
        return keras.ops.slice(inputs, (0, top, left, 0), size)

    def get_config(self):
        config = super().get_config()
        config.pop("data_format")
        return config
