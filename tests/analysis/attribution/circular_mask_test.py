"""Discs against scipy, and the smallest that hides what an output is about."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from keras_repvis.analysis.attribution import circular_mask, targets
from keras_repvis.analysis.attribution.query import Query


@pytest.mark.parametrize("height, width", [(224, 224), (112, 112), (60, 90)])
def test_discs_are_those_of_the_reference_code(height, width):
    scale = np.hypot(height, width) / np.hypot(224, 224)
    rows, columns = np.ogrid[: height, : width]
    distance = (rows - height // 2) ** 2 + (columns - width // 2) ** 2
    for number in (0, 7, 34):
        sharp = (distance <= (5 * number * scale) ** 2).astype("float64")
        expected = ndimage.gaussian_filter(sharp, 10 * scale)
        np.testing.assert_allclose(circular_mask.discs([number], height, width)[0], expected, atol=1e-5)


def smallest(function, images, back):
    query = Query(function, [tf.constant(images)], 0, 0, targets.Custom(lambda outputs: outputs), tf.zeros(len(images)))
    return circular_mask.smallest(query, back).numpy()


def test_the_smallest_disc_that_hides_it_is_found_for_each_image():
    """The output is the light left in a square around the middle, of another size for each image."""
    distance = np.maximum(*np.abs(np.indices((80, 80)) - 40))
    squares = np.stack([distance < size for size in (5, 15, 30)]).astype("float32")[..., None]
    found = smallest(lambda x: tf.reduce_sum(x, axis=(1, 2, 3)), squares, tf.zeros((1, 1, 1, 1)))
    discs = circular_mask.discs(np.arange(35), 80, 80).numpy()
    for mask, square in zip(found, squares[..., 0]):
        light = (square * (1 - discs)).sum(axis=(1, 2))
        shares = (light - light[-1]) / (square.sum() - light[-1])
        best = np.flatnonzero(shares < 0.01)[0]
        assert 0 < best < 34
        np.testing.assert_allclose(mask, discs[best], atol=1e-6)


def test_where_nothing_helps_it_is_the_largest():
    found = smallest(lambda x: tf.ones(tf.shape(x)[0]), np.ones((2, 40, 40, 1), "float32"), tf.zeros((1, 1, 1, 1)))
    np.testing.assert_allclose(found, np.tile(circular_mask.discs([34], 40, 40), (2, 1, 1)), atol=1e-6)
