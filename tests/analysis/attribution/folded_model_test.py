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


class Training(Subclassed):
    """Its normalisation always takes the statistics of the batch; or what is around it says so."""

    def __init__(self, by_context):
        super().__init__()
        self.block = keras.Sequential([self.conv, self.norm])
        self.by_context = by_context

    def call(self, inputs, training=None):
        return self.block(inputs, training=True) if self.by_context else self.norm(self.conv(inputs), training=True)


class Reparametrized(keras.Model):
    """Exchanges the kernel for the time of the convolution, as weight normalisation may."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = layers.Conv2D(4, 3), norm()
        self.conv.build((None, 12, 12, 3))

    def call(self, inputs, training=None):
        with keras.StatelessScope(state_mapping=[(self.conv.kernel, 2 * self.conv.kernel)]):
            hidden = self.conv(inputs)
        return self.norm(hidden, training=training)


class WithFunction(keras.Model):
    """Part of it is a function of TensorFlow that the user calls elsewhere too."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = layers.Conv2D(4, 3), norm()

    @tf.function(autograph=False)
    def features(self, inputs):
        return self.norm(self.conv(inputs), training=False)

    def call(self, inputs, training=None):
        return self.features(inputs)


class Standardized(layers.Conv2D):
    """The kernel it convolves with is not the one it holds, and cannot be scaled by scaling that."""

    def convolution_op(self, inputs, kernel):
        return super().convolution_op(inputs, kernel / keras.ops.sqrt(keras.ops.sum(kernel**2)))


def called(model):
    model(IMAGES)
    return stir(model)


def in_two_precisions():
    """A model that computes in half precision but for its last two layers."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        inputs = keras.Input((12, 12, 3))
        hidden = layers.Conv2D(4, 3)(inputs)
        hidden = norm(dtype="float32")(layers.Conv2D(4, 3, dtype="float32")(hidden))
        return stir(keras.Model(inputs, hidden))
    finally:
        keras.config.set_dtype_policy("float32")


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
    "subclassed": lambda: called(Subclassed()),
    "a kernel exchanged for a time": lambda: called(Reparametrized()),
    "the end in full precision": in_two_precisions,
    "shared": shared,
    "used twice": used_twice,
    "frozen": lambda: chain(layers.Conv2D(4, 3, trainable=False), norm(trainable=False)),
}
KEPT = {
    "before the convolution": lambda: chain(norm(), layers.Conv2D(4, 3)),
    "after an activation": lambda: chain(layers.Conv2D(4, 3, activation="relu"), norm()),
    "after an operation": lambda: chain(layers.Conv2D(4, 3), keras.ops.relu, norm()),
    "in groups": lambda: chain(layers.Conv2D(6, 3, groups=3), norm()),
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


@pytest.mark.parametrize("by_context", [False, True])
def test_statistics_of_the_batch_stay(by_context):
    """A normalisation that a model always calls in training mode is not that of inference."""
    model = Training(by_context)
    model(IMAGES)
    traced = trace(lambda x: folded_model.call(model, x))
    np.testing.assert_allclose(np.mean(traced(IMAGES), axis=(0, 1, 2)), model.norm.beta, atol=1e-5)


def test_functions_of_the_user_stay():
    model = WithFunction()
    model(IMAGES[:1])
    stir(model)
    images = tf.constant(IMAGES)  # A batch for which it is traced for the first time.
    outputs = tf.function(lambda x: folded_model.call(model, x), autograph=False)(images)
    np.testing.assert_allclose(outputs, model(images), rtol=1e-4, atol=1e-5)
    assert scaled(model.features.get_concrete_function(images)) == 1


def test_masks_go_on():
    words = keras.Input((5,), dtype="int32")
    hidden = norm()(layers.Dense(4)(layers.Embedding(9, 3, mask_zero=True)(words)))
    model = stir(keras.Model(words, layers.GlobalAveragePooling1D()(hidden)))
    numbers = tf.constant([[3, 1, 0, 0, 0], [5, 6, 7, 8, 1]])
    np.testing.assert_allclose(folded_model.call(model, numbers), model(numbers), rtol=1e-5, atol=1e-6)


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
