"""A guard at the entrance of a network that takes only some sizes of images."""

import keras

from keras_repvis import checks


@keras.saving.register_keras_serializable("keras_repvis")
class AdmissibleSize(keras.layers.Layer):
    """Pass images on unchanged, and refuse those of a size for which the network behind is not made.

    A network that halves its maps n times and doubles them again returns another size, or fails far inside, unless
    height and width are multiples of 2^n. Known sizes are checked when the model is built, unknown ones when the images
    arrive; an exported model keeps the check, except in code that is compiled by XLA, where TensorFlow drops it.

    Args:
        multiple: Height and width must be multiples of this, >= 1.
        minimum: Smallest height and width in pixels, >= 1.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        As the input.

    Raises:
        ValueError: If an argument is out of range, or images of a known size do not fit. In a compiled function for
            images of unknown size, `tf.errors.InvalidArgumentError`.

    Example:
        >>> from keras_repvis.layers import AdmissibleSize
        >>> AdmissibleSize(multiple=4, minimum=8).compute_output_shape((None, 30, None, 3))
        Traceback (most recent call last):
        ...
        ValueError: Images of height 30 are not accepted: expected a multiple of 4, at least 8.

    Reference:
        Ronneberger, Fischer, Brox (2015), "U-Net: Convolutional Networks for Biomedical Image Segmentation", section 2,
        last paragraph, on sizes that can be halved.
    """

    def __init__(self, multiple=1, minimum=1, **kwargs):
        super().__init__(**kwargs)
        self.multiple = checks.number("multiple", multiple, low=1, integer=True)
        self.minimum = checks.number("minimum", minimum, low=1, integer=True)

    def call(self, inputs):
        self.compute_output_shape(inputs.shape)
        if None in inputs.shape[1:3]:
            self._check_on_arrival(keras.ops.shape(inputs))
        return inputs

    def compute_output_shape(self, input_shape):
        for side, size in zip(("height", "width"), input_shape[1:3]):
            if size is not None and (size % self.multiple or size < self.minimum):
                raise ValueError(f"Images of {side} {size} are not accepted: expected {self._expected()}.")
        return input_shape

    def get_config(self):
        return {**super().get_config(), "multiple": self.multiple, "minimum": self.minimum}

    def _check_on_arrival(self, shape):
        import tensorflow as tf

        sizes = tf.stack(shape[1:3])
        fits = tf.reduce_all((sizes % self.multiple == 0) & (sizes >= self.minimum))
        message = f"Images of this (height, width) are not accepted: expected {self._expected()}."
        tf.debugging.Assert(fits, [message, sizes])

    def _expected(self):
        multiple = f"a multiple of {self.multiple}, " if self.multiple > 1 else ""
        return f"{multiple}at least {self.minimum}"
