"""A run of `training.fit` is saved as often as it was asked to be, and goes on from any of its checkpoints."""

import pathlib
import shutil

import keras
import numpy as np
import pytest

from keras_repvis import data, training
from keras_repvis.training import loop


class Epochs(keras.callbacks.Callback):
    """Keeps the numbers of the epochs that are trained."""

    def __init__(self):
        super().__init__()
        self.begun = []

    def on_epoch_begin(self, epoch, logs=None):
        self.begun.append(epoch)


class StopAt(keras.callbacks.Callback):
    """Stops the training at a call of a hook."""

    def __init__(self, hook, number):
        super().__init__()

        def stop(index, logs=None):
            if index == number:
                self.model.stop_training = True

        setattr(self, hook, stop)


def make_model(optimizer=None):
    keras.utils.set_random_seed(3)
    layers = [keras.layers.Flatten(), keras.layers.Dropout(0.3), keras.layers.Dense(10)]
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # Without a compiled function, most of which would be called three times.
    model.compile(optimizer or keras.optimizers.Adam(0.01), loss, metrics=["accuracy"], run_eagerly=True)
    return model


def fit(model, stream, epochs, validation=None, callbacks=(), **options):
    """Return the history, and the numbers of the epochs that were trained."""
    epochs_seen = Epochs()
    everything = [*callbacks, epochs_seen]
    history = training.fit(model, stream, epochs, validation, callbacks=everything, progress=False, **options)
    return history, epochs_seen.begun


def assert_same_state(mine, theirs):
    for one, two in zip(mine.variables, theirs.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), two.numpy(), err_msg=one.path)


@pytest.fixture(scope="module")
def alone(stream, validation):
    """Three epochs in one go: (model, history without the seconds)."""
    model = make_model()
    return model, timeless(fit(model, stream, 3, validation)[0])


def timeless(history):
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in history]


def saved(run):
    return [
        (event["epoch"], event["step"])
        for event in training.RunDirectory(run).read_events()
        if event["event"] == "saved"
    ]


def contents(directory):
    return {path: path.read_bytes() for path in pathlib.Path(directory).rglob("*") if path.is_file()}


def test_a_second_call_with_more_epochs_goes_on(alone, stream, validation, tmp_path):
    first = make_model()
    assert len(fit(first, stream, 1, validation, run=tmp_path)[0]) == 1
    second = make_model()
    history, begun = fit(second, stream, 3, validation, run=tmp_path)
    assert_same_state(second, alone[0])
    assert timeless(history) == alone[1] == timeless(training.RunDirectory(tmp_path).read_log())
    assert begun == [1, 2]
    # The same model may go on as well as a fresh one.
    fit(first, stream, 3, validation, run=tmp_path)
    assert_same_state(first, alone[0])


def test_a_finished_run_called_again_does_nothing(alone, stream, validation, tmp_path):
    fit(make_model(), stream, 3, validation, run=tmp_path, texts={"flagfile.txt": "--seed=1\n"})
    before = contents(tmp_path)
    for epochs in (3, 2):
        model = make_model()
        history, calls = fit(model, stream, epochs, validation, run=tmp_path, texts={"flagfile.txt": "--seed=1\n"})
        assert calls == [] and timeless(history) == alone[1]
        assert_same_state(model, alone[0])
    assert contents(tmp_path) == before
    assert training.RunDirectory(tmp_path).read_events()[-1]["event"] == "finished"


@pytest.mark.parametrize("hook, number, reached", [("on_train_batch_end", 1, (0, 2)), ("on_epoch_end", 1, (2, 0))])
def test_a_run_that_a_callback_stopped_goes_on(alone, stream, validation, tmp_path, hook, number, reached):
    stopped, _ = fit(make_model(), stream, 3, validation, [StopAt(hook, number)], run=tmp_path)
    assert saved(tmp_path)[-1] == reached
    assert stopped[-1]["step"] == 3 * reached[0] + reached[1]
    model = make_model()
    history, _ = fit(model, stream, 3, validation, run=tmp_path)
    # Of an epoch in two parts the whole is logged, and once.
    assert timeless(history) == alone[1] == timeless(training.RunDirectory(tmp_path).read_log())
    assert_same_state(model, alone[0])


def test_saves_every_so_many_steps_with_validation(alone, stream, validation, tmp_path):
    run = training.RunDirectory(tmp_path, keep=9, monitor="val_accuracy")
    model = make_model()
    history, _ = fit(model, stream, 3, validation, run=run, save_steps=2)
    assert saved(tmp_path) == [(0, 2), (1, 0), (1, 2), (2, 0), (2, 2), (3, 0)]
    assert timeless(history) == alone[1]
    assert_same_state(model, alone[0])
    accuracies = [entry["val_accuracy"] for entry in history]
    assert run.checkpoints.best().name == f"epoch_{np.argmax(accuracies) + 1:05d}_step_000000"
    # From the middle of an epoch the run ends as it did.
    for name in ("epoch_00000_step_000002", "epoch_00001_step_000002"):
        shutil.copytree(run.checkpoints.directory / name, tmp_path / name / "checkpoints" / name)
        again = make_model()
        assert timeless(fit(again, stream, 3, validation, run=tmp_path / name)[0]) == alone[1]
        assert_same_state(again, alone[0])


def test_saves_every_so_many_minutes(tmp_path, monkeypatch):
    class Clock(keras.callbacks.Callback):
        """Half a minute a step, and two minutes of validation."""

        seconds = 0.0

        def monotonic(self):
            return self.seconds

        def on_train_batch_end(self, batch, logs=None):
            self.seconds += 30

        def on_test_end(self, logs=None):
            self.seconds += 120

    clock = Clock()
    monkeypatch.setattr(loop, "time", clock)
    stream = data.Stream(data.Source("repvis_digits", "train[:16]"), 2)  # 8 steps an epoch.
    history, _ = fit(make_model(), stream, 2, stream, [clock], run=tmp_path, save_minutes=1.5)
    assert saved(tmp_path) == [(0, 3), (0, 6), (1, 0), (1, 3), (1, 6), (2, 0)]
    assert [entry["seconds"] for entry in history] == [8 * 30 + 120] * 2


def test_the_rate_of_a_schedule_is_logged(stream):
    schedule = keras.optimizers.schedules.PolynomialDecay(0.5, decay_steps=6, end_learning_rate=0.0)
    history, _ = fit(make_model(keras.optimizers.SGD(schedule)), stream, 2)
    assert [entry["learning_rate"] for entry in history] == pytest.approx([0.25, 0.0])
