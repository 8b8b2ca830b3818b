"""SmoothGrad against closed forms of its expectation, and its noise against what was said of it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.analysis.attribution import Gradient, SmoothGrad

layers = keras.layers
RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(size=(6, 5, 2, 3)).astype("float32")
# Ranges 0.8, 0.4 and 0.
IMAGES = np.stack([np.interp(RNG.random((6, 5, 2)), [0, 1], ends) for ends in ([0.1, 0.9], [0.3, 0.7], [0.5, 0.5])])
for image, ends in zip(IMAGES, ([0.1, 0.9], [0.3, 0.7], [0.5, 0.5])):
    image[0, 0, 0], image[5, 4, 1] = ends
IMAGES = IMAGES.astype("float32")
DEVIATIONS = 0.2 * np.array([0.8, 0.4, 0.0])[:, None, None]


def polynomial(degree):
    """f_c(x) = sum over pixels of w_c x^degree."""
    return lambda images: tf.einsum("bhwk,hwkc->bc", images**degree, WEIGHTS)


def deep():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6, 5, 2))
    hidden = layers.Conv2D(8, 3, padding="same", activation="relu", name="conv")(inputs)
    hidden = layers.Conv2D(4, 3, activation="relu")(hidden)
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(hidden)))


def test_of_a_linear_function_it_is_the_gradient():
    result = SmoothGrad(polynomial(1), samples=7, reduction="sum")(IMAGES, 2)
    np.testing.assert_allclose(result.maps, np.tile(WEIGHTS[..., 2].sum(-1), (3, 1, 1)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(result.diagnostics["standard_error"], 0, rtol=0, atol=1e-3)


@pytest.mark.parametrize("layer", [None, "conv"])
def test_without_noise_it_is_the_gradient(layer):
    model = deep()
    for of, change in (("signed", lambda g: g), ("absolute", np.abs), ("squared", np.square)):
        maps = SmoothGrad(model, layer, samples=3, noise=0.0, of=of, reduction="max_abs")(IMAGES, 1).maps
        np.testing.assert_allclose(maps, change(Gradient(model, layer)(IMAGES, 1).maps), rtol=1e-4, atol=1e-7)
    # The third image is of one value only: its range is zero, and so is its noise.
    np.testing.assert_allclose(
        SmoothGrad(model, layer, samples=3)(IMAGES, 1).maps[2], Gradient(model, layer)(IMAGES, 1).maps[2], rtol=1e-4,
        atol=1e-7,
    )


def test_expectation_for_a_quadratic_function():
    """df/dx = 2 w (x + s n): the mean is 2 w x, and its standard error 2 w s / sqrt(samples)."""
    samples = 400
    result = SmoothGrad(polynomial(2), samples=samples, noise=0.2, reduction="sum")(IMAGES, 0)
    weights = WEIGHTS[..., 0]
    error = 2 * DEVIATIONS / np.sqrt(samples) * np.linalg.norm(weights, axis=-1)
    distance = np.abs(result.maps - 2 * (weights * IMAGES).sum(-1))
    assert (distance <= 5 * error + 1e-5).all() and (distance[:2] > 0.05 * error[:2]).mean() > 0.8
    root_mean_square = 2 * DEVIATIONS[:, 0, 0] / np.sqrt(samples) * np.sqrt((weights**2).mean())
    np.testing.assert_allclose(result.diagnostics["standard_error"], root_mean_square, rtol=0.05, atol=1e-4)


def test_expectation_for_a_cubic_function():
    """df/dx = 3 w (x + s n)^2: noise moves the mean to 3 w (x^2 + s^2)."""
    samples = 2000
    result = SmoothGrad(polynomial(3), samples=samples, noise=0.2, reduction="sum", batch_size=512)(IMAGES, 1)
    weights, s = WEIGHTS[..., 1], DEVIATIONS[..., None]
    expected = 3 * (weights * (IMAGES.astype("float64") ** 2 + s**2)).sum(-1)
    variance = (9 * weights**2 * (4 * IMAGES.astype("float64") ** 2 * s**2 + 2 * s**4)).sum(-1) / samples
    assert (np.abs(result.maps - expected) <= 5 * np.sqrt(variance) + 1e-5).all()
    without = 3 * (weights * IMAGES**2).sum(-1)
    assert (np.abs(expected - without) > 5 * np.sqrt(variance))[0].mean() > 0.5


def test_absolute_and_squared_are_taken_before_the_mean():
    """Of 2 w s n, where the gradient itself is zero: E = 0, E|.| = 2 |w| s sqrt(2 / pi), E(.)^2 = 4 w^2 s^2."""
    samples = 2000

    def shifted(images):
        return polynomial(2)(images - IMAGES[:1])

    options = {"samples": samples, "noise": 0.2, "reduction": "sum", "batch_size": 512}
    kinds = ("signed", "absolute", "squared")
    maps = {of: SmoothGrad(shifted, of=of, **options)(IMAGES[:1], 0).maps[0] for of in kinds}
    size = 2 * np.abs(WEIGHTS[..., 0]).astype("float64") * DEVIATIONS[0, 0, 0]
    for of, mean, variance in (
        ("signed", 0 * size, size**2),
        ("absolute", size * np.sqrt(2 / np.pi), size**2 * (1 - 2 / np.pi)),
        ("squared", size**2, 2 * size**4),
    ):
        bound = 5 * np.sqrt(variance.sum(-1) / samples) + 1e-6
        assert (np.abs(maps[of] - mean.sum(-1)) <= bound).all(), of
    assert (maps["absolute"] > 10 * np.abs(maps["signed"])).mean() > 0.8


def test_the_standard_error_falls_as_the_square_root_of_samples():
    errors = [SmoothGrad(deep(), samples=samples)(IMAGES, 1).diagnostics["standard_error"] for samples in (20, 320)]
    np.testing.assert_allclose(errors[0][:2] / errors[1][:2], 4, rtol=0.35)
    np.testing.assert_allclose(errors[1][2], 0, rtol=0, atol=1e-5)


def test_noise_is_shared_by_images_and_follows_the_seed_alone():
    def noise(images, **options):
        """What was added to the gradient of a quadratic function, over the range of the image."""
        maps = SmoothGrad(polynomial(2), samples=6, noise=0.2, reduction="sum", **options)(images, 0).maps
        return (maps - 2 * (WEIGHTS[..., 0] * images).sum(-1)) / np.ptp(images, axis=(1, 2, 3))[:, None, None]

    both = noise(IMAGES[:2])
    np.testing.assert_allclose(both[0], both[1], rtol=0, atol=1e-4)
    for options in ({"batch_size": 1}, {"batch_size": 5}):
        np.testing.assert_allclose(noise(IMAGES[:2], **options), both, rtol=0, atol=1e-5)
    np.testing.assert_allclose(noise(IMAGES[1:2])[0], both[1], rtol=0, atol=1e-5)
    assert np.abs(noise(IMAGES[:2], seed=1) - both).max() > 0.01


def test_batch_size_changes_nothing():
    model = deep()
    whole = SmoothGrad(model, "conv", samples=9)(IMAGES)
    for size in (1, 7):
        found = SmoothGrad(model, "conv", samples=9, batch_size=size)(IMAGES)
        np.testing.assert_allclose(found.maps, whole.maps, rtol=1e-4, atol=1e-7)
        for name, value in whole.diagnostics.items():
            np.testing.assert_allclose(found.diagnostics[name], value, rtol=1e-3, atol=1e-5)


def test_the_class_is_that_of_the_image_without_noise():
    def outputs(images):
        """The first is larger at the image by a hair, the second at about half of the copies."""
        mean = tf.reduce_mean(images, axis=(1, 2, 3))
        return tf.stack([60 * mean, 60 * IMAGES[0].mean() - 1e-3 + 0 * mean], axis=-1)

    result = SmoothGrad(outputs, samples=16)(IMAGES[:1])
    np.testing.assert_array_equal(result.diagnostics["target"], 0)
    np.testing.assert_allclose(result.maps, 1, rtol=1e-5)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"samples": 1}, "samples=1"),
        ({"noise": -0.1}, "noise=-0.1"),
        ({"of": "abs"}, "of='abs' is not known"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": 0.5}, "seed=0.5"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        SmoothGrad(polynomial(1), **options)
