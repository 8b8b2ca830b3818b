"""A run goes on with the settings, the rate and the log that it began with, or says what has changed."""

import functools

import keras
import pytest

from keras_repvis import data, training
from keras_repvis.training import checkpointing

SETTINGS = {"rate": 0.1, "sizes": (8, 8), "model": "small"}


def make_model(rate=0.1, units=10, schedule=False):
    keras.utils.set_random_seed(1)
    if schedule:
        rate = keras.optimizers.schedules.PolynomialDecay(rate, decay_steps=10, end_learning_rate=0.0)
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(units)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(rate, momentum=0.9), loss, run_eagerly=True)
    return model


@functools.cache
def make_stream():
    return data.Stream(data.Source("repvis_digits", "train[:32]"), 16)  # 2 steps an epoch.


def fit(model, run, epochs, settings=None, **options):
    return training.fit(model, make_stream(), epochs, run=run, settings=settings, progress=False, **options)


def contents(directory):
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "changed, named",
    [
        ({**SETTINGS, "rate": 0.2}, "rate was 0.1, is 0.2"),
        ({**SETTINGS, "sizes": (8, 9)}, r"sizes was \[8, 8\], is \[8, 9\]"),
        ({"rate": 0.1, "sizes": (8, 8)}, "model was 'small', is None"),
        ({**SETTINGS, "extra": 1, "rate": 0.3}, "extra was None, is 1, rate was 0.1, is 0.3"),
    ],
)
def test_changed_settings_are_named_and_refused_and_nothing_is_touched(tmp_path, changed, named):
    fit(make_model(), tmp_path, 1, SETTINGS, texts={"flagfile.txt": "--rate=0.1\n"})
    before = contents(tmp_path)
    with pytest.raises(training.ChangedSettingsError, match=f"began with other settings: {named}. Going on"):
        fit(make_model(), tmp_path, 2, changed, texts={"flagfile.txt": "--rate=0.2\n"})
    assert contents(tmp_path) == before
    assert len(fit(make_model(), tmp_path, 2, SETTINGS)) == 2  # A tuple comes back as a list.


def test_settings_that_change_the_variables_are_named_rather_than_the_variables(tmp_path):
    fit(make_model(), tmp_path, 1, {"units": 10})
    with pytest.raises(training.ChangedSettingsError, match="units was 10, is 12"):
        fit(make_model(units=12), tmp_path, 2, {"units": 12})
    # When they are meant, it is the variables that do not fit.
    with pytest.raises(training.CheckpointError, match="none of the 1 checkpoints"):
        fit(make_model(units=12), tmp_path, 2, {"units": 12}, accept_changes=True)


def test_settings_that_cannot_be_kept_are_refused(tmp_path):
    with pytest.raises(ValueError, match="settings=.*JSON cannot hold it"):
        fit(make_model(), tmp_path, 1, {"model": object()})


@pytest.mark.parametrize("schedule", [False, True])
def test_after_accepted_changes_the_new_rate_holds(tmp_path, caplog, schedule):
    def rates(history):
        return pytest.approx([entry["learning_rate"] for entry in history], rel=1e-6)

    expected = [0.1, 0.1] if not schedule else [0.08, 0.06]
    assert rates(fit(make_model(0.1, schedule=schedule), tmp_path, 2, {"rate": 0.1})) == expected
    model = make_model(0.02, schedule=schedule)
    history = fit(model, tmp_path, 4, {"rate": 0.02}, accept_changes=True)
    # A schedule is that of the whole run: the new one after 6 and after 8 of 10 steps.
    expected += [0.02, 0.02] if not schedule else [0.02 * 0.4, 0.02 * 0.2]
    assert rates(history) == expected
    assert float(model.optimizer.learning_rate) == pytest.approx(expected[-1])
    assert "going on with other settings: rate was 0.1, is 0.02" in caplog.text
    # From now on these are the settings of the run.
    assert rates(fit(make_model(0.02, schedule=schedule), tmp_path, 5, {"rate": 0.02})) == [
        *expected,
        0.02 if not schedule else pytest.approx(0.0, abs=1e-9),
    ]
    messages = [
        event["message"] for event in training.RunDirectory(tmp_path).read_events() if event["event"] == "resumed"
    ]
    assert messages == ["rate was 0.1, is 0.02", ""]


def test_a_rate_that_a_callback_has_changed_comes_back(tmp_path):
    class Halve(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.optimizer.learning_rate = 0.05

    fit(make_model(), tmp_path, 1, SETTINGS, callbacks=[Halve()])
    history = fit(make_model(), tmp_path, 2, SETTINGS)
    assert [entry["learning_rate"] for entry in history] == pytest.approx([0.1, 0.05])


def test_the_log_follows_the_checkpoint_that_the_run_goes_on_from(tmp_path, caplog):
    first = fit(make_model(), training.RunDirectory(tmp_path, keep=3), 3)
    run = training.RunDirectory(tmp_path)
    # Of the three checkpoints the newest is damaged, the log is ahead.
    (run.checkpoints.paths()[-1] / "state.npz").write_bytes(b"half")
    model = make_model()
    keeper = checkpointing.Checkpointing(run, model, _state(model))
    assert keeper.restore() == data.Position(2)
    assert run.read_log() == keeper.history == first[:2]
    assert "epoch_00003_step_000000" in caplog.text and "damaged" in caplog.text
    again = fit(make_model(), tmp_path, 3)
    assert [dict(entry, seconds=0) for entry in again] == [dict(entry, seconds=0) for entry in first]
    assert run.read_log() == again
    assert [path.name for path in run.checkpoints.paths()] == ["epoch_00002_step_000000", "epoch_00003_step_000000"]


def _state(model):
    training.wrap_optimizers(model)
    model.optimizer.build(model.trainable_variables)
    return training.LearnerState(model)
