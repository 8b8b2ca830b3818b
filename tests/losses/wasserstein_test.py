"""The gradient penalty against closed forms: linear and quadratic critics, and its gradient at their weights."""

import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.losses import gradient_penalty

GENERATOR = np.random.default_rng(0)
REAL, GENERATED = GENERATOR.random((2, 3, 4, 5, 2)).astype("float32")
SHARES = np.array([0.0, 0.3, 1.0], "float32")


def test_of_a_linear_critic_it_is_that_of_the_norm_of_its_weights():
    """Patches are averaged: the critic is their mean."""
    weights = GENERATOR.normal(size=(4 * 5 * 2, 6)).astype("float32")

    def critic(images):
        return tf.reshape(tf.reshape(images, (-1, 40)) @ weights, (-1, 2, 3, 1))

    expected = (np.linalg.norm(weights.mean(axis=1)) / 2 - 1) ** 2
    np.testing.assert_allclose(gradient_penalty(critic, REAL, GENERATED, SHARES), [expected] * 3, rtol=1e-5)


def test_slope_is_taken_between_the_images_at_their_shares():
    """|z|^2 / 2 has the slope z."""
    def critic(images):
        return tf.reduce_sum(tf.square(images), axis=(1, 2, 3))[:, None] / 2

    shares = SHARES[:, None, None, None].astype("float64")
    between = shares * REAL + (1 - shares) * GENERATED
    lengths = np.sqrt((between**2).sum(axis=(1, 2, 3)))
    found = gradient_penalty(critic, REAL, GENERATED, SHARES, norm=2.0, span=1)
    np.testing.assert_allclose(found, (lengths - 2.0) ** 2, rtol=1e-4)


@pytest.mark.parametrize("compiled", [False, True])
def test_its_gradient_reaches_the_weights_of_the_critic(compiled):
    weight = tf.Variable(3.0)

    def slope():
        with tf.GradientTape() as tape:
            penalty = gradient_penalty(lambda images: weight * images[:, 0, 0], REAL, GENERATED, SHARES, span=1)
            value = tf.reduce_mean(penalty)
        return tape.gradient(value, weight)

    # The mean over two channels: the slope is w / 2 in each, of length w / sqrt(2).
    expected = 2 * (3 / np.sqrt(2) - 1) / np.sqrt(2)
    assert float((tf.function(slope) if compiled else slope)()) == pytest.approx(expected, rel=1e-5)


def test_a_critic_that_is_flat_has_a_finite_gradient():
    weight = tf.Variable(0.0)
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(gradient_penalty(lambda images: weight * images[:, 0, 0], REAL, GENERATED, SHARES))
    assert np.isfinite(float(tape.gradient(value, weight))) and float(value) == pytest.approx(3, rel=1e-4)


@pytest.mark.parametrize(("arguments", "message"), [({"norm": -1}, "norm=-1"), ({"span": 0}, "span=0")])
def test_wrong_numbers_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        gradient_penalty(lambda images: images, REAL, GENERATED, SHARES, **arguments)
