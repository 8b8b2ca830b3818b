"""A model called with its batch normalisations within the layers before: the same function, in fewer passes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import models
from keras_repvis.analysis.attribution import Gradient, folded_model, graph

layers = keras.layers
IMAGES = np.random.default_rng(0).random((3, 12, 12, 3), "float32")


def norm(**options):
    return layers.BatchNormalization(**options)


def stir(model):
    """Give every weight a value of its own: fresh normalisations are close to the identity."""
    rng = np.random.default_rng(1)
    for weight in model.weights:
        low, high = (0.5, 2.0) if "variance" in weight.path or "gamma" in weight.path else (-0.5, 0.5)
        weight.assign(rng.uniform(low, high, weight.shape))
    return model


def chain(*parts, name=None):
    inputs = hidden = keras.Input((12, 12, 3))
    for part in parts:
        hidden = part(hidden)
    return stir(keras.Model(inputs, hidden, name=name))


class Subclassed(keras.Model):
    """Its graph cannot be walked; its layers are called all the same."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.dense = layers.Conv2D(4, 3, use_bias=False), norm(), layers.Dense(2)

    def call(self, inputs, training=None):
        hidden = tf.nn.relu(self.norm(self.conv(inputs), training=training))
        return self.dense(tf.reduce_mean(hidden, axis=(1, 2)))


class Standardized(layers.Conv2D):
    """The kernel it convolves with is not the one it holds, and cannot be scaled by scaling that."""

    def convolution_op(self, inputs, kernel):
        return super().convolution_op(inputs, kernel / keras.ops.sqrt(keras.ops.sum(kernel**2)))


def subclassed():
    model = Subclassed()
    model(IMAGES)
    return stir(model)


def shared():
    """One convolution, called twice, each time before a normalisation of its own."""
    inputs, conv = keras.Input((12, 12, 3)), layers.Conv2D(3, 3, padding="same")
    once = norm()(conv(inputs))
    return stir(keras.Model(inputs, norm()(conv(once))))


def used_twice():
    """What the convolution puts out is the model's output as well as the normalisation's input."""
    inputs = keras.Input((12, 12, 3))
    hidden = layers.Conv2D(4, 3)(inputs)
    return stir(keras.Model(inputs, [hidden, norm()(hidden)]))


def scaled(traced):
    """How many products of an activation and something else there are between the images and the outputs."""
    inputs = traced.inputs[0]
    operations = set().union(*(graph.between(inputs, output) for output in traced.outputs))
    return sum(operation.type == "Mul" for operation in operations)


def trace(call):
    return tf.function(call, autograph=False).get_concrete_function(tf.TensorSpec((None, 12, 12, 3)))


FOLDED = {
    "convolution": lambda: chain(layers.Conv2D(4, 3, use_bias=False), norm()),
    "with a bias": lambda: chain(layers.Conv2D(4, 3), norm(center=False)),
    "depthwise": lambda: chain(layers.DepthwiseConv2D(3, depth_multiplier=2), norm(scale=False)),
    "separable": lambda: chain(layers.SeparableConv2D(4, 3), norm()),
    "transposed": lambda: chain(layers.Conv2DTranspose(4, 3, strides=2), norm()),
    "dense": lambda: chain(layers.Flatten(), layers.Dense(5, use_bias=False), norm()),
    "through the identity": lambda: chain(layers.Conv2D(4, 3), layers.Activation("linear"), norm()),
    "nested": lambda: chain(chain(layers.Conv2D(4, 3)), norm()),
    "sequential": lambda: stir(keras.Sequential([keras.Input((12, 12, 3)), layers.Conv2D(4, 3), norm()])),
    "subclassed": subclassed,
    "shared": shared,
    "used twice": used_twice,
    "frozen": lambda: chain(layers.Conv2D(4, 3, trainable=False), norm(trainable=False)),
}
KEPT = {
    "before the convolution": lambda: chain(norm(), layers.Conv2D(4, 3)),
    "after an activation": lambda: chain(layers.Conv2D(4, 3, activation="relu"), norm()),
    "of another axis": lambda: chain(layers.Conv2D(4, 3, padding="same"), norm(axis=1)),
    "a kernel of a derived class": lambda: chain(Standardized(4, 3), norm()),
    "half precision": lambda: chain(layers.Conv2D(4, 3, dtype="mixed_bfloat16"), norm(dtype="mixed_bfloat16")),
}


@pytest.mark.parametrize("kind", [*FOLDED, *KEPT])
def test_the_function_stays(kind):
    model = (FOLDED | KEPT)[kind]()
    plain, folded = (
        trace(call) for call in (lambda x: model(x, training=False), lambda x: folded_model.call(model, x))
    )
    for expected, actual in zip(tf.nest.flatten(plain(IMAGES)), tf.nest.flatten(folded(IMAGES))):
        np.testing.assert_allclose(tf.cast(actual, "float32"), tf.cast(expected, "float32"), rtol=1e-4, atol=1e-5)
    assert scaled(plain) > 0
    assert scaled(folded) == (0 if kind in FOLDED else scaled(plain))


def test_statistics_of_the_batch_stay():
    """A normalisation that a model always calls in training mode is not that of inference."""

    class Training(Subclassed):
        def call(self, inputs, training=None):
            return self.norm(self.conv(inputs), training=True)

    model = Training()
    model(IMAGES)
    traced = trace(lambda x: folded_model.call(model, x))
    np.testing.assert_allclose(np.mean(traced(IMAGES), axis=(0, 1, 2)), model.norm.beta, atol=1e-5)


def test_channels_first_stay():
    """Not every machine runs them, so they are only traced."""
    inputs = keras.Input((3, 12, 12))
    hidden = layers.Conv2D(4, 3, data_format="channels_first")(inputs)
    model = keras.Model(inputs, norm(axis=1)(hidden))
    traced = tf.function(lambda x: folded_model.call(model, x), autograph=False)
    assert scaled(traced.get_concrete_function(tf.TensorSpec((None, 3, 12, 12)))) == 1


def test_a_trained_network_in_one_pass():
    model = stir(models.MobileNetV3Small(input_shape=(32, 32, 3), classes=10, width_multiplier=0.35))
    images = np.random.default_rng(0).random((2, 32, 32, 3), "float32")
    folded = tf.function(lambda x: folded_model.call(model, x), autograph=False)(images)
    np.testing.assert_allclose(folded, model(images), rtol=1e-3, atol=1e-4)


def test_training_further_changes_the_maps():
    model = chain(layers.Conv2D(4, 3), norm(), layers.Flatten(), layers.Dense(2))
    method = Gradient(model, reduction="sum")
    before = method(IMAGES, targets=1).maps
    model.layers[2].gamma.assign(2 * model.layers[2].gamma)
    np.testing.assert_allclose(method(IMAGES, targets=1).maps, 2 * before, rtol=1e-5, atol=1e-6)


def test_the_model_is_left_as_it_was():
    model = FOLDED["convolution"]()
    before, expected = model.get_weights(), model(IMAGES)
    trace(lambda x: folded_model.call(model, x))(IMAGES)
    for one, other in zip(model.get_weights(), before):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(model(IMAGES), expected)
