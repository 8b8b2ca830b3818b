"""SmoothGrad: the gradient, averaged over noisy copies of the image.

    M = mean_i T(df/dx (x + s_x n_i)),    n_i ~ N(0, 1),  i = 1..samples,    s_x = noise (max x - min x)

with T(g) = g (the paper's), |g| or g^2. What differs from pixel to pixel by chance is averaged away; what is left is
the gradient of f smoothed by a Gaussian of width s_x. As the copies are few, M is an estimate: the diagnostic
"standard_error" says how far off it is, to be compared with the size of the maps. It falls as samples^(-1/2).

The paper recommends noise of 10 to 20 % and finds little change beyond 50 samples.

Differs from peers: xplique adds noise of a fixed size 0.2 whatever the range of the pixels; tf-keras-vis takes the
absolute value of each sample, here `of="absolute"`. The noise of a sample is the same for all images, up to the factor
s_x, and does not depend on how many there are.
"""

import tensorflow as tf

from keras_repvis import checks
from keras_repvis.analysis.attribution import copies
from keras_repvis.analysis.attribution.gradient import Gradient, reduce_channels

_OF = {"signed": tf.identity, "absolute": tf.abs, "squared": tf.square}


class SmoothGrad(Gradient):
    """Map of the mean gradient over noisy copies of the image.

    Args:
        model: `keras.Model` of any kind, or a function of images; see `Method`.
        layer: Where to stop: None (default) for the image, or a layer as in `analysis.Representation`. The noise is
            added to the image in any case.
        samples: Integer >= 2, noisy copies. Default 50.
        noise: Number >= 0, standard deviation of the noise as a share of the range max - min of each image. Default
            0.15.
        of: What is averaged: "signed" (default), the gradient; "absolute", its absolute value; "squared", its square.
        seed: Integer in [0, 2^31), where the noise begins. Default 0.
        reduction: How the channels of the mean become one number: "max_abs", "l2" or "sum"; see `Gradient`.
        **options: `input_index`, `score`, `batch_size`; see `Method`. At most `batch_size` copies of all images go
            through the model at once.

    Call arguments:
        images: float32 array (batch, height, width, channels) in [0, 1]; any batch size.
        targets: None for the class with the largest score of the image without noise, a class index, (batch,) class
            indices, a mask over the outputs, or a function of them; see `Method`.

    Returns:
        `Attribution`, its maps (batch, height, width) of the size of the image or of the layer; diagnostics "target",
        "score" (f at the image without noise) and "standard_error", that of the mean before channels are reduced, as
        root mean square over positions and channels.

    Raises:
        UnsupportedModelError: If no gradient reaches the image.
        ValueError: If images, targets or the layer do not fit the model.

    Example:
        >>> import numpy as np
        >>> model = keras_repvis.models.MobileNetV1(input_shape=(32, 32, 1), classes=10, width_multiplier=0.1)
        >>> method = keras_repvis.analysis.attribution.SmoothGrad(model, samples=8)
        >>> method(np.random.default_rng(0).random((2, 32, 32, 1), "float32"), targets=3).maps.shape
        (2, 32, 32)

    Reference:
        Smilkov, Thorat, Kim, Viegas and Wattenberg, "SmoothGrad: removing noise by adding noise", 2017, section 2; the
        squares: Hooker, Erhan, Kindermans and Kim, "A Benchmark for Interpretability Methods in Deep Neural Networks",
        2019.
    """

    _changes_images = True

    def __init__(
        self, model, layer=None, samples=50, noise=0.15, of="signed", seed=0, reduction="max_abs", **options
    ):
        checks.number("samples", samples, low=2, integer=True)
        checks.number("noise", noise, low=0)
        checks.one_of("of", of, _OF)
        checks.number("seed", seed, low=0, high=2**31 - 1, integer=True)
        super().__init__(model, layer=layer, reduction=reduction, **options)
        self.samples = samples
        self.noise = noise
        self.of = of
        self.seed = seed

    def _explain(self, query):
        images = query.images
        lightest, darkest = (of(images, axis=(1, 2, 3), keepdims=True) for of in (tf.reduce_max, tf.reduce_min))
        deviation = self.noise * (lightest - darkest)

        def draw(index):
            return tf.random.stateless_normal(tf.shape(images)[1:], [self.seed, index], alg="philox")

        def moments(indices):
            noise = tf.map_fn(draw, indices, fn_output_signature=tf.TensorSpec(images.shape[1:], "float32"))
            noisy = copies.interleave(images[:, tf.newaxis] + deviation[:, tf.newaxis] * noise)
            start, outputs = self._trace(query, noisy)
            found = copies.separate(_OF[self.of](self._reach(start, query.score(outputs))), images)
            return tf.reduce_sum(found, axis=1), tf.reduce_sum(found**2, axis=1)

        zeros = tf.zeros_like(self._trace(query)[0], "float32")
        sums = copies.total(moments, self.samples, images, self.batch_size, (zeros, zeros))
        mean, square = (one / self.samples for one in sums)
        variance = tf.nn.relu(square - mean**2) / (self.samples - 1)
        error = tf.sqrt(tf.reduce_mean(variance, axis=(1, 2, 3)))
        return reduce_channels(mean, self.reduction), {"standard_error": error}
