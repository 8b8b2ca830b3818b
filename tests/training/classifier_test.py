"""`train` is what a user would write with Keras `fit`; resuming and training several seeds change nothing."""

import dataclasses

import keras
import numpy as np
import pytest

from keras_repvis import data, models, training

pytestmark = [
    pytest.mark.usefixtures("eagerly"),
    pytest.mark.filterwarnings("ignore:.*experimental_run_functions_eagerly"),
]

CONFIG = training.Classification(
    model="mobilenet_v1",
    train_split="train[:96]",
    width_multiplier=0.1,
    image_size=16,
    stem_strides=1,
    dropout=0.0,
    batch_norm_momentum=0.9,
    epochs=2,
    batch_size=32,
    learning_rate=1e-2,
    warmup_epochs=1,
    shift=1,
    flip=True,
    seed=3,
)


@pytest.fixture(scope="module")
def reference():
    return training.train(CONFIG, progress=False)


def assert_same_weights(mine, theirs):
    for one, two in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)


def test_equals_plain_keras_fit(reference):
    stream = data.Stream(
        data.Source("repvis_digits", split="train[:96]"),
        batch_size=32,
        image_size=(16, 16),
        augment=data.Augment(shift=1, flip=True),
        seed=3,
    )
    keras.utils.set_random_seed(3)
    model = models.MobileNetV1(
        input_shape=(16, 16, 1), classes=10, width_multiplier=0.1, stem_strides=1, dropout=0.0, batch_norm_momentum=0.9
    )
    rate = keras.optimizers.schedules.CosineDecay(0.0, decay_steps=3, warmup_target=1e-2, warmup_steps=3)
    model.compile(
        keras.optimizers.Adam(rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    history = model.fit(stream.dataset(epochs=2), epochs=2, steps_per_epoch=3, verbose=0)
    assert_same_weights(model.get_weights(), reference.model.get_weights())
    assert [entry["loss"] for entry in reference.history] == pytest.approx(history.history["loss"], rel=1e-5)


class StopAfter(keras.callbacks.Callback):
    """Stops the process, as it were, after some steps."""

    def __init__(self, steps):
        super().__init__()
        self.left = steps

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            raise InterruptedError


def test_an_interrupted_run_goes_on_to_the_same_bits(reference, tmp_path):
    with pytest.raises(InterruptedError):
        training.train(CONFIG, run_dir=tmp_path, save_steps=1, callbacks=[StopAfter(5)], progress=False)
    resumed = training.train(CONFIG, run_dir=tmp_path, progress=False)
    assert [entry["epoch"] for entry in resumed.history] == [1, 2]
    for one, two in zip(resumed.model.get_weights(), reference.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert [entry["loss"] for entry in resumed.history] == [entry["loss"] for entry in reference.history]


def test_every_option_at_once_goes_on_to_the_same_bits(tmp_path):
    """Half precision with its loss scale, averaged weights, accumulation, smoothing, clipping, a frozen stem."""
    config = dataclasses.replace(
        CONFIG,
        precision="mixed_float16",
        validation_split="train[200:240]",
        select="best",
        ema_decay=0.9,
        ema_batch_norm="copy",
        accumulation_steps=2,
        label_smoothing=0.1,
        clip_norm=1.0,
        freeze=("stem*",),
        schedule="step",
        warmup_epochs=0,
        optimizer="sgd",
        epochs=3,
        dropout=0.2,
    )
    whole = training.train(config, run_dir=tmp_path / "whole", progress=False)
    with pytest.raises(InterruptedError):
        training.train(config, run_dir=tmp_path / "two", save_steps=1, callbacks=[StopAfter(5)], progress=False)
    resumed = training.train(config, run_dir=tmp_path / "two", progress=False)
    for one, two in zip(resumed.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert [dict(entry, seconds=0) for entry in resumed.history] == [dict(entry, seconds=0) for entry in whole.history]

    run = training.RunDirectory(tmp_path / "whole", monitor="val_accuracy")
    best = training.read_checkpoint(run.checkpoints.best())
    accuracies = [entry["val_accuracy"] for entry in whole.history]
    assert best.position.epoch == 1 + int(np.argmax(accuracies)) and best.metrics["val_accuracy"] == max(accuracies)
    assert "global_gradient_optimizer" in " ".join(each["name"] for each in best.variables)
    scales = [
        array for each, array in zip(best.variables, best.arrays, strict=True) if "dynamic_scale" in each["name"]
    ]
    assert len(scales) == 1 and scales[0] <= 2.0**15 and np.log2(scales[0]) % 1 == 0  # Halved by each overflow.

    fresh = training.build_classifier(config, training.open_source(config, "train[:96]"))
    frozen = [layer.name for layer in fresh.layers if layer.name.startswith("stem") and layer.weights]
    assert frozen and not any(whole.model.get_layer(name).trainable for name in frozen)
    assert whole.model.compute_dtype == "float16" and len(whole.history) == 3


@pytest.mark.parametrize(("schedule", "rates"), [("stairs", [1, 1, 2 / 3, 1 / 3]), ("cyclegan", [1, 2 / 3, 1 / 3, 0])])
def test_stairs_have_the_epochs_of_the_run(schedule, rates):
    config = training.Classification(schedule=schedule, epochs=4, learning_rate=0.1, accumulation_steps=2)
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
    rate = training.compile_classifier(model, config, steps_per_epoch=20).optimizer.inner_optimizer._learning_rate
    for epoch, expected in enumerate(rates):
        assert [float(rate(step)) for step in (10 * epoch, 10 * epoch + 9)] == pytest.approx([0.1 * expected] * 2)


def test_seeds_one_after_the_other_equal_seeds_alone(reference):
    config = dataclasses.replace(CONFIG, seed=99)
    weights = {seed: run.model.get_weights() for seed, run in training.train_seeds(config, [7, 3], progress=False)}
    assert_same_weights(weights[3], reference.model.get_weights())
    assert any(np.abs(one - two).max() > 1e-3 for one, two in zip(weights[3], weights[7]))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"model": "mobilnet_v2"}, "Did you mean 'mobilenet_v2'"),
        ({"optimizer": "lion"}, "optimizer='lion'"),
        ({"schedule": "cos"}, "schedule='cos'"),
        ({"epochs": 0}, "epochs=0"),
        ({"batch_size": 2.5}, "batch_size=2.5"),
        ({"learning_rate": -1.0}, "learning_rate=-1.0"),
        ({"width_multiplier": 0}, "width_multiplier=0"),
        ({"image_size": 4}, "image_size=4"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"shift": 32}, "shift=32"),
        ({"stem_strides": 3}, "stem_strides=3"),
        ({"resize": "stretch"}, "resize='stretch'"),
        ({"strategy": "mirrored", "batch_size": 33}, "expected a multiple of the number of devices"),
        ({"seed": -1}, "seed=-1"),
        ({"precision": "float16"}, "precision='float16'"),
        ({"ema_decay": 1.0}, "ema_decay=1.0"),
        ({"label_smoothing": -0.1}, "label_smoothing=-0.1"),
        ({"accumulation_steps": 0}, "accumulation_steps=0"),
        ({"clip_norm": -1}, "clip_norm=-1"),
        ({"on_non_finite": "ignore"}, "on_non_finite='ignore'"),
        ({"batch_norm": "sync"}, "batch_norm='sync'"),
        ({"select": "best"}, "select='best' needs a validation_split"),
    ],
)
def test_wrong_arguments_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        training.Classification(**{"image_size": 32, "stem_strides": 2, **changes})


def test_unknown_data_and_too_large_batches_are_named():
    with pytest.raises(ValueError, match="repvis_digits"):
        training.train(dataclasses.replace(CONFIG, dataset="repvis_digit"), progress=False)
    with pytest.raises(ValueError, match="batch_size=97 is larger than the 96 examples"):
        training.train(dataclasses.replace(CONFIG, batch_size=97), progress=False)


@pytest.mark.parametrize("seeds", [[], [1, 1], [-1]])
def test_wrong_seeds_are_named(seeds):
    with pytest.raises(ValueError, match="seeds"):
        training.train_seeds(CONFIG, seeds)


def test_options_that_need_a_run_or_one_seed_are_refused():
    best = dataclasses.replace(CONFIG, validation_split="train[96:128]", select="best")
    with pytest.raises(ValueError, match="select='best' needs a run_dir"):
        training.train(best, progress=False)
    for config in (best, dataclasses.replace(CONFIG, ema_decay=0.9)):
        with pytest.raises(ValueError, match="not accepted with several seeds"):
            training.train_seeds(config, [1, 2])
