"""A run is read as its directory holds it, whatever a crash left there."""

import math

import numpy as np
import pytest

from keras_repvis import report


def test_everything_in_the_directory_is_read(write_run):
    entries = [{"epoch": 1, "step": 5, "loss": 0.5}, {"epoch": 2, "step": 10, "loss": 0.25, "val_loss": 0.75}]
    events = [{"event": "resumed", "epoch": 1, "step": 0, "message": ""}]
    path = write_run("digits", entries, {"epochs": 2}, events, {"test_accuracy": 0.5, "seed": 3}, ["--epochs=2"])
    run = report.read_run(str(path))
    assert (run.path, run.name, run.settings, run.flags) == (path, "digits", {"epochs": 2}, ("--epochs=2",))
    assert (run.entries, run.events) == (tuple(entries), tuple(events))
    assert (run.result["seed"], run.tested, run.problems) == (3, {"test_accuracy": 0.5}, ())
    assert run.metrics == ("loss", "val_loss")
    epochs, values = run.series("val_loss")
    assert (epochs.tolist(), values.tolist()) == ([2], [0.75])


def test_log_is_all_it_takes(write_run):
    run = report.read_run(write_run(entries=[{"epoch": 1}]))
    assert (run.settings, run.events, run.result, run.flags, run.metrics) == ({}, (), {}, (), ())


def test_torn_lines_are_left_out_and_reported(write_run):
    path = write_run(entries=[{"epoch": 1, "loss": 0.5}], events=[{"event": "saved"}])
    with open(path / "log.jsonl", "ab") as file:
        file.write(b'{"epoch": 2, "lo\xff\n\n[1]\n{"loss": 3}\n{"epoch": 3, "loss": 0.1}\n{"epoch": 4')
    with open(path / "events.jsonl", "a") as file:
        file.write('{"ev')
    (path / "result.json").write_text('{"test')
    run = report.read_run(path)
    assert [entry["epoch"] for entry in run.entries] == [1, 3]
    assert (len(run.events), run.result) == (1, {})
    assert run.problems == (
        "log.jsonl: 4 lines could not be read.",
        "events.jsonl: 1 line could not be read.",
        "result.json could not be read.",
    )


def test_an_epoch_logged_again_after_a_crash_counts_once(write_run):
    losses = [(1, 0.5), (3, 0.3), (2, 0.2), (3, 0.1)]
    run = report.read_run(write_run(entries=[{"epoch": epoch, "loss": loss} for epoch, loss in losses]))
    assert [values.tolist() for values in run.series("loss")] == [[1, 2, 3], [0.5, 0.2, 0.1]]


def test_what_is_not_a_number_is_no_metric_and_nan_is_one(write_run):
    entries = [{"epoch": 1, "a": None, "b": "x", "c": True, "d": [1], "e": 10**400, "loss": math.nan}]
    run = report.read_run(write_run(entries=[*entries, {"epoch": 2, "a": 1, "loss": math.inf}]))
    assert run.metrics == ("loss", "a")
    np.testing.assert_array_equal(run.series("loss")[1], [math.nan, math.inf])
    assert run.series("a")[0].tolist() == [2]


def test_settings_of_a_run_without_settings_are_those_of_its_result(write_run):
    run = report.read_run(write_run(result={"configuration": {"epochs": 3}}))
    assert run.settings == {"epochs": 3}


@pytest.mark.parametrize("kind", ["missing", "file", "empty"])
def test_what_is_no_run_is_named(tmp_path, kind):
    path = tmp_path / kind
    if kind == "file":
        path.write_text("")
    if kind == "empty":
        path.mkdir()
    reason = "has no log.jsonl" if kind == "empty" else "is not a directory"
    with pytest.raises(ValueError, match=rf"run='.*{kind}' {reason}"):
        report.read_run(path)
