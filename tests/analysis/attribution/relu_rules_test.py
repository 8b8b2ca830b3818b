"""Three reversals of one rectifier, against the formulas applied by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import analysis, models, zoo
from keras_repvis.analysis.attribution import DeConvNet, Gradient, GuidedBackprop

layers = keras.layers
METHODS = {"gradient": Gradient, "deconvnet": DeConvNet, "guided": GuidedBackprop}
RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(4, 3, 3, 2)).astype("float32")
FIRST, SECOND, HEAD = (RNG.normal(size=shape).astype("float32") for shape in ((18, 7), (7, 6), (6, 3)))


def through(rule, x, p, low=0.0, high=np.inf, slope=0.0):
    """What comes out below a rectifier, from the formula."""
    derivative = np.where(x <= low, slope, np.where(x < high, 1.0, 0.0))
    if rule == "gradient":
        return p * derivative
    return np.maximum(p, 0) * (derivative if rule == "guided" else 1.0)


def by_hand(rule, target, scale=1.0, **limits):
    """The signal at the image of a network of two rectified layers without biases, in float64."""
    x = IMAGES.reshape(4, 18).astype("float64")
    def act(z):
        return np.where(z <= 0, limits.get("slope", 0.0) * z, np.minimum(z, limits.get("high", np.inf)))
    one = x @ (scale * FIRST)
    two = act(one) @ SECOND
    p = np.tile(HEAD[:, target].astype("float64"), (4, 1))
    p = through(rule, two, p, **limits) @ SECOND.T
    p = through(rule, one, p, **limits) @ (scale * FIRST).T
    return p.reshape(4, 3, 3, 2)


def dense(activation, scale=1.0):
    """The same network in Keras; `activation` makes the activation of a tensor."""
    inputs = keras.Input((3, 3, 2))
    hidden = layers.Flatten()(inputs)
    kernels = [scale * FIRST, SECOND, HEAD]
    for index, kernel in enumerate(kernels):
        layer = layers.Dense(kernel.shape[1], use_bias=False)
        hidden = layer(hidden)
        layer.set_weights([kernel])
        hidden = activation(hidden) if index < 2 else hidden
    return keras.Model(inputs, hidden)


ACTIVATIONS = {
    "layer": (lambda x: layers.ReLU()(x), {}),
    "name": (lambda x: layers.Activation("relu")(x), {}),
    "operation": (lambda x: keras.ops.relu(x), {}),
    "relu6": (lambda x: layers.ReLU(6.0)(x), {"high": 6.0}),
    "relu6_operation": (lambda x: keras.ops.relu6(x), {"high": 6.0}),
    "leaky": (lambda x: layers.LeakyReLU(negative_slope=0.2)(x), {"slope": 0.2}),
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("rule", METHODS)
def test_agrees_with_the_formula(rule, activation):
    make, limits = ACTIVATIONS[activation]
    model = dense(make, scale=3.0)
    for target in (0, 2):
        maps = METHODS[rule](model, reduction="sum", batch_size=3)(IMAGES, target).maps
        expected = by_hand(rule, target, scale=3.0, **limits).sum(axis=-1)
        np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-4)


def test_the_three_differ():
    model = dense(lambda x: layers.ReLU()(x))
    maps = [METHODS[rule](model, reduction="sum")(IMAGES, 1).maps for rule in METHODS]
    for one, two in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(maps[one] - maps[two]).max() > 0.1


@keras.saving.register_keras_serializable("relu_rules_test")
class Subclassed(keras.Model):
    """Calls a nested model and a rectifier of TensorFlow itself."""

    def __init__(self, inner, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner
        self.head = layers.Dense(3)

    def call(self, inputs):
        return self.head(tf.nn.relu(tf.reduce_mean(self.inner(inputs), axis=(1, 2))))


def _convolutional():
    keras.utils.set_random_seed(2)
    inputs = keras.Input((8, 8, 3))
    hidden = layers.BatchNormalization()(layers.Conv2D(6, 3, activation="relu6", name="conv")(inputs))
    return keras.Model(inputs, layers.MaxPooling2D(2)(layers.ReLU(name="relu")(hidden)), name="inner")


@pytest.mark.parametrize("rule", METHODS)
def test_nested_and_subclassed_models_give_the_map_of_the_flat_one(rule):
    images = np.random.default_rng(3).random((2, 8, 8, 3), "float32")
    inner = _convolutional()
    subclassed = Subclassed(inner)
    subclassed(images)
    inputs = keras.Input((8, 8, 3))
    pooled = layers.GlobalAveragePooling2D()(inner(inputs))
    nested = keras.Model(inputs, subclassed.head(layers.ReLU()(pooled)))
    hidden = inputs
    for layer in inner.layers[1:]:
        hidden = layer(hidden)
    flat = keras.Model(inputs, subclassed.head(layers.ReLU()(layers.GlobalAveragePooling2D()(hidden))))
    expected = METHODS[rule](flat)(images, 1).maps
    assert np.abs(expected).max() > 0
    nested_maps = METHODS[rule](nested)(images, 1).maps
    np.testing.assert_allclose(nested_maps, expected, rtol=1e-5, atol=1e-7)
    functional = keras.Model(inputs, subclassed(inputs))
    np.testing.assert_allclose(METHODS[rule](functional)(images, 1).maps, expected, rtol=1e-5, atol=1e-7)


def test_stops_at_a_layer():
    images = np.random.default_rng(3).random((2, 8, 8, 3), "float32")
    inner = _convolutional()
    inputs = keras.Input((8, 8, 3))
    head = layers.Dense(3)
    model = keras.Model(inputs, head(layers.GlobalAveragePooling2D()(inner(inputs))))
    found = Gradient(model, layer="inner", reduction="sum")(images, 2)
    # From pooled positions up the model is affine: the gradient is the weight over the number of positions.
    np.testing.assert_allclose(found.maps, np.full((2, 3, 3), head.kernel[:, 2].numpy().sum() / 9), rtol=1e-5)
    relu = Gradient(model, layer="spatial", reduction="sum")(images, 2).maps
    assert relu.shape == (2, 6, 6)
    with pytest.raises(ValueError, match="layer has outputs"):
        Gradient(model, layer=-1)(images, 2)
    with pytest.raises(ValueError, match="layer='cnv' is not known"):
        Gradient(model, layer="cnv")(images, 2)


def test_a_hard_swish_is_no_rectifier():
    inputs = keras.Input((8, 8, 3))
    pooled = layers.GlobalAveragePooling2D()
    smooth = keras.Model(inputs, layers.Dense(2)(pooled(layers.Conv2D(4, 3, activation="hard_swish")(inputs))))
    images = np.random.default_rng(3).random((2, 8, 8, 3), "float32")
    for method in (GuidedBackprop, DeConvNet):
        with pytest.raises(analysis.UnsupportedModelError, match="no rectifier"):
            method(smooth)(images, 1)
    assert Gradient(smooth)(images, 1).maps.max() > 0


def test_what_hides_in_a_function_is_refused():
    hidden = tf.function(tf.nn.relu)

    class Hiding(layers.Layer):
        def call(self, inputs):
            return hidden(inputs)

    inputs = keras.Input((4, 4, 1))
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(layers.ReLU()(Hiding()(inputs)))))
    images = np.ones((1, 4, 4, 1), "float32")
    with pytest.raises(analysis.UnsupportedModelError, match="cannot be seen"):
        GuidedBackprop(model)(images, 1)
    assert Gradient(model)(images, 1).maps.shape == (1, 4, 4)


def test_the_gradient_of_the_model_elsewhere_is_untouched():
    model = dense(lambda x: layers.ReLU()(x))
    before = Gradient(model, reduction="sum")(IMAGES, 1).maps
    GuidedBackprop(model)(IMAGES, 1)
    DeConvNet(model)(IMAGES, 1)
    with tf.GradientTape() as tape:
        images = tf.constant(IMAGES)
        tape.watch(images)
        score = tf.reduce_sum(model(images)[:, 1])
    np.testing.assert_allclose(tf.reduce_sum(tape.gradient(score, images), -1), before, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(Gradient(model, reduction="sum")(IMAGES, 1).maps, before)


def test_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = models.MobileNetV1(input_shape=(32, 32, 3), classes=3, width_multiplier=0.1)
    finally:
        keras.config.set_dtype_policy("float32")
    images = np.random.default_rng(3).random((2, 32, 32, 3), "float32")
    for method in METHODS.values():
        maps = method(model)(images, 1).maps
        assert maps.dtype == np.float32 and np.isfinite(maps).all() and maps.max() > 0


@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
def test_networks_of_the_zoo(version, tmp_path):
    model = zoo.load(f"repvis/mobilenet_{version}_digits", tmp_path)
    images = np.random.default_rng(3).random((3, 32, 32, 1), "float32")
    maps = [method(model)(images).maps for method in METHODS.values()]
    for one in maps:
        assert one.shape == (3, 32, 32) and np.isfinite(one).all() and (one.max(axis=(1, 2)) > 0).all()
    assert np.abs(maps[0] - maps[2]).max() > 1e-3
