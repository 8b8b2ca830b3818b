"""A run directory is one process' alone, outlives a full disk, and leaves a model for anyone."""

import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_repvis import data, training

RUNS = pathlib.Path(__file__).with_name("programs") / "runs.py"


@pytest.fixture(scope="module")
def runs():
    """The module programs/runs.py."""
    spec = importlib.util.spec_from_file_location("runs", RUNS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.make_stream().steps_per_epoch == 4  # Builds the data set, before two processes do at a time.
    return module


@pytest.fixture(scope="module")
def alone(start_child, runs, tmp_path_factory):
    """What the run that is left alone prints."""
    child = start_child(RUNS, "train", run=str(tmp_path_factory.mktemp("alone")))
    assert child.wait() == 0, child.stderr
    return child.result


def contents(directory):
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def events(directory, *names):
    return [
        (event["event"], event["epoch"], event["step"])
        for event in training.RunDirectory(directory).read_events()
        if event["event"] in names
    ]


def test_a_file_is_no_run_directory(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="is a file"):
        training.RunDirectory(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_texts_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    run = training.RunDirectory(tmp_path / "run")
    run.write_text("flagfile.txt", "--seed=1\n")

    def fail(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        run.write_text("flagfile.txt", "--seed=2\n")
    assert sorted(path.name for path in run.path.iterdir()) == ["checkpoints", "flagfile.txt"]
    assert (run.path / "flagfile.txt").read_text() == "--seed=1\n"


def test_log_and_events_survive_a_line_that_was_left_unfinished(tmp_path):
    run = training.RunDirectory(tmp_path)
    assert run.read_log() == run.read_events() == []
    run.write_log([{"epoch": 1, "loss": 0.1 + 0.2}, {"epoch": 2, "loss": float("nan")}])
    assert [entry["epoch"] for entry in run.read_log()] == [1, 2]
    assert run.read_log()[0]["loss"] == 0.1 + 0.2 and np.isnan(run.read_log()[1]["loss"])
    run.event("saved", data.Position(1, 2), "é")
    with open(tmp_path / "events.jsonl", "ab") as file:
        file.write(b'{"event": "sav')
    run.event("stopped", data.Position(1, 3), "SIGTERM")
    run.event("resumed", data.Position(1, 3))
    assert run.read_events() == [
        {"event": "saved", "epoch": 1, "step": 2, "message": "é"},
        {"event": "stopped", "epoch": 1, "step": 3, "message": "SIGTERM"},
        {"event": "resumed", "epoch": 1, "step": 3, "message": ""},
    ]


def test_only_one_process_trains_in_a_directory_and_a_killed_one_lets_go(start_child, runs, alone, tmp_path):
    run, gate = tmp_path / "run", tmp_path / "gate"
    holder = start_child(RUNS, "hold", run=str(run), gate=str(gate))
    holder.wait_for(gate)
    before = contents(run)
    second = start_child(RUNS, "train", run=str(run), texts={"flagfile.txt": "--seed=2"})
    assert second.wait() == 1
    assert "another process is training in it" in second.stderr and "ValueError" in second.stderr
    with pytest.raises(ValueError, match="another process is training in it"):
        with training.RunDirectory(run).locked():
            pass
    assert contents(run) == before
    os.kill(holder.process, signal.SIGKILL)
    assert holder.wait() == -signal.SIGKILL
    third = start_child(RUNS, "train", run=str(run))
    assert third.wait() == 0, third.stderr
    assert third.result == alone


@pytest.mark.parametrize("limit", [20000, 200])
def test_training_goes_on_when_files_cannot_grow(start_child, alone, tmp_path, limit):
    full_disk(start_child, alone, tmp_path, limit=limit, save_steps=3)


def test_training_goes_on_when_the_disk_is_full(start_child, alone, small_disk):
    full_disk(start_child, alone, small_disk, save_steps=3)


def full_disk(start_child, alone, directory, **options):
    """A run of 4 epochs of 4 steps, saved every 3 steps too; in epochs 2 and 3 nothing can be saved."""
    child = start_child(RUNS, "train_on_a_full_disk", run=str(directory), **options)
    assert child.wait() == 0, child.stderr
    result, warnings = map(json.loads, child.stdout.splitlines()[-2:])
    assert result == alone
    run = training.RunDirectory(directory)
    # Nothing half-written is left: two checkpoints and nothing else, and both are good.
    names = ["epoch_00003_step_000003", "epoch_00004_step_000000"]
    assert sorted(path.name for path in run.checkpoints.directory.iterdir()) == names
    for path in run.checkpoints.paths():
        assert training.read_checkpoint(path).history == run.read_log()[: int(path.name[6:11])]
    left = {"checkpoints", "events.jsonl", "log.jsonl", ".lock"}
    assert {path.name for path in directory.iterdir()} == left
    assert [entry["epoch"] for entry in run.read_log()] == [1, 2, 3, 4]
    failed = [warning for warning in warnings if "was not saved" in warning]
    moments = [(1, 3), (2, 0), (2, 3), (3, 0)]
    for warning, (epoch, step) in zip(failed, moments, strict=True):
        assert f"checkpoint at epoch {epoch + 1}, step {step} was not saved: [Errno " in warning
        assert "Training goes on; the last good one stays." in warning
    if options.get("limit") == 200:  # There was no place for the log and the events either.
        assert any(warning.startswith("log.jsonl was not written") for warning in warnings)
        assert any(warning.startswith("events.jsonl was not written") for warning in warnings)
    else:
        assert events(directory, "save_failed") == [("save_failed", *moment) for moment in moments]
    saved = [("saved", 0, 3), ("saved", 1, 0), ("saved", 3, 3), ("saved", 4, 0)]
    assert events(directory, "saved", "finished") == [*saved, ("finished", 4, 0)]


def test_a_run_stopped_while_the_disk_is_full_goes_on_from_the_last_good_checkpoint(start_child, alone, tmp_path):
    stopped = start_child(RUNS, "train_on_a_full_disk", run=str(tmp_path), limit=20000, stop=True)
    assert (
        stopped.wait() == 130
        and "Interrupted: SIGTERM: stopped at epoch 2, step 2 of 4, and could not" in stopped.stderr
    )
    assert "goes on from the last good checkpoint" in stopped.stderr
    assert [path.name for path in training.RunDirectory(tmp_path).checkpoints.paths()] == ["epoch_00001_step_000000"]
    again = start_child(RUNS, "train", run=str(tmp_path))
    assert again.wait() == 0, again.stderr
    assert again.result == alone


_ELSEWHERE = """
import json, os, sys
import keras
import numpy as np

found = []
images, labels = np.full((8, 8, 8, 1), 0.5), np.zeros(8)
for path in sys.argv[1:]:
    model = keras.saving.load_model(path)
    slots = [variable.numpy().tolist() for variable in model.optimizer.variables]
    before = model.predict(images, verbose=0).tolist(), slots
    losses = model.fit(images, labels, epochs=3, verbose=0).history["loss"]
    found.append([type(model.optimizer).__name__, *before, losses])
assert not any(name.startswith("keras_repvis") for name in sys.modules)
print(json.dumps(found))
"""


def test_the_finished_model_loads_and_trains_without_this_package(runs, tmp_path):
    def bare():
        return keras.optimizers.Adam(training.make_schedule("cosine", 0.01, steps=20, warmup_steps=2))

    models = [runs.make_model(keras.optimizers.SGD(0.05, momentum=0.9)), runs.make_model(), runs.make_model()]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    models[1].compile(bare(), loss, metrics=["accuracy"], run_eagerly=True)
    models[2].compile(
        training.GlobalGradientOptimizer(bare(), accumulation_steps=2, loss_scale=8.0), loss, run_eagerly=True
    )
    paths = []
    for number, model in enumerate(models):
        training.fit(model, runs.make_stream(), 2, progress=False)
        run = training.RunDirectory(tmp_path / str(number))
        wrapped = model.optimizer
        run.save_model(model)
        assert model.optimizer is wrapped and isinstance(wrapped, training.GlobalGradientOptimizer)
        assert sorted(path.name for path in run.path.iterdir()) == ["checkpoints", "model.keras"]
        paths.append(str(run.model_path))
    outside = subprocess.run(
        [sys.executable, "-c", _ELSEWHERE, *paths], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert outside.returncode == 0, outside.stderr
    found = json.loads(outside.stdout)
    assert [name for name, *_ in found] == ["SGD", "Adam", "Adam"]
    images = np.full((8, 8, 8, 1), 0.5)
    for model, (_, logits, variables, losses) in zip(models, found, strict=True):
        np.testing.assert_allclose(model.predict(images, verbose=0), logits, rtol=1e-5, atol=1e-6)
        for mine, theirs in zip(model.optimizer.inner_optimizer.variables, variables, strict=True):
            np.testing.assert_allclose(mine.numpy(), theirs, rtol=1e-6)
        assert losses[2] < losses[0]
