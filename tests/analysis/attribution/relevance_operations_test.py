"""Kinds of operations on the way of relevance: gates, sums, moves, and what has no rule."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import analysis
from keras_repvis.analysis.attribution import LRP, LinearApproximation
from keras_repvis.layers import SqueezeExcite

layers = keras.layers
RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(size=(3, 8, 8, 2)).astype("float32")


def randomised(model, seed=1):
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        layer.set_weights([rng.normal(scale=0.5, size=w.shape) for w in layer.get_weights()])
    return model


def close(found, expected, tolerance=1e-3):
    np.testing.assert_allclose(found, expected, atol=tolerance * np.abs(expected).max())


@keras.saving.register_keras_serializable("relevance_operations_test")
class Times(layers.Layer):
    """Multiplies by a constant: a gate that does not depend on the image."""

    def __init__(self, values, **options):
        super().__init__(**options)
        self.values = tf.constant(values)

    def call(self, inputs):
        return inputs * self.values


GATED = {
    "squeeze-excite": lambda: SqueezeExcite(),
    "squeeze-excite, sigmoid": lambda: SqueezeExcite(gate="sigmoid"),
    "squeeze-excite of a sigmoid": lambda: lambda x: SqueezeExcite()(keras.ops.sigmoid(x)),
    "hard swish": lambda: layers.Activation("hard_silu"),
    "silu": lambda: layers.Activation("silu"),
    "gelu": lambda: layers.Activation("gelu"),
    "gelu by tanh": lambda: layers.Activation(keras.ops.gelu),
    "mish": lambda: layers.Activation("mish"),
    "prelu": lambda: layers.PReLU(alpha_initializer="ones"),
    "elu": lambda: layers.ELU(),
    "leaky": lambda: layers.LeakyReLU(0.2),
    "clipped": lambda: layers.ReLU(0.5, negative_slope=0.1),
    "tanh": lambda: layers.Activation("tanh"),
}


@pytest.mark.parametrize("activation", GATED)
def test_gates_take_nothing_and_activations_pass_relevance_on(activation):
    """With the gate y / x frozen at what it is for one image, the layer is linear and has the same relevance."""
    image = IMAGES[:1]
    inputs = keras.Input((8, 8, 2))
    conv, head = layers.Conv2D(8, 3, name="conv"), layers.Dense(2)
    gated = GATED[activation]()(conv(inputs))
    model = keras.Model(inputs, head(layers.Flatten()(layers.AveragePooling2D(2)(gated))))
    randomised(keras.Model(inputs, [conv.output, model.output]))
    signal, code = (keras.Model(inputs, tensor).predict(image, verbose=0) for tensor in (conv.output, gated))
    frozen = Times(code / signal)(conv.output)
    frozen = keras.Model(inputs, head(layers.Flatten()(layers.AveragePooling2D(2)(frozen))))
    np.testing.assert_allclose(frozen.predict(image, verbose=0), model.predict(image, verbose=0), rtol=1e-4)
    expected, found = (LRP(net, "alpha2_beta1")(image, 1).maps for net in (frozen, model))
    assert np.abs(expected).max() > 1e-3
    close(found, expected)


class Function(layers.Layer):
    """A function with layers in it, so that those of TensorFlow can be called."""

    def __init__(self, function, **options):
        super().__init__(**options)
        self.function = function

    def call(self, inputs):
        return self.function(inputs)


MOVES = {
    "concatenation": lambda x: layers.Concatenate()([x, layers.Conv2D(2, 1, activation="relu")(x), x]),
    "cropping": lambda x: layers.Cropping2D(1)(x),
    "padding": lambda x: layers.ZeroPadding2D(2)(x),
    "mirror padding": lambda x: keras.ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="reflect"),
    "transposition": lambda x: layers.Permute((3, 1, 2))(x),
    "halves": lambda x: keras.ops.split(x, 2, axis=1)[1] + keras.ops.stack(keras.ops.unstack(x, axis=1)[:4], axis=1),
    "reversal": lambda x: x[:, ::-1, 1:],
    "repetition": lambda x: layers.UpSampling2D(2)(x),
    "interpolation": lambda x: layers.UpSampling2D(2, interpolation="bilinear")(x),
    "tiling": lambda x: keras.ops.tile(x, (1, 2, 1, 1)),
    "depth to space": Function(lambda x: tf.nn.depth_to_space(x, 2)),
    "maximum": lambda x: layers.Maximum()([x, layers.Conv2D(4, 3, padding="same")(x)]),
    "minimum": lambda x: layers.Minimum()([x, layers.Conv2D(4, 3, padding="same")(x)]),
    "selection": lambda x: keras.ops.where(x[:, ::-1] > 0.3, x, layers.Conv2D(4, 3, padding="same")(x)),
    "global maximum": lambda x: layers.GlobalMaxPooling2D(keepdims=True)(x),
    "overlapping maxima": lambda x: layers.MaxPooling2D(3, strides=2, padding="same")(x),
    "gathering": lambda x: keras.ops.take(x, [3, 0, 0], axis=-1),
    "average": lambda x: layers.Average()([x, layers.Conv2D(4, 1)(x), layers.Conv2D(4, 1, activation="relu")(x)]),
    "subtraction": lambda x: layers.Subtract()([x, layers.Conv2D(4, 3, padding="same")(x)]),
    "stretched sum": lambda x: layers.Add()([x, layers.GlobalAveragePooling2D(keepdims=True)(x)]),
}


@pytest.mark.parametrize("moves", [list(MOVES)[start::4] for start in range(4)], ids=", ".join)
def test_what_is_linear_or_moves_numbers_is_gradient_times_input_under_lrp_0(moves):
    inputs = keras.Input((8, 8, 2))
    hidden = layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    moved = [layers.Flatten()(MOVES[move](hidden)) for move in moves]
    hidden = [layers.Dense(5, activation="relu")(one) for one in moved]
    model = randomised(keras.Model(inputs, layers.Dense(2)(layers.Concatenate()(hidden))))
    expected = LinearApproximation(model, layer=None)(IMAGES, 1).maps
    assert np.abs(expected).max() > 0
    close(LRP(model, "zero")(IMAGES, 1).maps, expected)


REFUSED = {
    "softmax": (lambda x: layers.Dense(3, activation="softmax")(layers.Flatten()(x)), "Softmax.*starts at logits"),
    "softmax layer": (lambda x: layers.Softmax()(layers.Flatten()(x)), r"keras.Model\(model.input, logits\)"),
    "softmax inside": (lambda x: layers.Softmax()(layers.Flatten()(x)), "mixes all of its inputs"),
    "sigmoid": (lambda x: layers.Dense(3, activation="sigmoid")(layers.Flatten()(x)), "Sigmoid.*starts at logits"),
    "attention": (lambda x: layers.Flatten()(layers.Attention()([layers.Reshape((64, 2))(x)] * 2)), "as attention"),
    "product": (lambda x: layers.Flatten()(layers.Conv2D(2, 1)(x) * layers.Conv2D(2, 1)(x)), "cannot be told"),
    "square": (lambda x: layers.Flatten()(x * x), "cannot be told"),
    "two gates": (lambda x: layers.Flatten()(keras.ops.sigmoid(x) * keras.ops.sigmoid(2 * x)), "cannot be told"),
    "wide gate": (lambda x: layers.Flatten()(keras.ops.mean(x, (1, 2), True) * keras.ops.sigmoid(x)), "cannot be told"),
    "layer norm": (lambda x: layers.Flatten()(layers.LayerNormalization()(x)), "cannot be told|divides"),
    "lstm": (lambda x: layers.LSTM(3)(layers.Reshape((64, 2))(x)), "TensorList|While|function of its own"),
    "sine": (lambda x: layers.Flatten()(keras.ops.sin(x)), r"Sin\): no rule is known"),
    "ratio": (lambda x: layers.Flatten()(layers.Conv2D(2, 1)(x) / (1.0 + keras.ops.relu(x))), "divides by what"),
    "integers": (
        lambda x: keras.ops.cast(keras.ops.cast(layers.Flatten()(x), "int32"), "float32"),
        "takes from the image is int32",
    ),
}
HEADS = ("softmax", "softmax layer", "sigmoid")


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_rule_is_refused_by_name(case):
    head, why = REFUSED[case]
    inputs = keras.Input((8, 8, 2))
    outputs = head(layers.Conv2D(2, 1)(inputs))
    model = keras.Model(inputs, outputs if case in HEADS else layers.Dense(3)(outputs))
    with pytest.raises(analysis.UnsupportedModelError, match=why):
        LRP(model)(IMAGES, 1)


def test_a_gate_may_hold_what_has_no_rule():
    inputs = keras.Input((8, 8, 2))
    hidden = layers.Conv2D(4, 3, activation="relu")(inputs)
    gate = layers.Dense(4, activation="sigmoid")(keras.ops.sin(layers.GlobalAveragePooling2D(keepdims=True)(hidden)))
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(hidden * gate)))
    assert np.abs(LRP(model)(IMAGES, 1).maps).max() > 0
