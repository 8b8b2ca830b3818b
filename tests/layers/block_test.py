"""Tests of keras_repvis.layers.block, on the blocks that derive from it."""

import json
import zipfile

import keras
import numpy as np
import pytest

from keras_repvis import layers
from keras_repvis.layers.block import Block, activation_layer, checked_activation

BLOCKS = {
    "conv": lambda: layers.ConvBlock(16, name="block"),
    "separable": lambda: layers.DepthwiseSeparable(16, name="block"),
    "inverted": lambda: layers.InvertedResidual(16, squeeze_excite=0.25, name="block"),
    "universal": lambda: layers.UniversalInvertedBottleneck(16, 4, 3, 5, layer_scale=0.5, name="block"),
    "fused": lambda: layers.FusedInvertedBottleneck(16, name="block"),
    "gate": lambda: layers.SqueezeExcite(name="block"),
}


def images(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def give_statistics(layer):
    """Make batch norms do something: at their initial statistics they are close to the identity."""
    rng = np.random.default_rng(1)
    for weight in layer.weights:
        if "norm" in weight.path:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))


@pytest.mark.parametrize("kind", BLOCKS)
def test_inlined_block_equals_block(kind):
    block = BLOCKS[kind]()
    image = keras.Input((None, None, 16))
    as_layer = keras.Model(image, block(image))
    give_statistics(block)
    inlined = keras.Model(image, block.inline(image))
    x = images(2, 7, 6, 16)
    np.testing.assert_array_equal(as_layer(x), inlined(x))
    assert len(as_layer.layers) == 2
    names = [layer.name for layer in inlined.layers[1:]]
    assert len(names) > 2 and all(name.startswith("block_") for name in names)
    assert not any(isinstance(layer, Block) for layer in inlined.layers if not isinstance(layer, layers.SqueezeExcite))


def test_inlining_enters_blocks_in_blocks():
    image = keras.Input((8, 8, 16))
    model = keras.Model(image, layers.InvertedResidual(16, squeeze_excite=0.25).inline(image))
    assert not any(isinstance(layer, Block) for layer in model.layers)


@pytest.mark.parametrize("kind", BLOCKS)
def test_inlined_file_needs_nothing_but_keras(kind, tmp_path):
    if kind == "universal":
        block = layers.UniversalInvertedBottleneck(16, 4, 3, 5, drop_path=0.1)
    else:
        block = BLOCKS[kind]()
    image = keras.Input((8, 8, 16))
    model = keras.Model(image, block.inline(image))
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        config = archive.read("config.json").decode()
    assert "keras_repvis" not in config
    assert {json.dumps(layer["module"]) for layer in json.loads(config)["config"]["layers"]} == {'"keras.layers"'}
    x = images(2, 8, 8, 16)
    np.testing.assert_array_equal(model(x), keras.models.load_model(tmp_path / "model.keras")(x))


@pytest.mark.parametrize("kind", BLOCKS)
def test_block_survives_saving(kind, tmp_path):
    block = BLOCKS[kind]()
    image = keras.Input((None, None, 16))
    model = keras.Model(image, block(image))
    give_statistics(block)
    model.save(tmp_path / "model.keras")
    x = images(2, 5, 8, 16)
    np.testing.assert_array_equal(model(x), keras.models.load_model(tmp_path / "model.keras")(x))
    again = type(block).from_config(block.get_config())
    assert again.get_config() == block.get_config()


def test_training_reaches_the_sublayers():
    block = layers.ConvBlock(4, momentum=0.5)
    x = images(8, 6, 6, 3) + 3
    block(x, training=False)
    before = [np.array(weight) for weight in block.non_trainable_weights]
    block(x, training=False)
    for weight, value in zip(block.non_trainable_weights, before):
        np.testing.assert_array_equal(weight, value)
    block(x, training=True)
    assert all(np.any(np.array(weight) != value) for weight, value in zip(block.non_trainable_weights, before))


def test_sublayers_take_the_dtype_policy():
    block = layers.InvertedResidual(8, squeeze_excite=0.25, dtype="mixed_bfloat16")
    assert block(images(1, 4, 4, 8)).dtype == "bfloat16"
    assert {weight.dtype for weight in block.weights} == {"float32"}


def test_equal_kernels_start_different():
    first, second = (layers.SqueezeExcite(ratio=1.0, kernel_initializer="he_normal") for _ in range(2))
    for layer in (first, second):
        layer.build((None, 4, 4, 8))
    kernels = [np.array(weight) for layer in (first, second) for weight in layer.weights if "kernel" in weight.path]
    assert len({kernel.tobytes() for kernel in kernels}) == 4


def test_unknown_channels_are_refused():
    with pytest.raises(ValueError, match="known number of channels"):
        layers.ConvBlock(8)(keras.Input((8, 8, None)))


def test_a_block_must_say_its_branch():
    with pytest.raises(NotImplementedError, match="make_branch"):
        Block()(keras.Input((8, 8, 3)))


@pytest.mark.parametrize("name", ["relu7", "get", 3])
def test_unknown_activations_are_refused(name):
    with pytest.raises(ValueError, match="activation=.*keras.activations"):
        layers.ConvBlock(8, activation=name)


def test_activation_layers():
    x = np.array([-4.0, -1.0, 0.0, 1.0, 7.0], "float32")
    np.testing.assert_allclose(activation_layer("relu6")(x), [0, 0, 0, 1, 6])
    np.testing.assert_allclose(activation_layer("relu")(x), [0, 0, 0, 1, 7])
    np.testing.assert_allclose(activation_layer("hard_silu")(x), x * np.clip(x + 3, 0, 6) / 6, atol=1e-6)
    assert checked_activation("activation", None) is None
