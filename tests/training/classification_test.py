"""`train` is what a user would write with Keras `fit`; resuming and training several seeds change nothing."""

import dataclasses

import keras
import numpy as np
import pytest

from keras_repvis import data, models, training

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


def test_an_interrupted_run_goes_on_to_the_same_weights(reference, tmp_path):
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    source = training.open_source(CONFIG, CONFIG.train_split)
    stream = training.open_stream(CONFIG, source)
    keras.utils.set_random_seed(CONFIG.seed)
    model = training.compile_classifier(training.build_classifier(CONFIG, source), CONFIG, stream.steps_per_epoch)
    directory = training.RunDirectory(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        training.fit(
            model, CONFIG, stream, callbacks=[training.Checkpointing(directory), Interrupt()], progress=False
        )
    assert directory.latest()[1].epoch == 1
    resumed = training.train(CONFIG, run_dir=tmp_path, progress=False)
    assert [entry["epoch"] for entry in resumed.history] == [1, 2]
    assert_same_weights(resumed.model.get_weights(), reference.model.get_weights())

    again = training.train(CONFIG, run_dir=tmp_path, progress=False)
    assert [entry["epoch"] for entry in again.history] == [1, 2]
    assert_same_weights(again.model.get_weights(), reference.model.get_weights())


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
