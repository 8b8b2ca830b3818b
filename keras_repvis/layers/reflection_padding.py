"""Reflection padding: the image is continued over its edge as in a mirror."""

import keras

from keras_repvis import checks


@keras.saving.register_keras_serializable("keras_repvis")
class ReflectionPadding(keras.layers.Layer):
    """Continue the image over each edge by its mirror image; the edge pixels themselves are not repeated.

    y[i] = x[|i - p|] before the first pixel and likewise after the last: 1 2 3 4 becomes 3 2 1 2 3 4 3 2 for p = 2.
    Unlike zeros, the pixels added have the statistics of the image, and a constant image stays constant.

    Args:
        padding: Number p of pixels that are added at each of the four edges, >= 0 and less than the sides of the image.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        `(batch, height + 2 padding, width + 2 padding, channels)`.

    Raises:
        ValueError: If `padding` is out of range, or an image is too small for it.

    Example:
        >>> import numpy as np
        >>> from keras_repvis.layers import ReflectionPadding
        >>> row = np.arange(1.0, 5.0, dtype="float32").reshape(1, 1, 4, 1)
        >>> ReflectionPadding(2)(np.repeat(row, 3, axis=1))[0, 0, :, 0].numpy().tolist()
        [3.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 2.0]

    Reference:
        Johnson, Alahi, Fei-Fei (2016), "Perceptual Losses for Real-Time Style Transfer and Super-Resolution",
        supplementary material (reflection padding against artefacts at the borders).
    """

    def __init__(self, padding=1, **kwargs):
        super().__init__(**kwargs)
        self.padding = checks.number("padding", padding, low=0, integer=True)

    def call(self, inputs):
        self._check_fit(inputs.shape)
        widths = (self.padding, self.padding)
        return keras.ops.pad(inputs, ((0, 0), widths, widths, (0, 0)), mode="reflect")

    def compute_output_shape(self, input_shape):
        self._check_fit(input_shape)
        batch, *sizes, channels = input_shape
        return (batch, *(None if size is None else size + 2 * self.padding for size in sizes), channels)

    def get_config(self):
        return {**super().get_config(), "padding": self.padding}

    def _check_fit(self, shape):
        if len(shape) != 4 or any(size is not None and size <= self.padding for size in shape[1:3]):
            raise ValueError(
                f"input_shape={tuple(shape)} is not accepted by {self.name}: expected (batch, height, width, "
                f"channels) with height and width > padding={self.padding}."
            )
