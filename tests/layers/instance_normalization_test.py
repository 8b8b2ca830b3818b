"""Tests of keras_repvis.layers.instance_normalization."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.layers import InstanceNormalization
from keras_repvis.layers.instance_normalization import FEW


@pytest.fixture(params=[1, 3, FEW + 1], ids=["one", "few", "many"])
def images(request):
    """Each channel of each image with a mean and a deviation of its own; few images take another way than many."""
    examples = request.param
    rng = np.random.default_rng(0)
    mean, deviation = rng.normal(size=(examples, 1, 1, 4)), rng.uniform(0.1, 3, size=(examples, 1, 1, 4))
    return (mean + deviation * rng.normal(size=(examples, 6, 5, 4))).astype("float32")


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
    np.testing.assert_allclose(layer(images)[-1:], layer(images[-1:]), atol=1e-6)


def test_batches_of_unknown_size_are_normalised_alike(images):
    layer = InstanceNormalization(affine=True)
    layer.build(images.shape)
    layer.set_weights(np.random.default_rng(1).normal(size=(2, 4)))
    compiled = tf.function(layer, input_signature=[tf.TensorSpec((None, None, None, 4))])
    np.testing.assert_allclose(compiled(images), layer(images), atol=5e-6)


def test_a_constant_is_forgotten(images):
    layer = InstanceNormalization()
    offset = np.array([1.0, -2.0, 0.5, 3.0], "float32")
    np.testing.assert_allclose(layer(images + offset), layer(images), atol=1e-5)


@pytest.mark.parametrize("batch", [1, 3, None])
def test_gradients_of_first_and_second_order_in_any_batch(batch):
    """Those of float32, for few images or for many, against those of float64, which the next test checks."""
    rng = np.random.default_rng(5)
    shape = (batch or FEW + 1, 4, 5, 2)
    x, weights, direction = rng.normal(size=(3, *shape))
    found = {}
    for dtype in ("float32", "float64"):
        layer = InstanceNormalization(affine=True, gamma_initializer="random_normal", dtype=dtype)
        layer.build(shape)
        layer.set_weights([np.array([0.5, 2.0]), np.array([1.0, -1.0])])
        images, weight, along = (tf.constant(value, dtype) for value in (x, weights, direction))
        with tf.GradientTape() as outer:
            outer.watch(images)
            with tf.GradientTape() as inner:
                inner.watch(images)
                total = tf.reduce_sum(layer(images) ** 3 * weight)
            first = inner.gradient(total, [images, *(value.value for value in layer.trainable_weights)])
            product = tf.reduce_sum(first[0] * along)
        found[dtype] = [*first, outer.gradient(product, images)]
    for single, double in zip(found["float32"], found["float64"]):
        np.testing.assert_allclose(single, double, atol=1e-5 * np.abs(double).max())


@pytest.mark.parametrize("batch", [1, FEW + 1])
def test_forward_mode_equals_backward_mode(batch):
    """<w, J v> = <J^T w, v>."""
    rng = np.random.default_rng(6)
    x, along, weights = (tf.constant(value, "float32") for value in rng.normal(size=(3, batch, 4, 4, 2)))
    layer = InstanceNormalization()
    with tf.autodiff.ForwardAccumulator(x, along) as accumulator:
        outputs = layer(x)
        forward = tf.reduce_sum(accumulator.jvp(outputs) * weights)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(layer(x) * weights)
    np.testing.assert_allclose(forward, tf.reduce_sum(tape.gradient(total, x) * along), rtol=1e-4)


def test_gradient():
    """Against central differences, in float64."""
    layer = InstanceNormalization(affine=True, dtype="float64")
    x = tf.constant(np.random.default_rng(2).normal(size=(2, 3, 2, 2)))
    weights = np.random.default_rng(3).normal(size=(2, 3, 2, 2))
    analytic, numeric = tf.test.compute_gradient(lambda x: tf.reduce_sum(layer(x) ** 3 * weights), [x])
    np.testing.assert_allclose(analytic[0], numeric[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("examples", [1, FEW + 1])
def test_flat_maps_give_zeros_and_finite_gradients(examples):
    images = tf.fill((examples, 4, 4, 2), 0.3)
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = InstanceNormalization()(images)
        total = tf.reduce_sum(outputs * tf.reshape(tf.range(32.0 * examples), outputs.shape))
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


@pytest.mark.parametrize("examples", [1, 2, FEW + 1])
def test_gains_are_applied_in_full_precision(examples):
    """1 + 2^-10 is 1 in bfloat16; the output is rounded once, not twice."""
    images = tf.cast(np.random.default_rng(7).normal(size=(examples, 8, 8, 2)), "bfloat16")
    layer = InstanceNormalization(affine=True, dtype="mixed_bfloat16")
    layer.build(images.shape)
    gamma, beta = np.array([1 + 2**-10, 3.01]), np.array([100.3, -0.003])
    layer.set_weights([gamma, beta])
    expected = reference(np.asarray(tf.cast(images, "float32")), 1e-5, gamma, beta)
    np.testing.assert_allclose(tf.cast(layer(images), "float32"), expected, rtol=2**-8, atol=1e-5)


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
