"""Gaussian blur against scipy, with kernels wider than the image too."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from keras_repvis.analysis.attribution import gaussian_blur

IMAGES = np.random.default_rng(0).uniform(size=(2, 9, 14, 3)).astype("float32")


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.7, 12.5])
@pytest.mark.parametrize("border, mode", [("reflect", "reflect"), ("zero", "constant")])
def test_blur_is_that_of_scipy(sigma, border, mode):
    found = gaussian_blur.blur(tf.constant(IMAGES), sigma, border)
    expected = ndimage.gaussian_filter(IMAGES.astype("float64"), (0, sigma, sigma, 0), mode=mode)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    maps = gaussian_blur.blur_maps(tf.constant(IMAGES[..., 0]), sigma, border)
    np.testing.assert_allclose(maps, expected[..., 0], atol=1e-6)


def test_radius_of_the_kernel():
    row = gaussian_blur.matrix(21, 2.0, radius=3)[10]
    kernel = np.exp(-np.arange(-3, 4) ** 2 / 8)
    np.testing.assert_allclose(row[7:14], kernel / kernel.sum(), rtol=1e-6)
    assert row[:7].max() == row[14:].max() == 0


def test_without_width_nothing_changes_and_no_light_is_lost_in_a_mirror():
    np.testing.assert_array_equal(gaussian_blur.blur(tf.constant(IMAGES), 0.0), IMAGES)
    for size in (1, 2, 7):
        np.testing.assert_allclose(gaussian_blur.matrix(size, 3.0).sum(axis=1), 1, rtol=1e-6)
        assert (gaussian_blur.matrix(size, 3.0, "zero").sum(axis=1) < 0.9).all()
