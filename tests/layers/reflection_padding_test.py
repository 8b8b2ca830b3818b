"""Tests of keras_repvis.layers.reflection_padding."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.layers import ReflectionPadding


@pytest.mark.parametrize("padding", [0, 1, 3])
def test_equals_numpy(padding):
    images = np.random.default_rng(0).normal(size=(2, 4, 5, 3)).astype("float32")
    widths = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    layer = ReflectionPadding(padding)
    np.testing.assert_array_equal(layer(images), np.pad(images, widths, mode="reflect"))
    assert layer.compute_output_shape((2, 4, 5, 3)) == (2, 4 + 2 * padding, 5 + 2 * padding, 3)


def test_gradient_counts_how_often_a_pixel_is_seen():
    images = tf.zeros((1, 1, 4, 1)) + tf.zeros((1, 4, 1, 1))
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(ReflectionPadding(2)(images))
    seen = np.array([1, 3, 3, 1])  # of a row: 2 1 | 0 1 2 3 | 2 1
    np.testing.assert_array_equal(tape.gradient(total, images)[0, :, :, 0], np.outer(seen, seen))


def test_unknown_sizes_stay_unknown():
    assert ReflectionPadding(3)(keras.Input((None, 8, 2))).shape == (None, None, 14, 2)


@pytest.mark.parametrize("shape", [(2, 3, 8, 1), (2, 8, 3, 1), (2, 8, 8)])
def test_images_without_enough_pixels_are_refused(shape):
    with pytest.raises(ValueError, match="height and width > padding=3"):
        ReflectionPadding(3).compute_output_shape(shape)
    with pytest.raises(ValueError, match="height and width > padding=3"):
        ReflectionPadding(3)(np.zeros(shape, "float32"))


@pytest.mark.parametrize("padding", [-1, 1.5, "same"])
def test_bad_padding_is_named(padding):
    with pytest.raises(ValueError, match="padding=.* is not accepted: expected an integer >= 0"):
        ReflectionPadding(padding)
