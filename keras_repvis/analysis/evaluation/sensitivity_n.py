"""Sensitivity-n: whether the sum of a map over n pixels is the change of the output when these pixels go.

For random sets S of n pixels, and x_S the image with the pixels of S replaced by a baseline,

    r_n = mean over images of  corr_S( sum_{u in S} map(u),  f(x) - f(x_S) )

is Pearson's correlation over the sets. It is 1 for all n where the map is an exact decomposition of f: gradient times
(image - baseline) of a linear model. No map of a non-linear model reaches 1 everywhere; the n from which it falls tells
how local the explanation is. The sets are the same for all images and maps.

Reference:
    Ancona, Ceolini, Oztireli and Gross, "Towards Better Understanding of Gradient-based Attribution Methods for Deep
    Neural Networks", 2018, section 4.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.analysis.attribution import baselines
from keras_repvis.analysis.evaluation import null_maps, table
from keras_repvis.analysis.evaluation.changed_scores import ChangedScores
from keras_repvis.analysis.evaluation.mean_interval import MeanInterval


@dataclasses.dataclass(frozen=True)
class Sensitivities(table.Rows):
    """Correlations of one or several methods on the same images.

    Args:
        sizes: Tuple of integers, the n.
        correlations: Dict of the name of a method to float64 array (images, sizes), NaN where the sum of the map or the
            output is the same for all sets.

    Example:
        >>> import numpy as np
        >>> result = Sensitivities((1, 2), {"maps": np.array([[1.0, 0.5], [1.0, np.nan]])})
        >>> [row["n = 2"].mean for row in result.rows()]
        [0.5]
    """

    sizes: tuple
    correlations: dict

    def rows(self):
        """Return a row a method: the correlation at each n, with the interval over the images."""
        return [
            {"maps": name, **{f"n = {n}": MeanInterval.of(column) for n, column in zip(self.sizes, found.T)}}
            for name, found in self.correlations.items()
        ]


class SensitivityN:
    """Measures sensitivity-n, batches of images and sets at once.

    Differs from the code of Schulz et al. 2020: the correlation is that of each image, averaged, as in the paper; there
    all images are thrown together, which rewards maps that are large where the output is.

    Args:
        model: `keras.Model` of any kind, or a function of images; see `attribution.Method`.
        sizes: Sequence of integers >= 1, the n; None (default) for at most 16 numbers, equally spaced by their
            logarithms, from 1 to 0.8 times the number of pixels.
        sets: Integer >= 2, random sets of each size. Default 100.
        baseline: What pixels are replaced by: a number, or an array that broadcasts to (height, width, channels).
            Default 0.
        seed: Integer >= 0, of the sets and of the random map.
        score: "output" (default, logits), "softmax" or "sigmoid", see `attribution.Method`.
        **options: `input_index`, `batch_size`; see `attribution.Method`.

    Call arguments:
        images: float32 array (batch, height, width, channels) in [0, 1]; any batch size.
        maps: Array (batch, h, w), resized bilinearly to the image, or a dict of such by the names of methods. They keep
            their sign.
        targets: None (default) for the class with the largest score, or as for `attribution.Method`.

    Returns:
        `Sensitivities`, those of a random map and of the centre included.

    Raises:
        ValueError: If images, maps or targets do not fit, or a size is not smaller than the number of pixels.

    Example:
        >>> import numpy as np
        >>> import tensorflow as tf
        >>> weights = np.random.default_rng(0).normal(size=(4, 4, 1)).astype("float32")
        >>> model = lambda x: tf.reduce_sum(x * weights, axis=(1, 2))
        >>> images = np.random.default_rng(1).uniform(size=(2, 4, 4, 1)).astype("float32")
        >>> measure = keras_repvis.analysis.evaluation.SensitivityN(model, sizes=[1, 8])
        >>> result = measure(images, (images * weights)[..., 0], targets=0)
        >>> result.correlations["maps"].round(4).tolist()
        [[1.0, 1.0], [1.0, 1.0]]

    Reference:
        Ancona, Ceolini, Oztireli and Gross, "Towards Better Understanding of Gradient-based Attribution Methods for
        Deep Neural Networks", 2018, section 4.
    """

    def __init__(self, model, sizes=None, sets=100, baseline=0.0, seed=0, score="output", **options):
        self.sizes = None
        if sizes is not None:
            self.sizes = tuple(int(checks.number("sizes", size, low=1, integer=True)) for size in sizes)
        self.sets = int(checks.number("sets", sets, low=2, integer=True))
        self.seed = int(checks.number("seed", seed, low=0, integer=True))
        baseline = baselines.check(baseline)
        self._measure = _Sets(model, self.sizes_for, self.sets, baseline, self.seed, score=score, **options)

    def __call__(self, images, maps, targets=None):
        arrays, index = self._measure._read_images(images)
        shape = arrays[index].shape
        sizes = self.sizes_for(*shape[1:3])
        if max(sizes) >= shape[1] * shape[2]:
            raise ValueError(f"sizes={sizes} are not accepted for images of {shape[1]} x {shape[2]} pixels.")
        named = null_maps.with_null_maps(maps, *shape[:3], seed=self.seed)
        # All maps at once: what the sets do to the output does not depend on them.
        stacked = np.stack([some.reshape(len(some), -1) for some in named.values()], axis=1)
        found = self._measure.measure(images, targets, stacked)
        changes = found["score"][:, None].astype("float64") - found["scores"]
        changes = changes.reshape(-1, len(sizes), self.sets)
        correlations = {}
        for place, name in enumerate(named):
            sums = found["sums"][:, :, place].astype("float64").reshape(changes.shape)
            correlations[name] = _correlation(sums, changes)
        return Sensitivities(sizes, correlations)

    def sizes_for(self, height, width):
        """Return the tuple of the n for images of that size."""
        if self.sizes is not None:
            return self.sizes
        spaced = np.exp(np.linspace(0, np.log(max(1, 0.8 * height * width)), 16))
        return tuple(int(n) for n in np.unique(np.round(spaced)))


class _Sets(ChangedScores):
    """f of images with random sets of pixels replaced, and the sums of maps over these sets."""

    def __init__(self, model, sizes_for, sets, baseline, seed, **options):
        super().__init__(model, **options)
        self._sizes_for = sizes_for
        self._sets = sets
        self._baseline = baseline
        self._seed = seed

    def _count(self, height, width):
        return len(self._sizes_for(height, width)) * self._sets

    def _prepare(self, query, maps):
        return {"maps": maps, "baseline": baselines.like(self._baseline, query.images)}

    def _changed(self, query, fixed, indices):
        height, width = query.images.shape[1:3]
        sizes = tf.gather(tf.constant(self._sizes_for(height, width)), indices // self._sets)
        chance = tf.map_fn(self._draw(height * width), indices, fn_output_signature="float32")
        # Those of the n smallest numbers are the set.
        places = tf.argsort(tf.argsort(chance, axis=-1), axis=-1)
        chosen = places < sizes[:, None]
        sums = tf.einsum("bmp,gp->bgm", fixed["maps"], tf.cast(chosen, "float32"))
        chosen = tf.reshape(chosen, (1, -1, height, width, 1))
        changed = tf.where(chosen, fixed["baseline"][:, None], query.images[:, None])
        return changed, {"sums": sums}

    def _draw(self, pixels):
        return lambda index: tf.random.stateless_uniform((pixels,), seed=tf.stack([self._seed, index]))


def _correlation(one, other):
    """Return Pearson's correlation along the last axis; NaN where either does not vary but for rounding."""
    deviations = [some - some.mean(-1, keepdims=True) for some in (one, other)]
    norms = [np.sqrt(np.square(some).sum(-1)) for some in deviations]
    still = [
        norm <= 1e-6 * np.maximum(np.abs(some).max(-1), 1e-30) * np.sqrt(some.shape[-1])
        for norm, some in zip(norms, (one, other))
    ]
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (deviations[0] * deviations[1]).sum(-1) / (norms[0] * norms[1])
    return np.where(still[0] | still[1], np.nan, found)
