"""The output while more and more pixels of an image are replaced by those of another, in an order given by a map."""

import numpy as np
import tensorflow as tf

from keras_repvis.analysis.evaluation.changed_scores import ChangedScores


class ReplacedPixels(ChangedScores):
    """f of (start where rank >= threshold, finish elsewhere), for every threshold.

    Args:
        model: As in `Method`.
        thresholds: Function (height, width) -> list of integers.
        ends: Function of images (batch, height, width, channels) that returns (start, finish) of that shape.
        **options: `input_index`, `score`, `batch_size`; see `Method`.
    """

    def __init__(self, model, thresholds, ends, **options):
        super().__init__(model, **options)
        self._thresholds = thresholds
        self._ends = ends

    def _count(self, height, width):
        return len(self._thresholds(height, width))

    def _prepare(self, query, ranks):
        start, finish = self._ends(query.images)
        return {"start": start, "finish": finish, "ranks": ranks}

    def _changed(self, query, fixed, indices):
        thresholds = tf.constant(self._thresholds(*query.images.shape[1:3]), "int32")
        replaced = fixed["ranks"][:, None] < tf.gather(thresholds, indices)[None, :, None, None]
        return tf.where(replaced[..., None], fixed["finish"][:, None], fixed["start"][:, None]), {}


def rank_pixels(maps, seed=0):
    """Return the place of each pixel in the order of decreasing value, int32 (batch, height, width), from 0.

    Equal values come in a random order, the same for all images: in the order of reading, a constant map would say that
    the upper rows matter most.
    """
    batch, size = len(maps), maps[0].size
    chance = np.random.default_rng([31, seed]).permutation(size)
    flat = np.asarray(maps, "float64").reshape(batch, size)
    order = np.lexsort((np.broadcast_to(chance, flat.shape), -flat), axis=-1)
    ranks = np.empty((batch, size), "int32")
    np.put_along_axis(ranks, order, np.arange(size, dtype="int32")[None], axis=1)
    return ranks.reshape(np.shape(maps))


def area(curves):
    """Return the area under curves (..., steps + 1) over [0, 1], by the trapezoid rule."""
    return (curves.sum(-1) - (curves[..., 0] + curves[..., -1]) / 2) / (curves.shape[-1] - 1)
