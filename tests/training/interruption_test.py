"""SIGTERM and Ctrl-C are wishes that a run grants between two steps, after saving; no run, no wish."""

import functools
import os
import pathlib
import signal
import threading

import keras
import numpy as np
import pytest

from keras_repvis import data, training
from keras_repvis.training.interruption import Interruption

RUNS = pathlib.Path(__file__).with_name("programs") / "runs.py"


class Escaped(BaseException):
    """A signal came through to whoever was there before."""


@pytest.fixture(autouse=True)
def handlers():
    """What a signal does when nothing is installed, so that no failure ends the tests; restored afterwards."""

    def escape(number, frame):
        raise Escaped(number)

    before = {number: signal.signal(number, escape) for number in (signal.SIGINT, signal.SIGTERM)}
    yield {number: escape for number in before}
    found = {number: signal.signal(number, handler) for number, handler in before.items()}
    assert found == dict.fromkeys(before, escape)


class Send(keras.callbacks.Callback):
    """Sends signals to this process at a call of a hook."""

    def __init__(self, hook, number, *signals):
        super().__init__()
        self.calls = 0

        def send(index=None, logs=None):
            self.calls += 1
            if self.calls == number:
                for one in signals:
                    os.kill(os.getpid(), one)

        setattr(self, hook, send)


def make_model():
    keras.utils.set_random_seed(3)
    layers = [keras.layers.Flatten(), keras.layers.Dropout(0.2), keras.layers.Dense(10)]
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss, metrics=["accuracy"], run_eagerly=True)
    return model


@functools.cache
def make_stream(split):
    return data.Stream(data.Source("repvis_digits", split), 8)


def fit(model, run, callbacks=(), **options):
    """Three epochs of three steps."""
    stream, validation = make_stream("train[:24]"), make_stream("train[30:46]")
    return training.fit(model, stream, 3, validation, run=run, callbacks=callbacks, progress=False, **options)


def timeless(history):
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in history]


@pytest.fixture(scope="module")
def alone():
    model = make_model()
    history = timeless(fit(model, None))
    return model.get_weights(), history


@pytest.mark.parametrize(
    "hook, number, signals, position, code",
    [
        ("on_train_batch_end", 2, [signal.SIGTERM], (0, 2), 143),
        ("on_train_batch_begin", 5, [signal.SIGINT], (1, 2), 130),
        ("on_train_batch_end", 3, [signal.SIGTERM], (1, 0), 143),  # The last step of an epoch: after its validation.
        ("on_test_batch_begin", 1, [signal.SIGINT], (1, 0), 130),
        ("on_epoch_end", 2, [signal.SIGTERM], (2, 0), 143),
        ("on_train_begin", 1, [signal.SIGTERM], (0, 1), 143),
        ("on_train_batch_end", 1, [signal.SIGTERM, signal.SIGTERM], (0, 1), 143),  # Impatient, but not with Ctrl-C.
    ],
)
def test_a_signal_saves_and_stops_and_the_same_call_goes_on(
    alone, tmp_path, capfd, hook, number, signals, position, code
):
    with pytest.raises(training.Interrupted) as stopped:
        fit(make_model(), tmp_path, [Send(hook, number, *signals)])
    name = signals[-1].name
    assert stopped.value.exit_code == code and stopped.value.signal_number == signals[-1]
    place = f"{name}: stopped at epoch {position[0] + 1}, step {position[1]} of 3, and saved in {str(tmp_path)!r}"
    assert str(stopped.value) == f"{place}; the same command goes on from there."
    assert capfd.readouterr().err == "".join(f"{one.name}: saving after this step\n" for one in signals)
    run = training.RunDirectory(tmp_path)
    newest = training.read_checkpoint(run.checkpoints.paths()[-1])
    assert newest.position == data.Position(*position)
    event = {"event": "stopped", "epoch": position[0], "step": position[1], "message": name}
    assert run.read_events()[-1] == event
    model = make_model()
    history = fit(model, tmp_path)
    assert timeless(history) == alone[1] == timeless(run.read_log())
    for mine, theirs in zip(model.get_weights(), alone[0], strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("signals", [[signal.SIGINT, signal.SIGINT], [signal.SIGTERM, signal.SIGINT]])
def test_a_second_ctrl_c_stops_at_once(alone, tmp_path, signals):
    class Late(keras.callbacks.Callback):
        steps = 0

        def on_train_batch_end(self, batch, logs=None):
            self.steps += 1

    late = Late()
    with pytest.raises(KeyboardInterrupt) as stopped:
        fit(make_model(), tmp_path, [Send("on_train_batch_end", 5, *signals), late], save_steps=1)
    assert not isinstance(stopped.value, training.Interrupted)
    assert late.steps == 4  # The callback after that one is not reached.
    assert not list(tmp_path.rglob(".incoming-*"))
    model = make_model()
    assert timeless(fit(model, tmp_path)) == alone[1]


def test_a_second_ctrl_c_while_saving_leaves_nothing_half_written(alone, tmp_path, monkeypatch):
    synchronise = os.fsync

    def interrupted(handle):
        synchronise(handle)
        os.kill(os.getpid(), signal.SIGINT)

    class Impatient(Send):
        def on_train_batch_begin(self, batch, logs=None):
            monkeypatch.setattr(os, "fsync", interrupted)

    with pytest.raises(KeyboardInterrupt) as stopped:
        fit(make_model(), tmp_path, [Impatient("on_train_batch_end", 2, signal.SIGINT)])
    monkeypatch.undo()
    assert not isinstance(stopped.value, training.Interrupted)
    assert list((tmp_path / "checkpoints").iterdir()) == []
    assert timeless(fit(make_model(), tmp_path)) == alone[1]


def test_a_signal_after_the_last_step_changes_nothing(alone, tmp_path):
    history = fit(make_model(), tmp_path, [Send("on_epoch_end", 3, signal.SIGTERM)])
    assert timeless(history) == alone[1]
    assert training.RunDirectory(tmp_path).read_events()[-1]["event"] == "finished"


def test_without_a_run_directory_a_signal_does_what_it_did(tmp_path):
    send = Send("on_train_batch_end", 2, signal.SIGINT)
    with pytest.raises(Escaped):
        fit(make_model(), None, [send])
    assert send.calls == 2


def test_handlers_are_restored_after_an_error_too(tmp_path, handlers):
    class Fail(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            assert signal.getsignal(signal.SIGTERM) is not handlers[signal.SIGTERM]
            raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        fit(make_model(), tmp_path, [Fail()])
    assert {number: signal.getsignal(number) for number in handlers} == handlers


def test_outside_the_main_thread_nothing_is_installed(alone, tmp_path, handlers):
    seen, results = [], []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append({number: signal.getsignal(number) for number in handlers})

    # TensorFlow's random numbers are of a thread: the model is made there.
    thread = threading.Thread(target=lambda: results.append(fit(make_model(), tmp_path, [Look()])))
    thread.start()
    thread.join()
    assert timeless(results[0]) == alone[1]
    assert seen == [handlers] * 9


def test_only_the_first_is_noted_and_only_within(handlers):
    told = []
    with Interruption(told.append) as interruption:
        assert interruption.requested is None
        os.kill(os.getpid(), signal.SIGTERM)
        assert (interruption.requested, told) == (signal.SIGTERM, ["SIGTERM"])
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(Escaped):
        os.kill(os.getpid(), signal.SIGTERM)
    assert told == ["SIGTERM"]


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_exit_codes_are_those_of_a_shell(number, code):
    assert training.Interrupted("saved", number).exit_code == code
    assert isinstance(training.Interrupted("saved"), KeyboardInterrupt)


def test_nobody_reading_what_a_run_says_does_not_keep_it_from_saving(start_child, tmp_path):
    # As under `2>&1 | tee`, when the terminal's Ctrl-C ends both.
    child = start_child(RUNS, "train_unheard", closed_stderr=True, run=str(tmp_path))
    child.wait()
    assert child.result == {"interrupted": "SIGTERM", "reported_epochs": 1}
    names = [path.name for path in training.RunDirectory(tmp_path).checkpoints.paths()]
    assert names == ["epoch_00001_step_000000", "epoch_00001_step_000002"]
