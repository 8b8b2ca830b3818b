"""The linear approximation: exact where f is affine above the layer, and without constant where f is homogeneous."""

import keras
import numpy as np
import pytest

from keras_repvis import analysis
from keras_repvis.analysis.attribution import GradCAM, Gradient, LinearApproximation

layers = keras.layers
IMAGES = np.random.default_rng(0).random((5, 12, 10, 3), "float32")
TARGETS = [0, 3, 1, 2, 3]


def network(bias, seed=1):
    """Two convolutions with rectifiers and max-pooling, a mean over positions, a linear classifier."""
    keras.utils.set_random_seed(seed)
    options = {"use_bias": bias, "bias_initializer": keras.initializers.RandomNormal(stddev=0.5)}
    inputs = keras.Input((12, 10, 3))
    hidden = layers.Conv2D(8, 3, activation="relu", name="first", **options)(inputs)
    hidden = layers.Conv2D(6, 3, name="second", **options)(layers.MaxPooling2D(2)(hidden))
    hidden = layers.GlobalAveragePooling2D()(layers.ReLU(name="relu")(hidden))
    return keras.Model(inputs, layers.Dense(4, name="logits", **options)(hidden))


def test_an_affine_head_is_approximated_exactly():
    model = network(bias=True)
    result = LinearApproximation(model, batch_size=2)(IMAGES, TARGETS)
    kernel, bias = model.get_layer("logits").get_weights()
    code = analysis.Representation(model)(IMAGES).astype("float64")
    positions = code.shape[1] * code.shape[2]
    np.testing.assert_allclose(result.diagnostics["constant"], bias[TARGETS], rtol=0, atol=1e-6)
    np.testing.assert_allclose(
        result.maps.sum(axis=(1, 2)) + bias[TARGETS], result.diagnostics["score"], rtol=0, atol=1e-6
    )
    expected = np.einsum("bhwk,kb->bhw", code, kernel[:, TARGETS]) / positions
    np.testing.assert_allclose(result.maps, expected, rtol=1e-5, atol=1e-7)


def test_its_positive_part_is_grad_cam_under_a_mean_over_positions():
    model = network(bias=True)
    maps, cam = (method(model)(IMAGES, TARGETS).maps for method in (LinearApproximation, GradCAM))
    np.testing.assert_allclose(np.maximum(maps, 0), cam, rtol=1e-5, atol=1e-8)
    assert cam.max() > 0 and maps.min() < 0


@pytest.mark.parametrize("layer", [None, "first", "second", "spatial"])
def test_nothing_is_left_over_in_a_network_without_biases(layer):
    model = network(bias=False)
    result = LinearApproximation(model, layer)(IMAGES, TARGETS)
    scores = model.predict(IMAGES, verbose=0)[np.arange(5), TARGETS]
    np.testing.assert_allclose(result.maps.sum(axis=(1, 2)), scores, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(result.diagnostics["constant"], 0, rtol=0, atol=1e-6)


@pytest.mark.parametrize("layer", [None, "first"])
def test_with_biases_the_constant_is_what_is_left_over(layer):
    result = LinearApproximation(network(bias=True), layer)(IMAGES, TARGETS)
    left = result.diagnostics["score"] - result.maps.sum(axis=(1, 2))
    np.testing.assert_allclose(result.diagnostics["constant"], left, rtol=1e-4, atol=1e-6)
    assert np.abs(left).min() > 1e-3


def test_at_the_image_it_is_gradient_times_input():
    model = network(bias=True)
    grey = keras.Input((12, 10, 1))
    model = keras.Model(grey, model(layers.Concatenate()([grey, grey, grey])))
    images = IMAGES[..., :1]
    gradient = Gradient(model, reduction="sum")(images, TARGETS).maps
    np.testing.assert_allclose(
        LinearApproximation(model, None)(images, TARGETS).maps, gradient * images[..., 0], rtol=1e-5, atol=1e-8
    )


def test_other_reductions_leave_the_constant_as_it_is():
    model = network(bias=True)
    signed = LinearApproximation(model)(IMAGES, TARGETS)
    largest = LinearApproximation(model, reduction="max_abs")(IMAGES, TARGETS)
    np.testing.assert_allclose(largest.diagnostics["constant"], signed.diagnostics["constant"], rtol=0, atol=1e-6)
    assert (largest.maps >= 0).all() and (largest.maps.sum() > signed.maps.sum())
    with pytest.raises(ValueError, match="reduction='mean' is not known"):
        LinearApproximation(model, reduction="mean")
    with pytest.raises(analysis.UnsupportedModelError, match="cannot be seen"):
        LinearApproximation(lambda images: model(images))
