"""Grad-CAM against its formula, the class activation map of a linear head, and finite differences."""

import keras
import numpy as np
import pytest

from keras_repvis import analysis
from keras_repvis.analysis.attribution import GradCAM

layers = keras.layers
IMAGES = np.random.default_rng(0).random((5, 12, 10, 3), "float32")
TARGETS = np.array([0, 3, 1, 2, 3])


def pooled(seed=1):
    """Convolution, rectifier, mean over positions, linear classifier with a bias."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((12, 10, 3))
    hidden = layers.ReLU(name="relu")(layers.Conv2D(6, 3, strides=2, name="conv")(inputs))
    outputs = layers.Dense(4, bias_initializer="ones", name="logits")(layers.GlobalAveragePooling2D()(hidden))
    return keras.Model(inputs, outputs)


def flattened(seed=2):
    """The same with a head whose gradient differs from position to position, and is not linear."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((12, 10, 3))
    hidden = layers.ReLU(name="relu")(layers.Conv2D(6, 3, strides=2, name="conv")(inputs))
    return keras.Model(inputs, layers.Dense(4)(layers.Dense(8, activation="tanh")(layers.Flatten()(hidden))))


def activations(model):
    inner = keras.Model(model.input, model.get_layer("relu").output)
    return inner(IMAGES).numpy().astype("float64")


def test_with_a_linear_head_it_is_the_class_activation_map():
    model = pooled()
    code = activations(model)
    weights = model.get_layer("logits").kernel.numpy().astype("float64")[:, TARGETS].T
    expected = np.einsum("bhwk,bk->bhw", code, weights) / 20
    signed = GradCAM(model, relu=False, batch_size=2)(IMAGES, TARGETS)
    np.testing.assert_allclose(signed.maps, expected, rtol=1e-5, atol=1e-7)
    assert (expected < -0.001).any() and (expected > 0.001).any()
    # What the map does not hold is the bias.
    np.testing.assert_allclose(signed.maps.sum(axis=(1, 2)) + 1, signed.diagnostics["score"], rtol=1e-5)
    positive = GradCAM(model)(IMAGES, TARGETS)
    np.testing.assert_allclose(positive.maps, np.maximum(expected, 0), rtol=1e-5, atol=1e-7)
    for result in (signed, positive):
        np.testing.assert_allclose(result.diagnostics["largest"], expected.max(axis=(1, 2)), rtol=1e-5, atol=1e-7)
        np.testing.assert_array_equal(result.diagnostics["target"], TARGETS)


def test_agrees_with_the_formula_and_finite_differences():
    model = flattened()
    code = activations(model)
    head_input = keras.Input(code.shape[1:])
    hidden = head_input
    for layer in model.layers[model.layers.index(model.get_layer("relu")) + 1 :]:
        hidden = layer(hidden)
    head = keras.Model(head_input, hidden)
    maps = GradCAM(model, relu=False)(IMAGES, 2).maps
    step = 1e-2
    # w_k is the derivative of f when all of a channel is raised at once, over the number of positions.
    raised = [head(code + step * sign * np.eye(6)[k])[:, 2].numpy().astype("float64")
              for k in range(6) for sign in (1, -1)]
    weights = np.stack([(up - down) / (2 * step) for up, down in zip(raised[::2], raised[1::2])], axis=-1) / 20
    np.testing.assert_allclose(maps, np.einsum("bhwk,bk->bhw", code, weights), rtol=2e-2, atol=2e-4)
    assert np.abs(maps).max() > 0.01


def test_is_brought_to_the_size_of_the_image_with_centres_at_halves():
    model = pooled()
    small = GradCAM(model, relu=False)(IMAGES, 1).maps
    large = GradCAM(model, relu=False, upsample=True)(IMAGES, 1).maps
    assert small.shape == (5, 5, 4) and large.shape == (5, 12, 10)

    def interpolation(size, count):
        """Matrix (size, count) of bilinear weights, straight from the definition."""
        places = np.clip((np.arange(size) + 0.5) * count / size - 0.5, 0, count - 1)
        return np.maximum(1 - np.abs(places[:, None] - np.arange(count)), 0)

    expected = np.einsum("ih,bhw,jw->bij", interpolation(12, 5), small, interpolation(10, 4))
    np.testing.assert_allclose(large, expected, rtol=1e-4, atol=1e-6)


def test_the_layer_before_the_rectifier_is_not_the_default():
    model = pooled()
    default, named, before = (GradCAM(model, **layer)(IMAGES, 1).maps
                              for layer in ({}, {"layer": "relu"}, {"layer": "conv"}))
    np.testing.assert_array_equal(default, named)
    assert np.abs(default - before).max() > 1e-3
    phi = analysis.Representation(model, "conv")
    np.testing.assert_array_equal(GradCAM(model, layer=phi)(IMAGES, 1).maps, before)


def test_a_class_that_nothing_speaks_for_has_a_map_of_zeros():
    model = pooled()
    kernel, bias = model.get_layer("logits").get_weights()
    model.get_layer("logits").set_weights([np.where(np.arange(4) == 1, -np.abs(kernel), kernel), bias])
    result = GradCAM(model)(IMAGES, 1)
    assert result.maps.max() == 0 and (result.diagnostics["largest"] <= 0).all()


def test_any_batch_size_and_the_model_is_left_alone():
    model = flattened()
    before = [weight.numpy() for weight in model.weights]
    whole = GradCAM(model)(IMAGES)
    for size in (1, 2, 4):
        np.testing.assert_allclose(GradCAM(model, batch_size=size)(IMAGES).maps, whole.maps, rtol=1e-5, atol=1e-7)
    for weight, value in zip(model.weights, before):
        np.testing.assert_array_equal(weight.numpy(), value)


def test_what_it_cannot_explain_is_refused():
    model = pooled()
    with pytest.raises(analysis.UnsupportedModelError, match="layers of function cannot be seen"):
        GradCAM(lambda images: model(images))
    with pytest.raises(ValueError, match="layer has outputs"):
        GradCAM(model, layer="logits")(IMAGES, 1)
    with pytest.raises(ValueError, match="Representation of 2 layers"):
        GradCAM(model, layer=analysis.Representation(model, ["conv", "relu"]))(IMAGES, 1)
    with pytest.raises(ValueError, match="of another model"):
        GradCAM(model, layer=analysis.Representation(pooled()))
    with pytest.raises(ValueError, match="upsample='bicubic' is not known"):
        GradCAM(model, upsample="bicubic")
    inputs = keras.Input((12, 10, 3))
    aside = layers.ReLU(name="aside")(inputs)
    cut = keras.Model(inputs, [layers.Dense(2)(layers.Flatten()(inputs)), aside])
    with pytest.raises(analysis.UnsupportedModelError, match="no gradient reaches the layer"):
        GradCAM(cut)(IMAGES, lambda outputs: outputs[0][:, 1])
