"""Linear layers of every kind, with what scales and shifts their outputs, against the matrix that they are together."""

import keras
import numpy as np
import pytest

from keras_repvis import models
from keras_repvis.analysis.attribution import LRP, Composite, LinearApproximation
from keras_repvis.layers import LayerScale

layers = keras.layers
RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(size=(3, 6, 6, 2)).astype("float32")

LINEAR = {
    "convolution": lambda: layers.Conv2D(3, 3, strides=2, padding="same"),
    "dilated": lambda: layers.Conv2D(3, 2, dilation_rate=2),
    "depthwise": lambda: layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"),
    "transposed": lambda: layers.Conv2DTranspose(3, 3, strides=2, padding="same"),
    "dense at each position": lambda: layers.Dense(4),
    "dilated depthwise": lambda: layers.DepthwiseConv2D(2, dilation_rate=2),
    "einsum": lambda: layers.EinsumDense("bhwc,ck->bhwk", output_shape=(6, 6, 4), bias_axes="k"),
}
UNWEIGHTED = {
    "average": lambda: layers.AveragePooling2D(2, strides=1, padding="same"),
    "average over positions": lambda: layers.GlobalAveragePooling2D(keepdims=True),
    "bilinear": lambda: layers.UpSampling2D(2, interpolation="bilinear"),
}


def randomised(model, seed=1):
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        weights = [rng.normal(size=w.shape) for w in layer.get_weights()]
        if isinstance(layer, layers.BatchNormalization):
            weights[-1] = weights[-1] ** 2 + 0.1
        layer.set_weights(weights)
    return model


def matrix(model):
    """(w, b) of an affine model of images, measured pixel by pixel."""
    size = int(np.prod(IMAGES.shape[1:]))
    b = model.predict(np.zeros((1, *IMAGES.shape[1:])), verbose=0).astype("float64").reshape(1, -1)
    w = model.predict(np.eye(size).reshape(size, *IMAGES.shape[1:]), verbose=0).astype("float64").reshape(size, -1)
    return w - b, b[0]


def z_plus(relevance, x, w, b):
    z = np.maximum(x[:, None] * w, 0)
    total = z.sum(0) + np.maximum(b, 0)
    return (z / np.where(total == 0, 1, total)) @ relevance


CASES = [(kind, after) for kind in LINEAR for after in ("nothing", "batch norm", "chain")]
# Without weights nothing is folded into them.
CASES += [(kind, "nothing") for kind in UNWEIGHTED]


@pytest.mark.parametrize("layer, after", CASES)
def test_what_follows_belongs_to_it(layer, after):
    inputs = keras.Input((6, 6, 2))
    hidden = {**LINEAR, **UNWEIGHTED}[layer]()(inputs)
    if after != "nothing":
        hidden = layers.BatchNormalization()(hidden)
    if after == "chain":
        hidden = 1.5 - layers.Rescaling(0.5, offset=0.1)(LayerScale(0.3)(hidden)) / 2.0
    affine = randomised(keras.Model(inputs, hidden))
    head = layers.Dense(2, use_bias=False)
    model = keras.Model(inputs, head(layers.Flatten()(layers.ReLU()(hidden))))
    w, b = matrix(affine)
    composite = Composite(convolution="z_plus", dense="z_plus", pooling="z_plus")
    maps = LRP(model, composite)(IMAGES, 1).maps
    for image, found in zip(IMAGES.astype("float64"), maps):
        rectified = np.maximum(image.ravel() @ w + b, 0)
        last = head.get_weights()[0].astype("float64")
        relevance = z_plus(np.eye(2)[1] * (rectified @ last), rectified, last, 0)
        expected = z_plus(relevance, image.ravel(), w, b).reshape(image.shape).sum(-1)
        np.testing.assert_allclose(found, expected, atol=2e-4 * np.abs(expected).max())


@pytest.mark.parametrize("composite", ["epsilon_plus", "epsilon_gamma_box", "epsilon_alpha2_beta1_flat", "w_square"])
def test_a_folded_model_has_the_relevance_of_the_unfolded_one(composite):
    keras.utils.set_random_seed(1)
    model = models.MobileNetV2((32, 32, 1), width_multiplier=0.1, classes=3)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            gamma, beta, mean, variance = (RNG.normal(scale=0.3, size=w.shape) for w in layer.get_weights())
            layer.set_weights([1 + gamma, beta + 0.3, mean, 1 + variance**2])
    images = RNG.random((2, 32, 32, 1), "float32")
    one, two = (LRP(net, composite)(images, 1).maps for net in (model, models.fold_batch_norm(model)))
    assert np.abs(one).max() > 0
    np.testing.assert_allclose(two, one, atol=2e-3 * np.abs(one).max())


@pytest.fixture(scope="module")
def preactivated():
    """A batch normalisation that follows a rectifier and feeds two convolutions, so that nothing is folded."""
    inputs = keras.Input((6, 6, 2))
    hidden = layers.BatchNormalization(name="norm")(layers.Conv2D(3, 3, activation="relu", name="first")(inputs))
    two = layers.Add()([layers.Conv2D(3, 2)(hidden), layers.Conv2D(3, 2)(hidden)])
    return randomised(keras.Model(inputs, layers.Dense(2)(layers.Flatten()(layers.ReLU()(two)))))


def test_a_shift_on_its_own_takes_a_share_as_a_bias_does(preactivated):
    expected = LinearApproximation(preactivated, layer=None)(IMAGES, 0).maps
    found = LRP(preactivated, "zero")(IMAGES, 0).maps
    np.testing.assert_allclose(found, expected, atol=2e-4 * np.abs(expected).max())


def test_or_passes_relevance_on(preactivated):
    maps = [LRP(preactivated, "epsilon_plus", layer=layer)(IMAGES, 0).maps for layer in ("first", "norm")]
    np.testing.assert_array_equal(maps[0], maps[1])
    maps = [LRP(preactivated, "zero", layer=layer, bias="zero")(IMAGES, 0).maps for layer in ("first", "norm")]
    np.testing.assert_array_equal(maps[0], maps[1])


def test_the_preprocessing_of_the_image_passes_relevance_on():
    inputs = keras.Input((6, 6, 2))
    scaled = layers.Normalization(mean=[0.5, 0.2], variance=[4.0, 0.1])(layers.Rescaling(2.0, offset=-1.0)(inputs))
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(layers.ReLU()(layers.Conv2D(3, 3)(scaled)))))
    randomised(keras.Model(scaled, model.output))
    inner = keras.Model(model.layers[2].output, model.output)
    prepared = keras.Model(inputs, scaled).predict(IMAGES, verbose=0)
    expected = LinearApproximation(inner, layer=None)(prepared, 1).maps
    np.testing.assert_allclose(LRP(model, "zero")(IMAGES, 1).maps, expected, atol=2e-4 * np.abs(expected).max())


def test_a_layer_whose_outputs_go_two_ways_is_not_folded():
    """One convolution, two normalisations: each has its own scale, so the convolution has none of them."""
    inputs = keras.Input((6, 6, 2))
    hidden = layers.Conv2D(3, 3)(inputs)
    ways = [layers.ReLU()(layers.BatchNormalization()(hidden)) for _ in range(2)]
    model = randomised(keras.Model(inputs, layers.Dense(2)(layers.Flatten()(layers.Concatenate()(ways)))))
    expected = LinearApproximation(model, layer=None)(IMAGES, 0).maps
    found = LRP(model, "zero")(IMAGES, 0).maps
    np.testing.assert_allclose(found, expected, atol=2e-4 * np.abs(expected).max())
