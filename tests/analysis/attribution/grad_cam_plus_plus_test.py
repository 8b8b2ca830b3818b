"""Grad-CAM++ against the formula with its second and third derivatives, and tf-keras-vis."""

import keras
import numpy as np
import pytest

from keras_repvis.analysis.attribution import GradCAM, GradCAMPlusPlus

layers = keras.layers


def by_hand(code, gradient, normalized=False):
    """The paper's sums, with derivatives of Y = exp(f) over exp(f) to the first, second and third power of g."""
    first, second, third = gradient, gradient**2, gradient**3
    alphas = second / (2 * second + code.sum(axis=(1, 2), keepdims=True) * third)
    if normalized:
        alphas = alphas / alphas.sum(axis=(1, 2), keepdims=True)
    weights = (alphas * np.maximum(first, 0)).sum(axis=(1, 2), keepdims=True)
    return np.maximum((weights * code).sum(axis=-1), 0)


def test_agrees_with_the_formula(rectified):
    result = GradCAMPlusPlus(rectified.model, batch_size=3)(rectified.images, rectified.targets)
    np.testing.assert_allclose(result.maps, by_hand(rectified.code, rectified.gradient), rtol=1e-4, atol=1e-6)
    denominators = 2 + rectified.code.sum(axis=(1, 2), keepdims=True) * rectified.gradient
    smallest = np.where(rectified.gradient > 0, denominators, np.inf).min(axis=(1, 2, 3))
    assert (smallest >= 2).all()
    np.testing.assert_array_equal(result.diagnostics["denominator"], 2)


def test_normalized_alphas_are_those_of_the_reference_code(rectified, keras_vis):
    from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus

    result = GradCAMPlusPlus(rectified.model, alphas="normalized")(rectified.images, rectified.targets)
    expected = by_hand(rectified.code, rectified.gradient, normalized=True)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(result.maps, expected, rtol=1e-3, atol=1e-4 * scale)
    peer = keras_vis(GradcamPlusPlus, rectified)
    factor = np.exp(result.diagnostics["score"])[:, None, None]
    np.testing.assert_allclose(factor * result.maps, peer, rtol=1e-4, atol=1e-5 * np.abs(peer).max())
    paper = GradCAMPlusPlus(rectified.model)(rectified.images, rectified.targets).maps
    assert np.abs(paper - result.maps).max() > 0.01


def test_with_equal_gradients_it_is_grad_cam_of_the_positive_ones():
    """Under a mean over positions g_k is w_k / n everywhere, alpha is one number and so is its sum: w = max(g, 0)."""
    keras.utils.set_random_seed(2)
    inputs = keras.Input((6, 5, 3))
    code = layers.Conv2D(7, 1, activation="relu", name="conv")(inputs)
    model = keras.Model(inputs, layers.Dense(4, name="logits")(layers.GlobalAveragePooling2D()(code)))
    images = np.random.default_rng(1).random((3, 6, 5, 3), "float32")
    found = GradCAMPlusPlus(model, alphas="normalized")(images, 2).maps
    kernel, bias = model.get_layer("logits").get_weights()
    model.get_layer("logits").set_weights([np.maximum(kernel, 0), bias])
    np.testing.assert_allclose(found, GradCAM(model)(images, 2).maps, rtol=1e-4, atol=1e-7)


def test_a_large_score_does_not_overflow(rectified):
    """The paper's factor exp(f) is infinite in float32 from f = 89 on."""
    model = rectified.model
    kernel = model.get_layer("logits").kernel.numpy()
    inputs = keras.Input((6, 5, 3))
    hidden = inputs
    for layer in model.layers[1:-1]:
        hidden = layer(hidden)
    scaled = layers.Dense(4, use_bias=False)
    large = keras.Model(inputs, scaled(hidden))
    scaled.set_weights([1000 * kernel])
    best = large.predict(rectified.images, verbose=0).argmax(-1)
    result = GradCAMPlusPlus(large)(rectified.images, best)
    assert (result.diagnostics["score"] > 89).any() and np.isfinite(result.maps).all() and result.maps.max() > 0


def test_a_vanishing_denominator_is_told():
    """Before a rectifier activations may be negative, and 2 + S g anything."""
    inputs = keras.Input((2, 2, 1))
    code = layers.Conv2D(1, 1, use_bias=False, name="conv")(inputs)
    model = keras.Model(inputs, layers.Dense(1, use_bias=False, name="logits")(layers.Flatten()(code)))
    model.get_layer("conv").set_weights([-np.ones((1, 1, 1, 1))])
    model.get_layer("logits").set_weights([np.full((4, 1), 0.5)])
    result = GradCAMPlusPlus(model, "conv")(np.full((1, 2, 2, 1), 0.75, "float32"), 0)
    np.testing.assert_allclose(result.diagnostics["denominator"], 2 - 4 * 0.75 * 0.5, rtol=1e-6)
    with pytest.raises(ValueError, match="alphas='code' is not known"):
        GradCAMPlusPlus(model, "conv", alphas="code")
