"""What a pattern freezes, and that training leaves it as it was."""

import keras
import numpy as np
import pytest

from keras_repvis import models
from keras_repvis.layers import InvertedResidual
from keras_repvis.training.freezing import freeze


@pytest.fixture(scope="module")
def shared_mobilenet():
    return models.MobileNetV1(input_shape=(32, 32, 1), classes=3, width_multiplier=0.1)


@pytest.fixture
def mobilenet(shared_mobilenet):
    shared_mobilenet.trainable = True
    return shared_mobilenet


def make_nested():
    """A model in a model in a model: middle/inner/..."""
    keras.utils.set_random_seed(0)
    inner = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(5, name="dense"), keras.layers.BatchNormalization(name="norm")],
        name="inner",
    )
    inputs = keras.Input((6,))
    middle = keras.Model(inputs, keras.layers.Dense(4, name="dense")(inner(inputs)), name="middle")
    inputs = keras.Input((6,))
    outputs = keras.layers.Dense(2, name="head")(keras.layers.BatchNormalization(name="norm")(middle(inputs)))
    return keras.Model(inputs, outputs, name="outer")


def trainable(model):
    return {weight.path for weight in model.trainable_weights}


def test_flat_models_are_frozen_by_prefix(mobilenet):
    everything = trainable(mobilenet)
    assert freeze(mobilenet, "stem_*") == ["stem_conv", "stem_conv_norm", "stem_conv_activation"]
    stem = {"stem_conv/kernel", "stem_conv_norm/gamma", "stem_conv_norm/beta"}
    assert everything - trainable(mobilenet) == stem
    assert len(freeze(mobilenet, ["block_1_*", "block_2_*"])) == 12
    two_blocks = {path for path in everything if path.startswith(("block_1_", "block_2_"))}
    assert len(two_blocks) == 12
    assert everything - trainable(mobilenet) - stem == two_blocks


def test_block_1_without_the_underscore_takes_in_block_10(mobilenet):
    assert {path.split("_")[1] for path in freeze(mobilenet, "block_1*")} == {"1", "10", "11", "12", "13"}


@pytest.mark.parametrize(
    ("patterns", "paths"),
    [
        ("middle/inner/dense", ["middle/inner/dense"]),
        ("middle/inner", ["middle/inner", "middle/inner/dense", "middle/inner/norm"]),
        ("middle/inner/*", ["middle/inner/dense", "middle/inner/norm"]),
        ("mid*e/*norm", ["middle/inner/norm"]),
        ("*norm", ["middle/inner/norm", "norm"]),
        ("*/dense", ["middle/inner/dense", "middle/dense"]),
        (["head", "middle/dens?"], ["middle/dense", "head"]),
        ("mid*", ["middle", "middle/inner", "middle/inner/dense", "middle/inner/norm", "middle/dense"]),
        ([], []),
    ],
)
def test_paths_in_nested_models(patterns, paths):
    model = make_nested()
    layers = {
        "middle": model.get_layer("middle"),
        "middle/inner": model.get_layer("middle").get_layer("inner"),
        "middle/inner/dense": model.get_layer("middle").get_layer("inner").get_layer("dense"),
        "middle/inner/norm": model.get_layer("middle").get_layer("inner").get_layer("norm"),
        "middle/dense": model.get_layer("middle").get_layer("dense"),
        "norm": model.get_layer("norm"),
        "head": model.get_layer("head"),
    }
    assert freeze(model, patterns) == paths
    assert {path for path, layer in layers.items() if not layer.trainable} == set(paths)


def test_layers_inside_blocks_and_learners():
    class Learner(keras.Model):
        def __init__(self):
            super().__init__(name="learner")
            inputs = keras.Input((4, 4, 2))
            self.encoders = [
                keras.Model(inputs, InvertedResidual(3, name="block")(inputs), name=f"encoder_{index}")
                for index in range(2)
            ]

    learner = Learner()
    assert freeze(learner, "encoder_1/block/*_expand") == ["encoder_1/block/block_expand"]
    assert [len(encoder.trainable_weights) for encoder in learner.encoders] == [9, 8]
    freeze(learner, "encoder_0")
    assert [len(encoder.trainable_weights) for encoder in learner.encoders] == [0, 8]


def test_a_shared_layer_is_found_at_each_of_its_paths():
    shared = keras.layers.Dense(2, name="shared")
    inputs = keras.Input((2,))
    first = keras.Model(inputs, shared(inputs), name="first")
    second = keras.Model(inputs, keras.layers.Dense(2, name="own")(shared(inputs)), name="second")
    model = keras.Model(inputs, second(first(inputs)))
    assert freeze(model, "second/shared") == ["first/shared", "second/shared"]
    assert [weight.path for weight in model.trainable_weights] == ["own/kernel", "own/bias"]


def test_training_leaves_frozen_layers_as_they_are():
    """Weights and moving statistics to the bit; the rest is trained."""
    model = make_nested()
    freeze(model, "middle")
    before = {weight.path: weight.numpy() for weight in model.weights}
    model.compile("sgd", "mse", jit_compile=False)
    generator = np.random.default_rng(0)
    images, targets = generator.normal(5, 3, (8, 6)).astype("float32"), generator.normal(size=(8, 2))
    model.fit(images, targets, verbose=0)
    changed = {weight.path for weight in model.weights if np.any(before[weight.path] != weight.numpy())}
    norm = {f"norm/{name}" for name in ("gamma", "beta", "moving_mean", "moving_variance")}
    assert changed == norm | {"head/kernel", "head/bias"}
    middle = model.get_layer("middle")
    np.testing.assert_array_equal(middle(images, training=True), middle(images, training=False))
    middle.trainable = True
    assert np.abs(middle(images, training=True) - middle(images, training=False)).max() > 0.1


def test_files_keep_what_is_frozen(tmp_path):
    model = make_nested()
    freeze(model, ["middle/inner/dense", "norm"])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    inner = again.get_layer("middle").get_layer("inner")
    assert [layer.trainable for layer in (inner, *inner.layers)] == [True, False, True]
    assert [again.get_layer(name).trainable for name in ("norm", "head")] == [False, True]
    assert len(again.trainable_weights) == 6


def test_a_pattern_that_matches_nothing_names_the_nearest_and_freezes_nothing(mobilenet):
    everything = trainable(mobilenet)
    with pytest.raises(ValueError, match=r"'block_2/\*' matches no layer.* Nearest: (block_2_\w+,? ?){5}\."):
        freeze(mobilenet, ["stem_*", "block_2/*"])
    with pytest.raises(ValueError, match="'logit' matches no layer.* Nearest: logits, "):
        freeze(mobilenet, "logit")
    with pytest.raises(ValueError, match="3 matches no layer"):
        freeze(mobilenet, [3])
    assert trainable(mobilenet) == everything


def test_wrong_models_are_named():
    with pytest.raises(ValueError, match="model='mobilenet_v1' is not accepted"):
        freeze("mobilenet_v1", "stem_*")
    with pytest.raises(ValueError, match="'a' matches no layer of dense.* has no layers"):
        freeze(keras.layers.Dense(1, name="dense"), "a")
    with pytest.raises(ValueError, match="its layer 'head' has no weights yet"):
        freeze(keras.Sequential([keras.layers.Dense(1, name="head")], name="unbuilt"), "head")
