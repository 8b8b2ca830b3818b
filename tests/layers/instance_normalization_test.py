"""Tests of keras_repvis.layers.instance_normalization."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.layers import InstanceNormalization


@pytest.fixture
def images():
    """Each channel of each image with a mean and a deviation of its own."""
    rng = np.random.default_rng(0)
    mean, deviation = rng.normal(size=(3, 1, 1, 4)), rng.uniform(0.1, 3, size=(3, 1, 1, 4))
    return (mean + deviation * rng.normal(size=(3, 6, 5, 4))).astype("float32")


def reference(images, epsilon, gamma=1.0, beta=0.0):
    images = images.astype("float64")
    mean, variance = images.mean(axis=(1, 2), keepdims=True), images.var(axis=(1, 2), keepdims=True)
    return gamma * (images - mean) / np.sqrt(variance + epsilon) + beta


@pytest.mark.parametrize("epsilon", [1e-5, 0.5])
def test_equals_numpy(images, epsilon):
    layer = InstanceNormalization(epsilon=epsilon)
    np.testing.assert_allclose(layer(images), reference(images, epsilon), atol=2e-6)
    assert layer.weights == []


def test_affine(images):
    layer = InstanceNormalization(affine=True)
    np.testing.assert_allclose(layer(images), reference(images, 1e-5), atol=2e-6)
    gamma, beta = np.random.default_rng(1).normal(size=(2, 4))
    layer.set_weights([gamma, beta])
    np.testing.assert_allclose(layer(images), reference(images, 1e-5, gamma, beta), atol=1e-5)


def test_equals_group_normalization_of_single_channels_and_of_no_others(images):
    found = InstanceNormalization()(images)
    same = keras.layers.GroupNormalization(groups=-1, epsilon=1e-5, center=False, scale=False)
    other = keras.layers.GroupNormalization(groups=1, epsilon=1e-5, center=False, scale=False)
    np.testing.assert_allclose(found, same(images), atol=2e-6)
    assert np.abs(found - other(images)).max() > 0.5


def test_an_image_does_not_see_the_others(images):
    layer = InstanceNormalization()
    np.testing.assert_allclose(layer(images)[1:2], layer(images[1:2]), atol=1e-6)


def test_a_constant_is_forgotten(images):
    layer = InstanceNormalization()
    offset = np.array([1.0, -2.0, 0.5, 3.0], "float32")
    np.testing.assert_allclose(layer(images + offset), layer(images), atol=1e-5)


def test_gradient():
    """Against central differences, in float64."""
    layer = InstanceNormalization(affine=True, dtype="float64")
    x = tf.constant(np.random.default_rng(2).normal(size=(2, 3, 2, 2)))
    weights = np.random.default_rng(3).normal(size=(2, 3, 2, 2))
    analytic, numeric = tf.test.compute_gradient(lambda x: tf.reduce_sum(layer(x) ** 3 * weights), [x])
    np.testing.assert_allclose(analytic[0], numeric[0], rtol=1e-5, atol=1e-6)


def test_flat_maps_give_zeros_and_finite_gradients():
    images = tf.fill((1, 4, 4, 2), 0.3)
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = InstanceNormalization()(images)
        total = tf.reduce_sum(outputs * tf.reshape(tf.range(32.0), outputs.shape))
    assert np.abs(outputs).max() < 1e-4
    assert np.all(np.isfinite(tape.gradient(total, images)))


@pytest.mark.parametrize("policy, tolerance", [("mixed_float16", 2e-3), ("mixed_bfloat16", 2e-2)])
def test_statistics_of_half_precision_are_taken_in_full(policy, tolerance):
    """The squares of these numbers are beyond float16, and their sum beyond the digits of bfloat16."""
    dtype = policy.removeprefix("mixed_")
    images = tf.cast(np.random.default_rng(4).normal(200, 500, size=(1, 64, 64, 2)), dtype)
    found = InstanceNormalization(dtype=policy)(images)
    assert found.dtype == dtype
    expected = reference(np.asarray(tf.cast(images, "float32")), 1e-5)
    np.testing.assert_allclose(tf.cast(found, "float32"), expected, atol=tolerance)


def test_single_pixels_are_refused():
    with pytest.raises(ValueError, match="more than one pixel"):
        InstanceNormalization()(keras.Input((1, 1, 8)))
    with pytest.raises(ValueError, match="more than one pixel"):
        InstanceNormalization()(np.zeros((4, 1, 1, 8), "float32"))
    assert InstanceNormalization()(keras.Input((1, 2, 8))).shape == (None, 1, 2, 8)


@pytest.mark.parametrize("arguments", [{"epsilon": 0}, {"affine": "yes"}])
def test_bad_arguments_are_named(arguments):
    with pytest.raises(ValueError, match=f"{next(iter(arguments))}="):
        InstanceNormalization(**arguments)
