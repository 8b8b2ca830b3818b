"""Tests of keras_repvis.models.inlining (and of the walk in keras_repvis.models.graph under it)."""

import keras
import numpy as np
import pytest

from keras_repvis import models
from keras_repvis.layers import ConvBlock, InvertedResidual
from keras_repvis.layers.block import Block

LAYERS = keras.layers


def noise(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def flat(model):
    return not any(isinstance(layer, (keras.Model, Block)) for layer in model.layers)


def test_blocks_and_nested_models_are_written_out():
    inner = keras.Sequential([keras.Input((8, 8, 8)), ConvBlock(8, name="a"), LAYERS.ReLU(name="b")], name="inner")
    image = keras.Input((8, 8, 3), name="image")
    features = inner(ConvBlock(8, name="stem")(image))
    outer = keras.Model(image, InvertedResidual(8, squeeze_excite=0.5, name="last")(features) + features, name="outer")
    inlined = models.inline(outer)
    assert flat(inlined) and not flat(outer)
    assert inlined.name == "outer" and inlined.inputs[0].name == "image"
    assert {"stem_conv", "a_conv_norm", "b", "last_gate_reduce"} <= {layer.name for layer in inlined.layers}
    x = noise(2, 8, 8, 3)
    np.testing.assert_allclose(inlined(x), outer(x), atol=1e-6)


def test_copy_shares_nothing_with_the_original():
    model = models.MobileNetV1((32, 32, 3), width_multiplier=0.25, classes=4)
    before = model.get_weights()
    inlined = models.inline(model)
    for weight in inlined.weights:
        weight.assign(weight + 1)
    for weight, value in zip(model.weights, before):
        np.testing.assert_array_equal(weight, value)
    assert model.get_layer("logits").output.shape == (None, 4)  # raises if the layer was called once more


def test_shared_layers_stay_shared():
    backbone = keras.Sequential([keras.Input((4,)), LAYERS.Dense(4, name="dense")])
    first, second = keras.Input((4,)), keras.Input((4,))
    model = keras.Model([first, second], LAYERS.Subtract()([backbone(first), backbone(backbone(second))]))
    inlined = models.inline(model)
    assert flat(inlined)
    assert len(inlined.weights) == 2
    x, y = noise(3, 4), noise(3, 4) + 1
    np.testing.assert_allclose(inlined([x, y]), model([x, y]), atol=1e-6)


def test_equal_names_are_told_apart():
    def branch(name):
        return keras.Sequential([keras.Input((4,)), LAYERS.Dense(4, name="dense")], name=name)

    x = keras.Input((4,))
    model = keras.Model(x, branch("left")(x) + branch("right")(x) + LAYERS.Dense(4, name="dense")(x))
    inlined = models.inline(model)
    names = [layer.name for layer in inlined.layers if isinstance(layer, LAYERS.Dense)]
    assert len(set(names)) == 3 and "dense" in names
    np.testing.assert_allclose(inlined(noise(2, 4)), model(noise(2, 4)), atol=1e-6)


def test_structures_of_inputs_and_outputs():
    inputs = {"a": keras.Input((4,), name="a"), "b": keras.Input((4,), name="b")}
    model = keras.Model(inputs, {"sum": inputs["a"] + inputs["b"], "a": LAYERS.Dense(2)(inputs["a"])})
    batch = {"a": noise(2, 4), "b": noise(2, 4) - 1}
    expected, actual = model(batch), models.inline(model)(batch)
    assert set(actual) == {"sum", "a"}
    for name in actual:
        np.testing.assert_allclose(actual[name], expected[name], atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_training_given_to_a_nested_model_is_kept(training):
    inner = keras.Sequential([keras.Input((4,)), LAYERS.BatchNormalization(momentum=1.0)])
    x = keras.Input((4,))
    model = keras.Model(x, inner(x, training=training))
    batch = 3 + noise(16, 4)
    expected = np.array(model(batch))
    assert (abs(expected.mean()) < 0.1) == training
    np.testing.assert_allclose(models.inline(model)(batch), expected, atol=1e-5)


def test_training_given_to_a_block_is_kept():
    x = keras.Input((4, 4, 3))
    model = keras.Model(x, ConvBlock(8, activation=None, momentum=1.0)(x, training=True))
    batch = 3 + noise(4, 4, 4, 3)
    expected = np.array(model(batch))
    assert abs(expected.mean()) < 1e-3
    np.testing.assert_allclose(models.inline(model)(batch), expected, atol=1e-5)


def test_frozen_layers_stay_frozen():
    model = models.MobileNetV1((32, 32, 3), width_multiplier=0.25)
    model.get_layer("stem_conv").trainable = False
    assert len(models.inline(model).trainable_weights) == len(model.trainable_weights)


def test_a_block_with_a_call_of_its_own_is_left_whole():
    @keras.saving.register_keras_serializable("inlining_test")
    class Doubled(ConvBlock):
        def call(self, inputs, training=None):
            return 2 * super().call(inputs)

    x = keras.Input((4, 4, 3))
    model = keras.Model(x, Doubled(8)(x))
    batch = noise(2, 4, 4, 3)
    np.testing.assert_allclose(models.inline(model)(batch), model(batch), atol=1e-6)


@pytest.mark.parametrize("bad", [keras.Sequential([LAYERS.Dense(2)]), "mobilenet_v2", LAYERS.Dense(3)])
def test_what_hides_its_graph_is_refused(bad):
    with pytest.raises(ValueError, match="model=.*expected a functional"):
        models.inline(bad)
