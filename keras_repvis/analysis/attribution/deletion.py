"""The deletion game: the smallest box, taken from a map, whose deletion makes the output fall.

For thresholds t = 0, 0.01, ..., 0.99 the tightest box around the pixels with S(u) - min S >= t (max S - min S) is
replaced by a blurred copy of the image. With the output f_b of the whole image blurred, the share that is left of the
output is

    (f(box deleted) - f_b) / (f(x) - f_b).

The score of a map S is the area of the smallest box that leaves at most 0.01. A map that marks what the network looks
at has a small one. That need not be the object: what is salient may be a part of it, or something beside it.

Differs from the reference code: the blur is of the image as the network sees it, with a deviation of 10 pixels at a
shorter side of 224; there of the file, at whatever size. Where blurring the image changes nothing, the share is 0.

Reference:
    Fong and Vedaldi, "Interpretable Explanations of Black Boxes by Meaningful Perturbation", 2017, section 5.
    Constants: ruthcfong/perturb_explanations.
"""

import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.analysis.attribution import gaussian_blur, masking
from keras_repvis.analysis.attribution.iterated import Iterated

_BLUR = 10.0
# The shorter side of an image that the blur is meant for.
_SIDE = 224


class DeletionGame:
    """The smallest box of a map that has to be deleted for the output to fall.

    Args:
        model: `keras.Model` of any kind, or a function of images; see `Method`.
        threshold: Number, largest share of the output that may be left. Default 0.01.
        levels: Integer >= 1, thresholds of the map. Default 100.
        image_blur: Number > 0, standard deviation of the blur in pixels; None (default) for 10 at 224.
        score: As in `Method`; default "softmax", the paper's.
        **options: `input_index`, `batch_size`; see `Method`.

    Call arguments:
        images: float32 array (batch, height, width, channels) in [0, 1]; any batch size.
        maps: Array (batch, height, width), of the size of the images, larger where more is evident.
        targets: Class index, or array of `batch` class indices, or None for the class with the largest score; or a
            mask over the outputs, or a function of them.
        progress: As in `Method`.

    Returns:
        `Attribution`, its maps 1 in the box and 0 outside; diagnostics "area" (of the box, as a share of the image:
        the score of the map), "box" (top, left, bottom, right, the last two outside), "found" (whether the output
        falls to the threshold; if not, the box is the one that leaves least), "left" (share of the output that is
        left), "score_deleted" (f with the box deleted), "score" (f of the image) and "target" (where a class is
        explained).

    Raises:
        ValueError: If an argument is not accepted, or images, maps or targets do not fit the model.

    Example:
        >>> import numpy as np
        >>> model = keras_repvis.models.MobileNetV1(input_shape=(32, 32, 1), classes=10, width_multiplier=0.1)
        >>> images = np.random.default_rng(0).uniform(size=(2, 32, 32, 1)).astype("float32")
        >>> game = keras_repvis.analysis.attribution.DeletionGame(model, levels=5)
        >>> game(images, maps=images[..., 0], targets=3).diagnostics["box"].shape
        (2, 4)

    Reference:
        Fong and Vedaldi, "Interpretable Explanations of Black Boxes by Meaningful Perturbation", 2017, section 5.
    """

    def __init__(self, model, threshold=0.01, levels=100, image_blur=None, score="softmax", **options):
        checks.number("threshold", threshold)
        checks.number("levels", levels, low=1, integer=True)
        if image_blur is not None:
            checks.number("image_blur", image_blur, above=0)
        self._search = _Search(model, threshold, levels, image_blur, score=score, **options)

    def __call__(self, images, maps, targets=None, progress=None):
        maps = np.asarray(maps, "float32")
        return self._search.search(images, maps, targets, progress)


class _Search(Iterated):
    """The search for the box, some levels of some maps at a time."""

    def __init__(self, model, threshold, levels, image_blur, **options):
        super().__init__(model, **options)
        self._threshold = threshold
        self._levels = levels
        self._image_blur = image_blur

    def search(self, images, maps, targets, progress):
        inputs, index = self._read_images(images)
        shape = inputs[index].shape[:3]
        if maps.shape != shape or not np.isfinite(maps).all():
            raise ValueError(f"maps of shape {maps.shape} are not accepted: expected finite numbers, {shape}.")
        return self._call_in_chunks(images, targets, progress, companions=(maps,))

    def _plan(self, batch, height, width):
        return masking.plan(self._levels, batch, self.batch_size)

    def _begin(self, query, maps):
        images = query.images
        sigma = _BLUR * min(images.shape[1:3]) / _SIDE if self._image_blur is None else self._image_blur
        back = gaussian_blur.blur(images, sigma)
        lowest = tf.reduce_min(maps, axis=(1, 2), keepdims=True)
        highest = tf.reduce_max(maps, axis=(1, 2), keepdims=True)
        fixed = {
            "back": back,
            "maps": maps - lowest,
            "range": (highest - lowest)[:, 0],
            "whole": query.score(query.outputs()),
            "blurred": query.score(query.outputs(back)),
        }
        count = tf.shape(images)[:1]
        # Of the best box so far: whether it is good enough, what it leaves, f without it, its area and its level.
        return fixed, {
            "found": tf.zeros(count, "bool"),
            "left": tf.fill(count, float("inf")),
            "score": tf.zeros(count),
            "area": tf.fill(count, float("inf")),
            "level": tf.zeros(count),
        }

    def _step(self, query, fixed, state, step, group):
        number = step * group + tf.range(group)
        levels = tf.cast(number, "float32") / self._levels
        boxes = _boxes(fixed["maps"][:, None], levels * fixed["range"])
        scores = masking.scores(query, 1 - boxes, fixed["back"])
        blurred, whole = fixed["blurred"][:, None], fixed["whole"][:, None]
        left = tf.math.divide_no_nan(scores - blurred, whole - blurred)
        new = {
            "found": left <= self._threshold,
            "left": tf.where(number < self._levels, left, float("inf")),
            "score": scores,
            "area": tf.reduce_mean(boxes, axis=(2, 3)),
            "level": tf.tile(levels[None], (tf.shape(scores)[0], 1)),
        }
        both = {name: tf.concat([state[name][:, None], new[name]], axis=1) for name in state}
        best = _best(both["found"] & (both["left"] < float("inf")), both["left"], both["area"])
        return {name: tf.gather(both[name], best, batch_dims=1) for name in both}

    def _end(self, query, fixed, state):
        box = _boxes(fixed["maps"], state["level"] * fixed["range"][:, 0])
        rows, columns = tf.reduce_max(box, axis=2), tf.reduce_max(box, axis=1)
        first = [tf.argmax(side, axis=1) for side in (rows, columns)]
        last = [one + tf.cast(tf.reduce_sum(side, axis=1), "int64") for one, side in zip(first, (rows, columns))]
        return box, {
            "area": state["area"],
            "box": tf.stack([*first, *last], axis=1),
            "found": state["found"],
            "left": state["left"],
            "score_deleted": state["score"],
        }


def _best(found, left, area):
    """Return the place of the smallest box that is good enough, or of the one that leaves least, (batch,)."""
    smallest = tf.argmin(tf.where(found, area, float("inf")), axis=1)
    return tf.where(tf.reduce_any(found, axis=1), smallest, tf.argmin(left, axis=1))


def _boxes(maps, levels):
    """Return the tightest boxes around what is at least at the level, 1 inside, (..., height, width)."""
    high = tf.cast(maps >= levels[..., None, None], "float32")
    rows, columns = tf.reduce_max(high, axis=-1), tf.reduce_max(high, axis=-2)
    sides = [
        tf.minimum(tf.cumsum(side, axis=-1), tf.cumsum(side, axis=-1, reverse=True)) for side in (rows, columns)
    ]
    return tf.minimum(1.0, tf.minimum(sides[0][..., :, None], sides[1][..., None, :]))
