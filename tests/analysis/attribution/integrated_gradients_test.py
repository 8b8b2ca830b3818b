"""Integrated gradients: exact on polynomials, complete, and near a fine sum on a deep network."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.analysis.attribution import Gradient, IntegratedGradients
from keras_repvis.analysis.attribution.integrated_gradients import RULES

layers = keras.layers
RNG = np.random.default_rng(0)
IMAGES = RNG.random((5, 4, 3, 2), "float32")
WEIGHTS = RNG.normal(size=(4, 3, 2, 3)).astype("float32")
DARK = RNG.random((4, 3, 2), "float32") / 4


def polynomial(degree):
    """f_c(x) = sum over pixels of w_c x^degree."""
    return lambda images: tf.einsum("bhwk,hwkc->bc", images**degree, WEIGHTS)


def deep(seed=3):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((16, 16, 3))
    hidden = layers.Conv2D(8, 3, activation="relu", bias_initializer=keras.initializers.RandomNormal())(inputs)
    hidden = layers.Conv2D(8, 3, strides=2, activation="relu")(layers.BatchNormalization()(hidden))
    hidden = layers.Conv2D(16, 3, activation="relu")(layers.MaxPooling2D(2)(hidden))
    return keras.Model(inputs, layers.Dense(4)(layers.Flatten()(hidden)))


@pytest.mark.parametrize("rule", RULES)
def test_points_and_weights_are_a_mean(rule):
    for steps in (2, 5, 50):
        nodes, weights = RULES[rule](steps)
        assert len(nodes) == len(weights) == steps and weights.sum() == pytest.approx(1, abs=1e-12)
        assert nodes.min() >= 0 and nodes.max() <= 1 and (weights > 0).all()


@pytest.mark.parametrize("rule", RULES)
def test_of_a_linear_function_it_is_weight_times_difference(rule):
    result = IntegratedGradients(polynomial(1), steps=3, baseline=DARK, rule=rule, batch_size=2)(IMAGES, 2)
    expected = (WEIGHTS[..., 2] * (IMAGES - DARK)).sum(axis=-1)
    np.testing.assert_allclose(result.maps, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(result.diagnostics["completeness_gap"], 0, rtol=0, atol=1e-5)
    np.testing.assert_allclose(result.diagnostics["baseline_score"], (WEIGHTS[..., 2] * DARK).sum(), rtol=1e-5)


@pytest.mark.parametrize("rule", ["gauss_legendre", "trapezoid", "midpoint"])
def test_of_a_quadratic_function_it_is_the_difference_of_squares(rule):
    result = IntegratedGradients(polynomial(2), steps=4, baseline=DARK, rule=rule)(IMAGES, 1)
    expected = WEIGHTS[..., 1] * (IMAGES**2 - DARK**2)
    np.testing.assert_allclose(result.maps, expected.sum(axis=-1), rtol=1e-5, atol=1e-6)


def test_the_papers_sum_is_off_by_what_it_must_be():
    for steps in (5, 50):
        result = IntegratedGradients(polynomial(2), steps=steps, rule="riemann")(IMAGES, 1)
        # Its points have the mean (1 + 1/steps) / 2, where the path's is 1/2.
        gap = (WEIGHTS[..., 1] * IMAGES**2).sum(axis=(1, 2, 3)) / steps
        np.testing.assert_allclose(result.diagnostics["completeness_gap"], gap, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("degree", [3, 8])
def test_gauss_legendre_is_exact_up_to_twice_its_points(degree):
    result = IntegratedGradients(polynomial(degree), steps=4, baseline=DARK)(IMAGES, [0, 1, 2, 1, 0])
    weights = np.moveaxis(WEIGHTS[..., [0, 1, 2, 1, 0]], -1, 0)
    expected = weights * (IMAGES.astype("float64") ** degree - DARK**degree)
    np.testing.assert_allclose(result.maps, expected.sum(axis=-1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(result.diagnostics["completeness_gap"], 0, rtol=0, atol=1e-5)
    coarse = IntegratedGradients(polynomial(degree), steps=4, baseline=DARK, rule="midpoint")(IMAGES, 0)
    assert np.abs(coarse.diagnostics["completeness_gap"]).max() > 1e-3


def test_completeness_gap_is_what_it_says():
    model = deep()
    images = RNG.random((3, 16, 16, 3), "float32")
    for rule in RULES:
        result = IntegratedGradients(model, steps=10, rule=rule, baseline=0.25)(images, 2)
        image, dark = (model(x)[:, 2].numpy() for x in (images, np.full_like(images, 0.25)))
        gap = result.maps.sum(axis=(1, 2)) - (image - dark)
        np.testing.assert_allclose(result.diagnostics["completeness_gap"], gap, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(result.diagnostics["baseline_score"], dark, rtol=1e-4, atol=1e-6)
        assert np.abs(gap).max() > 1e-6


def test_a_deep_network_at_50_points():
    """Against 2000 points in the middle; the trapezoid, whose ends count half, is worse."""
    model = deep()
    images = RNG.random((8, 16, 16, 3), "float32")
    targets = np.arange(8) % 4
    fine = IntegratedGradients(model, steps=2000, rule="midpoint", batch_size=256)(images, targets)
    assert np.abs(fine.diagnostics["completeness_gap"]).mean() < 1e-4
    gaps, errors = {}, {}
    for rule in ("gauss_legendre", "trapezoid"):
        found = IntegratedGradients(model, rule=rule)(images, targets)
        gaps[rule] = np.abs(found.diagnostics["completeness_gap"]).mean()
        errors[rule] = np.abs(found.maps - fine.maps).max() / np.abs(fine.maps).max()
    assert gaps["gauss_legendre"] < 0.7 * gaps["trapezoid"]
    assert errors["gauss_legendre"] < 0.02
    few = IntegratedGradients(model, steps=5)(images, targets)
    assert gaps["gauss_legendre"] < np.abs(few.diagnostics["completeness_gap"]).mean()


def test_batch_size_changes_nothing():
    model = deep()
    images = RNG.random((5, 16, 16, 3), "float32")
    whole = IntegratedGradients(model, steps=7, batch_size=64)(images)
    for size in (1, 3, 12):
        found = IntegratedGradients(model, steps=7, batch_size=size)(images)
        np.testing.assert_allclose(found.maps, whole.maps, rtol=1e-4, atol=1e-6)
        for name, value in whole.diagnostics.items():
            np.testing.assert_allclose(found.diagnostics[name], value, rtol=1e-4, atol=1e-5)


def test_at_most_a_batch_goes_through_the_model_at_once():
    sizes = []

    def watched(images):
        tf.py_function(lambda size: sizes.append(int(size)), [tf.shape(images)[0]], [])
        return tf.einsum("bhwk,hwkc->bc", images, WEIGHTS)

    IntegratedGradients(watched, steps=7, batch_size=6)(IMAGES[:2], 1)
    assert sizes.count(6) >= 2 and max(sizes) == 6


def test_the_class_is_that_of_the_image():
    def outputs(images):
        return tf.stack([tf.reduce_sum(images, axis=(1, 2, 3)), 6.0 + 0 * images[:, 0, 0, 0]], axis=-1)

    # At the baseline, and on half of the path, the constant class is the largest.
    result = IntegratedGradients(outputs)(IMAGES)
    np.testing.assert_array_equal(result.diagnostics["target"], 0)
    np.testing.assert_allclose(result.maps, IMAGES.sum(axis=-1), rtol=1e-5)


def test_reductions_are_of_the_shares():
    shares = WEIGHTS[..., 0] * IMAGES
    largest, length = (IntegratedGradients(polynomial(1), steps=2, reduction=one)(IMAGES, 0).maps
                       for one in ("max_abs", "l2"))
    np.testing.assert_allclose(largest, np.abs(shares).max(axis=-1), rtol=1e-5)
    np.testing.assert_allclose(length, np.linalg.norm(shares, axis=-1), rtol=1e-5)


def test_an_image_like_the_baseline_has_no_shares():
    result = IntegratedGradients(deep(), baseline=0.5, steps=5)(np.full((2, 16, 16, 3), 0.5, "float32"), 1)
    np.testing.assert_array_equal(result.maps, 0)
    gradient = Gradient(deep())(np.full((2, 16, 16, 3), 0.5, "float32"), 1).maps
    assert np.abs(gradient).max() > 0


@pytest.mark.parametrize(
    "options, message",
    [
        ({"steps": 1}, "steps=1"),
        ({"rule": "simpson"}, "rule='simpson' is not known"),
        ({"reduction": "mean"}, "reduction='mean' is not known"),
        ({"baseline": "black"}, "baseline of shape"),
        ({"baseline": np.nan}, "finite number"),
        ({"baseline": np.zeros((5, 4, 3, 2))}, "broadcasts to"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        IntegratedGradients(polynomial(1), **options)


def test_a_baseline_of_another_size_is_named():
    for shape in ((3, 3, 2), (4, 3, 3), (2, 4)):
        with pytest.raises(ValueError, match=r"baseline of shape .* images of shape \(4, 3, 2\)"):
            IntegratedGradients(polynomial(1), baseline=np.zeros(shape))(IMAGES, 0)
    for shape in ((2,), (3, 1), (4, 3, 1), (1, 1, 1)):
        maps = IntegratedGradients(polynomial(1), baseline=np.zeros(shape), steps=2)(IMAGES, 0).maps
        np.testing.assert_allclose(maps, (WEIGHTS[..., 0] * IMAGES).sum(axis=-1), rtol=1e-5, atol=1e-6)
