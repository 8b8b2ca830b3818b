"""Excitation backpropagation against its formula in float64, its invariants, and what it refuses."""

import keras
import numpy as np
import pytest

from keras_repvis import analysis, models
from keras_repvis.analysis.attribution import ExcitationBackprop
from keras_repvis.layers import SqueezeExcite

layers = keras.layers
RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(size=(3, 6, 6, 2)).astype("float32")


def down(p, x, w):
    """p'_j = x_j sum_i w+_ij p_i / sum_k w+_ik x_k for weights (j, i)."""
    w = np.maximum(w, 0)
    return x * (w @ (p / (x @ w + 1e-20)))


def convolution(kernel, height, width):
    """The matrix (inputs, outputs) of a convolution without padding and its output shape."""
    size, channels, filters = kernel.shape[0], *kernel.shape[2:]
    shape = (height - size + 1, width - size + 1, filters)
    matrix = np.zeros((height, width, channels, *shape))
    for i, j, di, dj in np.ndindex(*shape[:2], size, size):
        matrix[i + di, j + dj, :, i, j] = kernel[di, dj]
    return matrix.reshape(height * width * channels, -1), shape


@pytest.fixture(scope="module")
def net():
    """Convolution, batch normalisation, maximum, convolution, average over positions, two dense layers; and weights."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 6, 2))
    one, norm, two = layers.Conv2D(4, 3), layers.BatchNormalization(), layers.Conv2D(5, 2)
    three, four = layers.Dense(6, activation="relu", name="embedding"), layers.Dense(3)
    hidden = layers.ReLU(name="first")(norm(one(inputs)))
    hidden = layers.MaxPooling2D(2, strides=1, name="maxima")(hidden)
    hidden = layers.ReLU(name="second")(two(hidden))
    model = keras.Model(inputs, four(three(layers.GlobalAveragePooling2D(name="pooled")(hidden))))
    for layer in (one, norm, two, three, four):
        layer.set_weights([RNG.normal(size=w.shape) ** (2 if w.shape == (4,) else 1) for w in layer.get_weights()])
    return model, [layer.get_weights()[0].astype("float64") for layer in (one, two, three, four)]


def by_hand(net, image, target, contrastive=False):
    """p at the image, after the first rectifier and after the second; activations are taken from Keras."""
    model, (one, two, three, four) = net
    seen = analysis.Representation(model, ["first", "maxima", "second", "pooled", "embedding"])
    first, maxima, second, pooled, embedding = (code[0].astype("float64") for code in seen(image[None]))
    p = np.eye(3)[target]
    signs = (1, -1) if contrastive else (1,)
    p = sum(sign * down(p, embedding, sign * four) for sign in signs)
    p = down(p, pooled, three)
    at_second = second * (p / (second.sum((0, 1)) + 1e-20))
    matrix, _ = convolution(two, 3, 3)
    p = down(at_second.ravel(), maxima.ravel(), matrix).reshape(maxima.shape)
    at_first = np.zeros_like(first)
    for i, j, k in np.ndindex(*maxima.shape):
        window = first[i : i + 2, j : j + 2, k]
        row, column = np.unravel_index(window.argmax(), window.shape)
        at_first[i + row, j + column, k] += p[i, j, k]
    # Batch normalisation passes p on.
    matrix, _ = convolution(one, 6, 6)
    at_image = down(at_first.ravel(), image.astype("float64").ravel(), matrix).reshape(image.shape)
    return {None: at_image, "first": at_first, "second": at_second}


@pytest.mark.parametrize("layer", [None, "first", "second"])
@pytest.mark.parametrize("contrast", [None, "embedding"])
def test_agrees_with_the_formula(net, layer, contrast):
    method = ExcitationBackprop(net[0], layer, contrast_layer=contrast)
    targets = [0, 2, 1]
    result = method(IMAGES, targets)
    for image, target, found in zip(IMAGES, targets, result.maps):
        expected = by_hand(net, image, target, contrast is not None)[layer].sum(-1)
        expected = np.maximum(expected, 0) if contrast else expected
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    expected = 0 if contrast else 1
    np.testing.assert_allclose(result.diagnostics["mass"], expected, atol=2e-5)
    assert (result.diagnostics["negative"] > 0.1).all() == bool(contrast)


def test_the_contrast_of_what_speaks_for_and_against_alike_is_zero():
    """Units come in pairs of equal inputs, of which one speaks for the class and one against it."""
    inputs = keras.Input((4, 4, 2))
    conv, head = layers.Conv2D(3, 3, activation="relu", name="conv"), layers.Dense(2, use_bias=False)
    pooled = layers.GlobalAveragePooling2D(name="pooled")(conv(inputs))
    twice = layers.Dense(6, use_bias=False, activation="relu", name="twice")
    model = keras.Model(inputs, head(twice(pooled)))
    conv.set_weights([np.abs(RNG.normal(size=w.shape)) for w in conv.get_weights()])
    half = np.abs(RNG.normal(size=(3, 3)))
    twice.set_weights([np.concatenate([half, half], axis=1)])
    column = np.abs(RNG.normal(size=(3, 2)))
    head.set_weights([np.concatenate([column, -column])])
    images = IMAGES[:, :4, :4]
    plain = ExcitationBackprop(model, "conv")(images, 1)
    np.testing.assert_allclose(plain.maps.sum((1, 2)), 1, rtol=1e-5)
    maps = ExcitationBackprop(model, "conv", contrast_layer="pooled")(images, 1).maps
    np.testing.assert_allclose(maps, 0, atol=1e-6)


def residual(rectified):
    """y = relu(x) + conv(relu(x)), the second rectified too or not."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((6, 6, 2))
    hidden = layers.Conv2D(3, 3, padding="same", activation="relu", name="hidden")(inputs)
    branch = layers.Conv2D(3, 3, padding="same", activation="relu" if rectified else None, name="branch")(hidden)
    joined = layers.ReLU(name="joined")(layers.Add(name="add")([hidden, branch]))
    return keras.Model(inputs, layers.Dense(2)(layers.Flatten()(joined)))


@pytest.mark.parametrize("negative", ["refuse", "clamp", "signed"])
@pytest.mark.parametrize("rectified", [True, False])
def test_residual_sums_split_in_proportion(rectified, negative):
    model = residual(rectified)
    method = ExcitationBackprop(model, "hidden", negative=negative)
    if negative == "refuse" and not rectified:
        with pytest.raises(analysis.UnsupportedModelError, match=r"add(_1)?/Add \(AddV2\) may have negative inputs"):
            method(IMAGES, 1)
        return
    result = method(IMAGES, 1)
    seen = analysis.Representation(model, ["hidden", "branch", "joined"])(IMAGES)
    head, kernel = model.layers[-1].get_weights()[0], model.get_layer("branch").get_weights()[0]
    matrix, _ = convolution(kernel.astype("float64"), 8, 8)
    for hidden, branch, joined, found in zip(*(code.astype("float64") for code in seen), result.maps):
        p = down(np.array([0.0, 1.0]), joined.ravel(), head).reshape(joined.shape)
        parts = [np.maximum(part, 0) if negative == "clamp" else part for part in (hidden, branch)]
        whole = np.where(sum(parts) == 0, 1, sum(parts))
        padded = np.pad(hidden, ((1, 1), (1, 1), (0, 0)))
        through = down((p * parts[1] / whole).ravel(), padded.ravel(), matrix).reshape(padded.shape)[1:-1, 1:-1]
        expected = (p * parts[0] / whole + through).sum(-1)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())
    if negative == "clamp":
        np.testing.assert_allclose(result.diagnostics["mass"], 1, rtol=1e-4)
        np.testing.assert_array_equal(result.diagnostics["negative"], 0)


def test_negative_inputs_are_refused_clamped_or_taken_as_they_are():
    keras.utils.set_random_seed(4)
    inputs = keras.Input((6, 6, 2))
    head = layers.Dense(3, use_bias=False)
    model = keras.Model(inputs, head(layers.Flatten()(layers.Rescaling(2.0, offset=-1.0)(inputs))))
    with pytest.raises(analysis.UnsupportedModelError, match="dense.*may have negative inputs"):
        ExcitationBackprop(model, None)(IMAGES, 1)
    w, x = head.get_weights()[0].astype("float64"), 2.0 * IMAGES.reshape(3, -1) - 1
    clamped = ExcitationBackprop(model, None, negative="clamp")(IMAGES, 1)
    expected = np.stack([down(np.eye(3)[1], np.maximum(one, 0), w) for one in x]).reshape(IMAGES.shape).sum(-1)
    np.testing.assert_allclose(clamped.maps, expected, rtol=1e-3, atol=1e-6)
    signed = ExcitationBackprop(model, None, negative="signed")(IMAGES, 1)
    p = np.stack([down(np.eye(3)[1], one, w) for one in x])
    np.testing.assert_allclose(signed.maps, p.reshape(IMAGES.shape).sum(-1), rtol=1e-2, atol=1e-4 * np.abs(p).max())
    share = np.maximum(-p, 0).sum(1) / np.abs(p).sum(1)
    np.testing.assert_allclose(signed.diagnostics["negative"], share, rtol=1e-3)


def test_mass_stays_at_every_layer_of_mobilenet_v1():
    keras.utils.set_random_seed(6)
    model = models.MobileNetV1((32, 32, 1), width_multiplier=0.1, classes=4)
    images = RNG.random((2, 32, 32, 1), "float32")
    for layer in ("block_13_pointwise_activation", "block_6_pointwise_activation", "stem_conv_activation"):
        result = ExcitationBackprop(model, layer)(images)
        np.testing.assert_allclose(result.diagnostics["mass"], 1, rtol=1e-3)
        np.testing.assert_array_equal(result.diagnostics["negative"], 0)


@pytest.mark.parametrize("build", [models.MobileNetV2, models.MobileNetV3Small])
def test_linear_bottlenecks_and_swish_are_refused(build):
    keras.utils.set_random_seed(7)
    model = build((32, 32, 1), width_multiplier=0.1, classes=4)
    images = RNG.random((2, 32, 32, 1), "float32")
    with pytest.raises(analysis.UnsupportedModelError, match="may have negative inputs.*negative='clamp'"):
        ExcitationBackprop(model, None)(images)
    result = ExcitationBackprop(model, None, negative="clamp")(images)
    assert result.maps.shape == (2, 32, 32) and (result.maps >= 0).all() and result.maps.max() > 0


def test_masks_start_as_they_are(net):
    mask = np.array([0.25, 0.0, 0.75], "float32")
    mixed = ExcitationBackprop(net[0], "first")(IMAGES, mask)
    parts = [ExcitationBackprop(net[0], "first")(IMAGES, target).maps for target in (0, 2)]
    np.testing.assert_allclose(mixed.maps, 0.25 * parts[0] + 0.75 * parts[1], rtol=1e-4, atol=1e-7)


def test_contrast_layers_that_do_not_fit_are_named(net):
    model = net[0]
    for layer, contrast, why in [
        ("second", "first", "expected one between|goes round it"),
        ("first", "output", "before the last one with weights"),
    ]:
        with pytest.raises(ValueError, match=f"contrast_layer='{contrast}' is not accepted: .*({why})"):
            ExcitationBackprop(model, layer, contrast_layer=contrast)(IMAGES, 0)
    with pytest.raises(ValueError, match="goes round it"):
        ExcitationBackprop(residual(True), "hidden", contrast_layer="branch")(IMAGES, 0)
    with pytest.raises(ValueError, match="negative='abs' is not known"):
        ExcitationBackprop(model, negative="abs")


def test_squeeze_and_excitation_passes_mass_to_the_signal():
    keras.utils.set_random_seed(5)
    inputs = keras.Input((8, 8, 1))
    hidden = layers.Conv2D(8, 3, activation="relu", use_bias=False, name="hidden")(inputs)
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(SqueezeExcite()(hidden))))
    result = ExcitationBackprop(model, "hidden")(RNG.random((2, 8, 8, 1), "float32"), 0)
    np.testing.assert_allclose(result.diagnostics["mass"], 1, rtol=1e-5)
