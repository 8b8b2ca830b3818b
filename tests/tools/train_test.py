"""repvis-train as a person runs it: its files, its exit code, its last line, and the same command once more."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import PIL.Image
import pytest

_START = "from keras_repvis_tools import train; train.run()"
_SMALL = [
    *("--model=mobilenet_v1", "--width_multiplier=0.1", "--image_size=16", "--stem_strides=1", "--batch_size=32"),
    "--freeze=stem_*,block_?_*,block_1[01]_*",  # Two blocks that learn are quicker to trace than thirteen.
]
_SPLITS = ["--train_split=train[:320]", "--validation_split=test[:20]", "--test_split=test[20:60]"]
_RUN = [*_SMALL, *_SPLITS, "--epochs=2", "--seed=5", "--save_steps=1"]  # 10 steps an epoch.
_FILES = {
    *(".lock", "checkpoints", "events.jsonl", "flagfile.txt", "log.jsonl", "model.keras"),
    *("result.json", "settings.json", "summary.html"),
}


@pytest.fixture(scope="module")
def run(start_tool, tmp_path_factory):
    """A run that is left alone: its directory and its process, at its end."""
    directory = tmp_path_factory.mktemp("run") / "digits"
    child = start_tool("train", *_RUN, f"--run_dir={directory}")
    assert child.wait() == 0, child.stderr
    return directory, child


def contents(directory):
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def weights(path):
    """Return everything that model.keras holds: of the model, of its optimiser and of its metrics."""
    found = {}
    with h5py.File(io.BytesIO(zipfile.ZipFile(path).read("model.weights.h5"))) as file:
        file.visititems(lambda name, item: found.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    return found


def log(directory):
    entries = [json.loads(line) for line in (directory / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in entries]


def lines_of_progress(child):
    return [json.loads(line) for line in child.stderr.splitlines() if line.startswith("{")]


def test_the_last_line_is_the_result(run):
    directory, child = run
    result = child.result
    assert result["seed"] == 5 and result["epochs"] == 2 and result["steps_per_epoch"] == 10
    assert result["model"] == str(directory / "model.keras") and result["summary"] == str(directory / "summary.html")
    assert round(result["test_accuracy"] * 40) == pytest.approx(result["test_accuracy"] * 40, abs=1e-3)


def test_progress_is_one_json_line_an_epoch_off_a_terminal(run):
    lines = lines_of_progress(run[1])
    assert [line["epoch"] for line in lines] == [1, 2] and lines[0]["images_per_second"] > 0
    assert all(0 <= line["val_accuracy"] <= 1 for line in lines)


def test_the_run_directory_repeats_and_records_the_run(run):
    directory, child = run
    assert {path.name for path in directory.iterdir()} == _FILES
    flags = (directory / "flagfile.txt").read_text().splitlines()
    assert {"--seed=5", "--validation_split=test[:20]", "--optimizer=adam", f"--run_dir={directory}"} <= set(flags)
    settings = json.loads((directory / "settings.json").read_text())
    assert settings["seed"] == 5 and settings["model"] == "mobilenet_v1" and settings["optimizer"] == "adam"
    result = json.loads((directory / "result.json").read_text())
    assert result["test_accuracy"] == child.result["test_accuracy"]
    assert result["configuration"]["model"] == "mobilenet_v1"
    assert [(entry["epoch"], entry["step"]) for entry in log(directory)] == [(1, 10), (2, 20)]
    newest = sorted(path.name for path in (directory / "checkpoints").iterdir())[-1]
    assert newest == "epoch_00002_step_000000"
    assert (directory / "checkpoints" / newest / "flagfile.txt").read_text().splitlines() == flags
    page = (directory / "summary.html").read_text()
    assert "mobilenet_v1" in page and "val_accuracy" in page and "The run is complete." in page


def test_the_same_command_after_sigterm_ends_with_the_same_model(run, start_tool, tmp_path):
    directory = tmp_path / "digits"
    command = [*_RUN, f"--run_dir={directory}"]
    stopped = start_tool("train", *command)
    stopped.wait_for(directory / "checkpoints" / "epoch_00000_step_000003")
    os.kill(stopped.process, signal.SIGTERM)
    assert stopped.wait() == 143, stopped.stderr
    *_, told, last = stopped.stderr.splitlines()
    assert told == "SIGTERM: saving after this step"
    where = re.fullmatch(r"SIGTERM: stopped at epoch (\d), step (\d+) of 10, and saved in (.*)", last)
    assert where[3] == f"{str(directory)!r}; the same command goes on from there."
    newest = sorted(path.name for path in (directory / "checkpoints").iterdir())[-1]
    assert newest == f"epoch_{int(where[1]) - 1:05d}_step_{int(where[2]):06d}"
    assert not (directory / "model.keras").exists() and not (directory / "result.json").exists()
    assert stopped.stdout == ""

    finished = start_tool("train", *command)
    assert finished.wait() == 0, finished.stderr
    mine, theirs = weights(directory / "model.keras"), weights(run[0] / "model.keras")
    assert len(mine) > 150 and mine.keys() == theirs.keys()
    for name, value in mine.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)
    assert log(directory) == log(run[0])
    paths = {"model": str(directory / "model.keras"), "summary": str(directory / "summary.html")}
    assert finished.result == {**run[1].result, **paths}
    kinds = [json.loads(line)["event"] for line in (directory / "events.jsonl").read_text().splitlines()]
    assert [kind for kind in kinds if kind != "saved"] == ["stopped", "resumed", "finished"]
    assert {path.name for path in directory.iterdir()} == _FILES


def test_a_finished_run_is_only_concluded_again(run, start_tool):
    directory, first = run
    before, held = contents(directory), weights(directory / "model.keras")
    again = start_tool("train", f"--flagfile={directory}/flagfile.txt")
    assert again.wait() == 0, again.stderr
    assert again.result == first.result and lines_of_progress(again) == []
    after = contents(directory)
    assert before.keys() == after.keys()
    for path in before:
        if path.suffix not in (".keras", ".html"):  # They may tell when they were written.
            assert after[path] == before[path], path
    for name, value in weights(directory / "model.keras").items():
        np.testing.assert_array_equal(value, held[name], err_msg=name)


def test_changed_flags_are_refused_unless_they_are_accepted(run, start_tool):
    directory, _ = run
    before = contents(directory)
    more = [f"--flagfile={directory}/flagfile.txt", "--epochs=3", "--strategy=mirrored", "--test_split="]
    refused = start_tool("train", *more)
    assert refused.wait() == 1
    (error,) = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
    changes = "epochs was 2, is 3, strategy was 'one_device', is 'mirrored'."
    assert f"began with other settings: {changes}" in error and "--accept_changes" in error
    assert "Traceback" not in refused.stderr
    assert contents(directory) == before

    accepted = start_tool("train", *more, "--accept_changes")
    assert accepted.wait() == 0, accepted.stderr
    assert [line["epoch"] for line in lines_of_progress(accepted)] == [3]
    assert [entry["epoch"] for entry in log(directory)] == [1, 2, 3]
    assert "--strategy=mirrored" in (directory / "flagfile.txt").read_text()
    # The first epochs ran on one device; from here on the replicas share their batch statistics.
    config = zipfile.ZipFile(directory / "model.keras").read("config.json").decode()
    assert '"synchronized": true' in config and '"synchronized": false' not in config


def test_compare_writes_a_page(run, start_tool, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "log.jsonl").write_text('{"epoch": 1, "loss": 2.5, "val_accuracy": 0.125}\n')
    page = tmp_path / "page.html"
    child = start_tool("train", "--compare", str(run[0]), str(other), f"--output={page}")
    assert child.wait() == 0, child.stderr
    assert child.result == {"comparison": str(page)}
    text = page.read_text()
    assert "digits" in text and "other" in text and "val_accuracy" in text
    assert {path.name for path in other.iterdir()} == {"log.jsonl"}


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--model=mobilenet_v9"], "error: model='mobilenet_v9' is not known. Did you mean 'mobilenet_v"),
        (["--dataset=repvis_digit"], "Did you mean 'repvis_digits"),
        (["--epochs=0"], "error: epochs=0 is not accepted"),
        (["--learning_rate=-1"], "error: learning_rate=-1.0 is not accepted"),
        (["--milestones=0.5,x"], "error: milestones='0.5,x' is not accepted: expected numbers"),
        (["--batch_size=100000"], "error: batch_size=100000 is larger than the 1297 examples"),
        (["--test_split=exam"], "exam"),
        (["--save_steps=-1"], "error: save_steps=-1 is not accepted"),
        (["--select=best"], "error: select='best' needs a validation_split"),
        (
            ["--select=best", "--validation_split=test[:50%]", "--test_split=test"],
            "error: validation_split='test[:50%]' selects the model and shares examples with test_split='test'",
        ),
        (["runs/digits"], "error: unexpected argument 'runs/digits': everything is a flag"),
        (["--compare"], "error: runs=[] is not accepted: expected two or more"),
        (["--compare", "no/such/run"], "no/such/run"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(start_tool, arguments, message, tmp_path):
    directory = tmp_path / "run"
    child = start_tool("train", *arguments, f"--run_dir={directory}", f"--output={directory / 'page.html'}")
    assert child.wait() == 1
    (error,) = [line for line in child.stderr.splitlines() if line.startswith("error: ")]
    assert message in error, child.stderr
    assert "Traceback" not in child.stderr and child.stdout == ""
    assert not directory.exists()


@pytest.mark.parametrize(
    "flag, message",
    [("--epochs=many", "error: flag --epochs=many"), ("--epoch=3", "error: Unknown command line flag 'epoch'")],
)
def test_a_wrong_flag_is_one_line(flag, message):
    finished = subprocess.run([sys.executable, "-c", _START, flag], capture_output=True, text=True, check=False)
    assert finished.returncode == 1 and finished.stdout == ""
    assert finished.stderr.splitlines()[0].startswith(message) and "Traceback" not in finished.stderr


def test_a_truncated_image_is_named_or_counted(start_tool, tmp_path):
    for label in ("dark", "light"):
        folder = tmp_path / "photos" / label
        folder.mkdir(parents=True)
        for index in range(4):
            PIL.Image.new("RGB", (20, 20), (10 + 200 * (label == "light"), index, 0)).save(folder / f"{index}.jpg")
    broken = tmp_path / "photos" / "dark" / "0.jpg"
    broken.write_bytes(broken.read_bytes()[:200])
    arguments = [f"--dataset={tmp_path / 'photos'}", *_SMALL, "--batch_size=3", "--epochs=1", "--test_split="]
    stopped = start_tool("train", *arguments)
    assert stopped.wait() == 1 and os.path.join("dark", "0.jpg") in stopped.stderr
    skipped = start_tool("train", *arguments, "--skip_corrupt")
    assert skipped.wait() == 0, skipped.stderr
    assert skipped.result["skipped_images"] == 1


def test_help_answers_without_tensorflow():
    start = _START.replace("; ", "\n    ")
    program = f"import sys\ntry:\n    {start}\nfinally:\n    print('tensorflow' in sys.modules)"
    finished = subprocess.run([sys.executable, "-c", program, "--help"], capture_output=True, text=True, check=False)
    assert finished.returncode == 0
    assert "repvis-train --flagfile" in finished.stdout and "--learning_rate" in finished.stdout
    assert finished.stdout.splitlines()[-1] == "False"
