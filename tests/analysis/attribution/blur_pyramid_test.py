"""The perturbation pyramid: its levels, and what a mask takes of them."""

import math

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from keras_repvis.analysis.attribution import blur_pyramid

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(size=(2, 10, 13, 3)).astype("float32")
MASKS = RNG.uniform(size=(2, 10, 13)).astype("float32")


def levels_of(kind, color=0.0, images=IMAGES):
    return blur_pyramid.build(tf.constant(images), kind, 8, 5.0, color)


@pytest.mark.parametrize("color", [0.0, 0.4])
def test_levels_of_the_blur_are_those_of_scipy(color):
    levels = levels_of("blur", color).numpy()
    assert levels.shape == (2, 10, 13, 8, 3)
    for level in range(7):
        sigma = 5 * (1 - level / 7)
        radius = math.ceil(4 * sigma)
        blurred = ndimage.gaussian_filter(
            IMAGES.astype("float64") - color, (0, sigma, sigma, 0), mode="constant", radius=(0, radius, radius, 0)
        )
        np.testing.assert_allclose(levels[:, :, :, level], blurred + color, atol=1e-6)
    np.testing.assert_array_equal(levels[:, :, :, 7], IMAGES)


def test_fade_is_a_product_with_the_mask():
    found = blur_pyramid.apply(blur_pyramid.pairs(levels_of("fade")), tf.constant(MASKS))
    np.testing.assert_allclose(found, IMAGES * MASKS[..., None], atol=1e-6)
    found = blur_pyramid.apply(blur_pyramid.pairs(levels_of("fade", 0.25)), tf.constant(MASKS))
    np.testing.assert_allclose(found, 0.25 + (IMAGES - 0.25) * MASKS[..., None], atol=1e-6)


@pytest.mark.parametrize("kind", blur_pyramid.KINDS)
def test_ends_are_exact_and_between_them_levels_are_mixed(kind):
    levels = levels_of(kind)
    pairs = blur_pyramid.pairs(levels)
    np.testing.assert_array_equal(blur_pyramid.apply(pairs, tf.ones_like(MASKS)), IMAGES)
    np.testing.assert_array_equal(blur_pyramid.apply(pairs, tf.zeros_like(MASKS)), levels[:, :, :, 0])
    if kind == "fade":
        assert not levels[:, :, :, 0].numpy().any()
    position = MASKS.astype("float64") * 7
    low = np.floor(position).astype(int)
    expected = np.zeros_like(IMAGES, dtype="float64")
    for place in np.ndindex(MASKS.shape):
        share, level = position[place] - low[place], levels[place].numpy()
        expected[place] = (1 - share) * level[low[place]] + share * level[low[place] + 1]
    np.testing.assert_allclose(blur_pyramid.apply(pairs, tf.constant(MASKS)), expected, atol=1e-6)


def test_gradient_is_the_step_to_the_next_level_and_at_one_that_from_below():
    levels, weights = levels_of("blur"), RNG.normal(size=IMAGES.shape).astype("float32")
    masks = np.where(MASKS < 0.3, 1.0, MASKS).astype("float32")
    with tf.GradientTape() as tape:
        tape.watch(variable := tf.constant(masks))
        value = tf.reduce_sum(weights * blur_pyramid.apply(blur_pyramid.pairs(levels), variable))
    low = np.minimum(np.floor(masks * 7), 6).astype(int)
    steps = 7 * np.diff(levels.numpy(), axis=3)
    expected = (np.take_along_axis(steps, low[..., None, None], axis=3)[:, :, :, 0] * weights).sum(-1)
    np.testing.assert_allclose(tape.gradient(value, variable), expected, rtol=1e-4, atol=1e-4)
