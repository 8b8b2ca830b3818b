"""Grids enlarged to masks: cells repeated, blurred as scipy does, and the gradient with and without the blur."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from keras_repvis.analysis.attribution.mask_grid import MaskGrid

RNG = np.random.default_rng(0)


def gradient(grid, cells, weights):
    with tf.GradientTape() as tape:
        tape.watch(variable := tf.constant(cells))
        value = tf.reduce_sum(weights * grid.enlarge(variable))
    return tape.gradient(value, variable).numpy()


def test_cells_are_repeated_and_then_blurred():
    cells = RNG.uniform(size=(2, 7, 7)).astype("float32")
    repeated = cells.repeat(8, axis=1).repeat(8, axis=2)
    np.testing.assert_array_equal(MaskGrid(56, 56, 7, 0.0).enlarge(cells), repeated)
    expected = ndimage.gaussian_filter(repeated.astype("float64"), (0, 5, 5))
    for through_blur in (True, False):
        np.testing.assert_allclose(MaskGrid(56, 56, 7, 5.0, through_blur).enlarge(cells), expected, atol=1e-5)


def test_gradient_is_the_sum_of_a_block():
    """And, through the blur, that of the blurred block."""
    cells, weights = RNG.uniform(size=(2, 4, 6)).astype("float32"), RNG.normal(size=(2, 16, 24)).astype("float32")
    blocks = weights.reshape(2, 4, 4, 6, 4).sum(axis=(2, 4))
    for grid in (MaskGrid(16, 24, 4, 0.0), MaskGrid(16, 24, 4, 3.0, through_blur=False)):
        np.testing.assert_allclose(gradient(grid, cells, weights), blocks, rtol=1e-4, atol=1e-5)
    # The blur with mirrored borders is symmetric.
    blurred = ndimage.gaussian_filter(weights.astype("float64"), (0, 3, 3))
    expected = blurred.reshape(2, 4, 4, 6, 4).sum(axis=(2, 4))
    np.testing.assert_allclose(gradient(MaskGrid(16, 24, 4, 3.0), cells, weights), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "size, cells, shape", [((96, 96), 28, (28, 28)), ((20, 33), 28, (20, 33)), ((10, 30), 5, (5, 15))]
)
def test_grids_fit_images_of_any_size(size, cells, shape):
    grid = MaskGrid(*size, cells, 0.0)
    assert grid.shape == shape
    values = RNG.permutation(int(np.prod(shape))).reshape(1, *shape).astype("float32")
    mask = grid.enlarge(values)
    assert mask.shape == (1, *size)
    assert set(np.unique(mask)) == set(values.ravel())
    np.testing.assert_array_equal(grid.sample(mask), values)
