"""repvis-train as a person runs it: a process, its files, its exit code and its last line."""

import json
import os
import subprocess
import sys
import zipfile

import PIL.Image
import pytest

_START = "from keras_repvis_tools import train; train.run()"
_SMALL = ["--model=mobilenet_v1", "--width_multiplier=0.1", "--image_size=16", "--stem_strides=1", "--batch_size=32"]


def repvis_train(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-c", _START, *arguments], capture_output=True, text=True, check=False, **options
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("run") / "digits"
    finished = repvis_train(
        *_SMALL,
        "--epochs=1",
        "--train_split=train[:64]",
        "--test_split=test[:40]",
        "--seed=5",
        f"--run_dir={directory}",
    )
    assert finished.returncode == 0, finished.stderr
    return directory, finished


def test_the_last_line_is_the_result(run):
    directory, finished = run
    result = json.loads(finished.stdout.splitlines()[-1])
    assert result["seed"] == 5 and result["steps_per_epoch"] == 2 and result["model"] == str(directory / "model.keras")
    assert round(result["test_accuracy"] * 40) == pytest.approx(result["test_accuracy"] * 40, abs=1e-3)


def test_progress_is_one_json_line_an_epoch_off_a_terminal(run):
    lines = [json.loads(line) for line in run[1].stderr.splitlines() if line.startswith("{")]
    assert [line["epoch"] for line in lines] == [1] and lines[0]["images_per_second"] > 0


def test_the_run_directory_repeats_and_records_the_run(run):
    directory, _ = run
    flags = (directory / "flagfile.txt").read_text().splitlines()
    assert "--seed=5" in flags and "--train_split=train[:64]" in flags and "--optimizer=adam" in flags
    assert json.loads((directory / "log.jsonl").read_text())["epoch"] == 1
    assert json.loads((directory / "result.json").read_text())["configuration"]["model"] == "mobilenet_v1"
    names = sorted(path.name for path in directory.iterdir())
    assert names == ["checkpoint", "flagfile.txt", "log.jsonl", "model.keras", "result.json"]


def test_the_flagfile_goes_on_under_two_replicas(run):
    directory, _ = run
    more = [f"--flagfile={directory}/flagfile.txt", "--epochs=2", "--strategy=mirrored"]
    finished = repvis_train(*more, "--test_split=")
    assert finished.returncode == 0, finished.stderr
    lines = [json.loads(line) for line in finished.stderr.splitlines() if line.startswith("{")]
    assert [line["epoch"] for line in lines] == [2]
    assert len((directory / "log.jsonl").read_text().splitlines()) == 2
    # The first epoch ran on one device; from here on the replicas share their batch statistics.
    config = zipfile.ZipFile(directory / "model.keras").read("config.json").decode()
    assert '"synchronized": true' in config and '"synchronized": false' not in config


@pytest.mark.parametrize(
    "flag, message",
    [
        ("--model=mobilenet_v9", "error: model='mobilenet_v9' is not known. Did you mean 'mobilenet_v"),
        ("--dataset=repvis_digit", "Did you mean 'repvis_digits"),
        ("--epochs=0", "error: epochs=0 is not accepted"),
        ("--epochs=many", "error: flag --epochs=many"),
        ("--learning_rate=-1", "error: learning_rate=-1.0 is not accepted"),
        ("--batch_size=100000", "error: batch_size=100000 is larger than the 1297 examples"),
        ("--test_split=exam", "exam"),
        ("--epoch=3", "error: Unknown command line flag 'epoch'"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(flag, message, tmp_path):
    directory = tmp_path / "run"
    finished = repvis_train(f"--run_dir={directory}", flag)
    assert finished.returncode == 1
    errors = [line for line in finished.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and message in errors[0], finished.stderr
    assert "Traceback" not in finished.stderr
    assert not directory.exists()


def test_a_truncated_image_is_named_or_counted(tmp_path):
    for label in ("dark", "light"):
        folder = tmp_path / "photos" / label
        folder.mkdir(parents=True)
        for index in range(4):
            PIL.Image.new("RGB", (20, 20), (10 + 200 * (label == "light"), index, 0)).save(folder / f"{index}.jpg")
    broken = tmp_path / "photos" / "dark" / "0.jpg"
    broken.write_bytes(broken.read_bytes()[:200])
    arguments = [f"--dataset={tmp_path / 'photos'}", *_SMALL, "--batch_size=3", "--epochs=1", "--test_split="]
    stopped = repvis_train(*arguments)
    assert stopped.returncode == 1 and os.path.join("dark", "0.jpg") in stopped.stderr
    skipped = repvis_train(*arguments, "--skip_corrupt")
    assert skipped.returncode == 0, skipped.stderr
    assert json.loads(skipped.stdout.splitlines()[-1])["skipped_images"] == 1


def test_help_answers_without_tensorflow():
    start = _START.replace("; ", "\n    ")
    program = f"import sys\ntry:\n    {start}\nfinally:\n    print('tensorflow' in sys.modules)"
    finished = subprocess.run([sys.executable, "-c", program, "--help"], capture_output=True, text=True, check=False)
    assert finished.returncode == 0
    assert "repvis-train --flagfile" in finished.stdout and "--learning_rate" in finished.stdout
    assert finished.stdout.splitlines()[-1] == "False"

