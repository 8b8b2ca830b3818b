"""Tests of keras_repvis.layers.cropping."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.layers import Cropping


@pytest.mark.parametrize("cropping", [1, (2, 1), ((1, 0), (0, 2)), 0])
def test_equals_keras(cropping):
    images = np.random.default_rng(0).normal(size=(2, 6, 5, 3)).astype("float32")
    layer, same = Cropping(cropping), keras.layers.Cropping2D(cropping)
    np.testing.assert_array_equal(layer(images), same(images))
    assert layer.compute_output_shape(images.shape) == same.compute_output_shape(images.shape)


@pytest.mark.parametrize("shape", [(None, 6, 5, 3), (2, None, None, 3), (None, None, None, None)])
def test_sizes_known_and_unknown(shape):
    images = np.random.default_rng(0).normal(size=(2, 6, 5, 3)).astype("float32")
    compiled = tf.function(Cropping(((1, 0), (2, 1))), input_signature=[tf.TensorSpec(shape)])
    np.testing.assert_array_equal(compiled(images), images[:, 1:, 2:-1])


def test_gradient_is_padded_by_zeros_without_a_strided_slice():
    images = tf.ones((1, 4, 4, 1))

    @tf.function
    def gradient(images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            total = tf.reduce_sum(Cropping(((1, 0), (0, 2)))(images))
        return tape.gradient(total, images)

    expected = np.zeros((4, 4))
    expected[1:, :-2] = 1
    np.testing.assert_array_equal(gradient(images)[0, :, :, 0], expected)
    kinds = {operation.type for operation in gradient.get_concrete_function(images).graph.get_operations()}
    assert "StridedSliceGrad" not in kinds


def test_images_that_are_too_small_are_refused():
    with pytest.raises(ValueError, match="cropping"):
        Cropping(2)(keras.Input((4, 8, 1)))
