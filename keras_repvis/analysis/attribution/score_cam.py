"""Score-CAM: each channel of a layer is weighted by what the output says of the image seen through it.

    H_k = s(up(A_k)),  s(a) = (a - min a) / (max a - min a)     the channel as a mask over the image x
    C_k = f(x o H_k) - f(b)                                     its increase of confidence over a baseline image b
    L[u] = max(sum_k alpha_k A_k[u], 0)

with up the bilinear enlargement to the size of the image, and one of

    softmax     alpha_k = exp C_k / sum_j exp C_j, the paper's algorithm 1; f(b) cancels
    increase    alpha_k = C_k, the paper's definition
    score       alpha_k = f(x o H_k), the released code, with `score="softmax"`

A channel that is the same everywhere shows nothing of the image: its mask is 0. No gradient is used, so f need not be
differentiable; the price is one evaluation for each channel.

Differs from peers: tf-keras-vis always puts a softmax on the outputs, even where they are a distribution already, and
does not take one over channels, which is `weights="score", score="softmax"` here; it enlarges by `scipy.ndimage.zoom`,
which puts the centres of the corner pixels on each other. Where the layer has the size of the image the two are equal.
"""

import tensorflow as tf

from keras_repvis import checks
from keras_repvis.analysis.attribution import baselines, copies
from keras_repvis.analysis.attribution.activation_map import ActivationMap

_WEIGHTS = ("softmax", "increase", "score")


class ScoreCAM(ActivationMap):
    """Map of max(sum_k alpha_k A_k, 0), with alpha_k from f of the image masked by channel k.

    Args:
        model: Built `keras.Model` of any kind.
        layer: Whose activations A are: as in `analysis.Representation`, "spatial" (default) for the last activation
            that has positions.
        weights: What alpha is: "softmax" (default), "increase" or "score".
        baseline: The image b: a number (default 0.0, black), or an array that broadcasts to (height, width, channels).
            It changes only maps of "increase".
        relu: Boolean, whether the negative part of the sum is cut. Default True.
        upsample: Boolean, whether the map is brought to the size of the image; see `GradCAM`. Default False.
        **options: `input_index`, `score`, `batch_size`; see `Method`. At most `batch_size` masked images go through
            the model at once.

    Call arguments:
        images: float32 array (batch, height, width, channels) in [0, 1]; any batch size.
        targets: None for the class with the largest score of the image itself, a class index, (batch,) class indices,
            a mask over the outputs, or a function of them; see `Method`.

    Returns:
        `Attribution`, its maps of the size of the layer or of the image; diagnostics "target", "score", "largest" (see
        `GradCAM`), "baseline_score" (f(b)) and "increases" (C_k, (batch, channels of the layer)).

    Raises:
        UnsupportedModelError: If no layer is known to be an activation with positions, or the model is a function,
            whose layers cannot be seen.
        ValueError: If images, targets, the layer or the baseline do not fit the model.

    Example:
        >>> import numpy as np
        >>> model = keras_repvis.models.MobileNetV2(input_shape=(64, 64, 1), classes=10, width_multiplier=0.1)
        >>> method = keras_repvis.analysis.attribution.ScoreCAM(model, layer="block_3_expand_activation")
        >>> method(np.full((2, 64, 64, 1), 0.5, "float32"), targets=3).maps.shape
        (2, 16, 16)

    Reference:
        Wang, Wang, Du, Yang, Zhang, Ding, Mardziel and Hu, "Score-CAM: Score-Weighted Visual Explanations for
        Convolutional Neural Networks", 2020, section 3 and algorithm 1.
    """

    _changes_images = True

    def __init__(self, model, layer="spatial", weights="softmax", baseline=0.0, **options):
        checks.one_of("weights", weights, _WEIGHTS)
        super().__init__(model, layer=layer, **options)
        self.weights = weights
        self.baseline = baselines.check(baseline)

    def _explain(self, query):
        code, _ = self._trace(query)
        code = tf.cast(code, "float32")
        baseline_score = query.score(query.outputs(baselines.like(self.baseline, query.images)))
        scores = self._masked_scores(query, code)
        increases = scores - baseline_score[:, tf.newaxis]
        alphas = {"softmax": tf.nn.softmax(increases), "increase": increases, "score": scores}[self.weights]
        found = {"baseline_score": baseline_score, "increases": increases}
        return self._map(query, alphas[:, tf.newaxis, tf.newaxis], code, found)

    def _masked_scores(self, query, code):
        """Return f(x o H_k), (batch, channels)."""
        images, channels = query.images, tf.shape(code)[-1]

        def some(indices):
            large = tf.image.resize(tf.gather(code, indices, axis=-1), tf.shape(images)[1:3], method="bilinear")
            lowest, highest = (of(large, axis=(1, 2), keepdims=True) for of in (tf.reduce_min, tf.reduce_max))
            # What is constant but for rounding is constant.
            spread = tf.where(highest - lowest > 1e-6 * tf.abs(highest), highest - lowest, tf.zeros_like(highest))
            masks = tf.math.divide_no_nan(large - lowest, spread)
            masked = images[:, tf.newaxis] * tf.transpose(masks, (0, 3, 1, 2))[..., tf.newaxis]
            scores = query.score(query.outputs(copies.interleave(masked)))
            places = tf.one_hot(indices, channels)
            return tf.matmul(copies.separate(scores, images), places)

        return copies.total(some, channels, images, self.batch_size, tf.zeros_like(code[:, 0, 0]))
