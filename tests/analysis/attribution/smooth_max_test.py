"""The smooth max-convolution against its definition, pixel by pixel, and finite differences."""

import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.analysis.attribution.smooth_max import SmoothMax


def by_definition(parameters, height, width, spacing, scale):
    """The soft maximum over the nearest places of the grid, in float64."""
    rows, columns = parameters.shape
    reach = 1 + -(-scale // spacing)
    padding = 1 + -(-2 * scale // spacing)
    shape = [spacing * (side + 2 * (padding - reach)) - spacing + 1 for side in (rows, columns)]
    found = np.zeros(shape)
    for y, x in np.ndindex(*shape):
        values = []
        first = [place // spacing - padding for place in (y, x)]
        for i in range(first[0], first[0] + 2 * reach + 1):
            for j in range(first[1], first[1] + 2 * reach + 1):
                distance = np.hypot(y - scale - spacing * i, x - scale - spacing * j) / scale
                inside = 0 <= i < rows and 0 <= j < columns
                values.append(np.exp(-2 * max(distance - 0.5, 0) ** 2) * (parameters[i, j] if inside else 0.0))
        weights = np.exp(20 * np.array(values))
        found[y, x] = (weights * values).sum() / weights.sum()
    return found


@pytest.mark.parametrize("height, width, spacing, scale", [(10, 7, 2, 6), (9, 12, 3, 9), (6, 8, 4, 5), (5, 4, 1, 3)])
def test_masks_are_those_of_the_definition(height, width, spacing, scale):
    smooth = SmoothMax(height, width, spacing, scale)
    parameters = np.random.default_rng(0).uniform(size=(3, *smooth.grid)).astype("float32")
    masks = smooth(tf.constant(parameters)).numpy()
    assert masks.shape == (3, *smooth.shape)
    expected = by_definition(parameters[1].astype("float64"), height, width, spacing, scale)
    np.testing.assert_allclose(masks[1], expected, atol=1e-5)
    cropped = smooth.crop(masks)
    assert cropped.shape == (3, height, width)
    np.testing.assert_array_equal(cropped[1, 0, 0], masks[1, scale, scale])


def test_gradient_is_that_of_finite_differences():
    smooth = SmoothMax(6, 5, 2, 4)
    rng = np.random.default_rng(1)
    parameters = rng.uniform(0.1, 0.9, size=(2, *smooth.grid)).astype("float32")
    weights = rng.normal(size=(2, *smooth.shape))
    with tf.GradientTape() as tape:
        tape.watch(variable := tf.constant(parameters))
        value = tf.reduce_sum(tf.cast(weights, "float32") * smooth(variable))
    found = tape.gradient(value, variable).numpy()
    for place in np.ndindex(*smooth.grid):
        sides = []
        for sign in (1, -1):
            moved = parameters[1].astype("float64")
            moved[place] += sign * 1e-4
            sides.append((weights[1] * by_definition(moved, 6, 5, 2, 4)).sum())
        assert found[(1, *place)] == pytest.approx((sides[0] - sides[1]) / 2e-4, rel=1e-3, abs=1e-3)


def test_the_maximum_is_not_quite_one():
    """With the constants of the paper."""
    smooth = SmoothMax(224, 224, 7, 21)
    assert smooth.grid == (32, 32) and smooth.shape == (260, 260)
    single = np.zeros((1, 32, 32), "float32")
    single[0, 16, 9] = 1
    ones, alone = tf.function(smooth)(tf.concat([tf.ones_like(single), single], axis=0)).numpy()
    inside = smooth.crop(ones[None])
    assert 0.9755 < inside.min() < 0.9765 and 0.9955 < inside.max() < 0.9965
    distance = np.hypot(np.arange(260)[:, None] - 21 - 16 * 7, np.arange(260) - 21 - 9 * 7)
    np.testing.assert_allclose(alone[distance <= 10.5], 1, atol=1e-5)
    assert alone[distance > 11.5].max() < 0.996 and alone[distance > 60].max() == 0


def test_uncrop_is_the_transpose_of_crop():
    smooth = SmoothMax(9, 7, 2, 6)
    rng = np.random.default_rng(2)
    whole, part = rng.normal(size=(1, *smooth.shape)), rng.normal(size=(1, 9, 7))
    assert (smooth.crop(whole) * part).sum() == pytest.approx((whole * smooth.uncrop(part).numpy()).sum())
