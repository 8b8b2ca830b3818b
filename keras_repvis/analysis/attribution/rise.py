"""RISE: the mean of random masks, weighted by what the output is behind each of them.

With masks M_i that keep each pixel with probability p,

    S(u) = 1/(N p) sum_i f(x o M_i + b o (1 - M_i)) M_i(u)

estimates E[f | u is kept]. The model is a black box: nothing but its outputs is used. The map of a constant f is that
constant but for chance, so only differences within a map mean something.

The same masks are put on all images of a batch, many images and masks at once; `rise_masks` says how they are drawn. A
mask is made when its turn comes and forgotten, so memory does not depend on N.

Each value is a mean of N draws. Its standard error, from the variance of f M(u)/p over the masks, is returned: a map
whose range is not much larger shows chance.

Differs from the reference code: there the masked image is 0 after the network's own normalisation, that is, the mean
colour of its data; here images are in [0, 1] and the default background is black, `fill` sets another. Differs from
TorchRay's port: it takes the sigmoid of the outputs, divides by N only and begins with another grid.
"""

import tensorflow as tf

from keras_repvis import checks
from keras_repvis.analysis.attribution import masking, rise_masks
from keras_repvis.analysis.attribution.iterated import Iterated

# Petsiuk et al. 2018: the numbers of masks for each network.
PRESETS = {
    "petsiuk_2018_vgg16": {"masks": 4000, "grid": 7, "keep": 0.5},
    "petsiuk_2018_resnet50": {"masks": 8000, "grid": 7, "keep": 0.5},
}
NORMALIZERS = ("expected", "coverage")


class RISE(Iterated):
    """Map of the mean of random masks, weighted by the output behind each.

    Args:
        model: `keras.Model` of any kind, or a function of images; see `Method`.
        masks: Integer >= 1, N; None for the preset's 4000.
        grid: Integer >= 1, cells along each side of the grids that masks are made of; None for the preset's 7.
        keep: Number in (0, 1], p, the probability of a cell to be kept; None for the preset's 0.5.
        normalizer: "expected" divides by N p (the paper's); "coverage" divides by sum_i M_i(u), so that the map of a
            constant f is that constant exactly.
        fill: b, what stands where a mask is 0: a number, an array that broadcasts to (height, width, channels), or
            "mean" for the mean colour of each image. Default 0.
        preset: "petsiuk_2018_vgg16" or "petsiuk_2018_resnet50" (8000 masks), where the values come from that are not
            given.
        seed: Integer, of the masks.
        score: As in `Method`; default "softmax", the paper's.
        **options: `input_index`, `batch_size`; see `Method`.

    Call arguments:
        images: float32 array (batch, height, width, channels) in [0, 1]; any batch size.
        targets: Class index, or array of `batch` class indices, or None for the class with the largest score; or a
            mask over the outputs, or a function of them.

    Returns:
        `Attribution`; diagnostics "score" (f of the image), "target" (the class explained, where one is),
        "standard_error" (root mean square over the pixels, by the "expected" normaliser) and "mask_mean" (the mean of
        the masks drawn, p but for chance).

    Raises:
        UnsupportedModelError: If the outputs have no classes and `targets` does not say what to explain.
        ValueError: If an argument is not accepted, images or targets do not fit the model, or `score` is "softmax" and
            the outputs are a distribution already.

    Example:
        >>> import numpy as np
        >>> model = keras_repvis.models.MobileNetV1(input_shape=(32, 32, 1), classes=10, width_multiplier=0.1)
        >>> method = keras_repvis.analysis.attribution.RISE(model, masks=50)
        >>> method(np.full((2, 32, 32, 1), 0.5, "float32"), targets=3).maps.shape
        (2, 32, 32)

    Reference:
        Petsiuk, Das and Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", 2018, section
        3.
    """

    def __init__(
        self,
        model,
        masks=None,
        grid=None,
        keep=None,
        normalizer="expected",
        fill=0.0,
        preset="petsiuk_2018_vgg16",
        seed=0,
        score="softmax",
        **options,
    ):
        super().__init__(model, score=score, **options)
        constants = PRESETS[checks.one_of("preset", preset, PRESETS)]
        masks, grid, keep = (
            constants[name] if value is None else value
            for name, value in (("masks", masks), ("grid", grid), ("keep", keep))
        )
        self.masks = int(checks.number("masks", masks, low=1, integer=True))
        self.grid = int(checks.number("grid", grid, low=1, integer=True))
        self.keep = float(checks.number("keep", keep, above=0, high=1))
        self.normalizer = checks.one_of("normalizer", normalizer, NORMALIZERS)
        self.fill = masking.check_fill(fill)
        self.seed = int(checks.number("seed", seed, integer=True))

    def _plan(self, batch, height, width):
        return masking.plan(self.masks, batch, self.batch_size)

    def _begin(self, query):
        sums = tf.zeros_like(query.images[..., 0])
        state = {"sums": sums, "squares": sums, "covered": tf.zeros(query.images.shape[1:3])}
        return {"back": masking.background(query.images, self.fill)}, state

    def _step(self, query, fixed, state, step, group):
        first = step * group
        masks = rise_masks.draw(self.seed, first, group, self.grid, self.keep, *query.images.shape[1:3])
        # Masks beyond the last one count nothing.
        masks *= tf.cast(first + tf.range(group) < self.masks, "float32")[:, None, None]
        scores = masking.scores(query, masks, fixed["back"])
        return {
            "sums": state["sums"] + masking.spread(scores, masks),
            "squares": state["squares"] + masking.spread(tf.square(scores), tf.square(masks)),
            "covered": state["covered"] + tf.reduce_sum(masks, axis=0),
        }

    def _end(self, query, fixed, state):
        means = state["sums"] / (self.masks * self.keep)
        variances = tf.maximum(state["squares"] / (self.masks * self.keep**2) - tf.square(means), 0.0)
        coverage = tf.reduce_mean(state["covered"]) / self.masks
        diagnostics = {
            "standard_error": tf.sqrt(tf.reduce_mean(variances, axis=(1, 2)) / self.masks),
            "mask_mean": tf.fill(tf.shape(means)[:1], coverage),
        }
        if self.normalizer == "coverage":
            means = tf.math.divide_no_nan(state["sums"], state["covered"])
        return means, diagnostics
