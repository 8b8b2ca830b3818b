"""Instance normalisation: each channel of each image to mean 0 and variance 1."""

import keras

from keras_repvis import checks

FEW = 8  # Batches of at most this many images are normalised image by image.


@keras.saving.register_keras_serializable("keras_repvis")
class InstanceNormalization(keras.layers.Layer):
    """Normalise each channel of each image over its own height and width.

    y = (x - mean(x)) / sqrt(var(x) + epsilon) with mean and (biased) variance over height and width, for each example
    and each channel apart; with `affine`, gamma y + beta with a learned gamma and beta for each channel. There are no
    moving statistics: training and inference are the same function. The layer forgets mean and scale of each channel
    of its input, so a bias just before it has no effect.

    Statistics are taken in float32 under mixed precision. `keras.layers.GroupNormalization(groups=-1)` is the same
    function; `groups=1` is not: that one normalises all channels of an image together.

    Args:
        affine: Whether there are a learned gamma and beta.
        epsilon: Number added to the variance, > 0.
        gamma_initializer: With `affine`, initialiser of gamma: name, config or instance.

    Input shape:
        `(batch, height, width, channels)`, with more than one pixel: of a single one nothing would be left.

    Output shape:
        As the input.

    Raises:
        ValueError: If an argument is out of range, or the images are known to have a single pixel.

    Example:
        >>> import numpy as np
        >>> from keras_repvis.layers import InstanceNormalization
        >>> images = np.random.default_rng(0).uniform(size=(2, 8, 8, 3)).astype("float32")
        >>> outputs = InstanceNormalization()(images).numpy()
        >>> bool(np.all(np.abs(outputs.mean(axis=(1, 2))) < 1e-5)), outputs.std(axis=(1, 2)).round(2).tolist()[0]
        (True, [1.0, 1.0, 1.0])

    Reference:
        Ulyanov, Vedaldi, Lempitsky (2016), "Instance Normalization: The Missing Ingredient for Fast Stylization",
        equation 4.
    """

    def __init__(self, affine=False, epsilon=1e-5, gamma_initializer="ones", **kwargs):
        super().__init__(**kwargs)
        self.affine = checks.one_of("affine", affine, (True, False))
        self.epsilon = checks.number("epsilon", epsilon, above=0)
        self.gamma_initializer = keras.initializers.get(gamma_initializer)

    def build(self, input_shape):
        self._check_fit(input_shape)
        if self.affine:
            # Applied in full precision, as the statistics are.
            options = {"shape": (input_shape[-1],), "autocast": False}
            self.gamma = self.add_weight(name="gamma", initializer=self.gamma_initializer, **options)
            self.beta = self.add_weight(name="beta", initializer="zeros", **options)

    def call(self, inputs):
        self._check_fit(inputs.shape)
        # A variance of half-precision numbers overflows or loses its digits.
        x = keras.ops.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))
        few = inputs.shape[0] is not None and inputs.shape[0] <= FEW
        outputs = self._one_by_one(x) if few and x.dtype == "float32" else self._all_at_once(x)
        return keras.ops.cast(outputs, inputs.dtype)

    def compute_output_shape(self, input_shape):
        self._check_fit(input_shape)
        return input_shape

    def _all_at_once(self, x):
        # Sums, and sums of products, have cheaper gradients than means, squares and differences.
        axes = (1, 2)
        _, height, width, _ = keras.ops.shape(x)
        share = 1 / keras.ops.cast(height * width, x.dtype)
        centred = x + keras.ops.sum(x, axis=axes, keepdims=True) * -share
        variance = keras.ops.sum(centred * centred, axis=axes, keepdims=True) * share
        scale = keras.ops.rsqrt(variance + self.epsilon)
        if not self.affine:
            return centred * scale
        return centred * (scale * keras.ops.cast(self.gamma, x.dtype)) + keras.ops.cast(self.beta, x.dtype)

    def _one_by_one(self, x):
        """Normalise each image as a batch of its own: a batch norm is one operation, and takes half the time."""
        import tensorflow as tf

        channels = x.shape[-1]
        gamma, beta = (self.gamma, self.beta) if self.affine else (tf.ones(channels), tf.zeros(channels))
        options = {"scale": gamma, "offset": beta, "mean": [], "variance": [], "epsilon": self.epsilon}
        images = tf.split(x, x.shape[0]) if x.shape[0] > 1 else [x]
        outputs = [tf.raw_ops.FusedBatchNormV3(x=image, is_training=True, **options).y for image in images]
        return tf.concat(outputs, axis=0) if len(outputs) > 1 else outputs[0]

    def get_config(self):
        return {
            **super().get_config(),
            "affine": self.affine,
            "epsilon": self.epsilon,
            "gamma_initializer": keras.initializers.serialize(self.gamma_initializer),
        }

    def _check_fit(self, shape):
        if len(shape) != 4 or tuple(shape[1:3]) == (1, 1):
            raise ValueError(
                f"input_shape={tuple(shape)} is not accepted by {self.name}: expected (batch, height, width, "
                "channels) with more than one pixel; the instance norm of a single pixel is 0, whatever it was."
            )
