"""repvis-train --recipe=cyclegan as a person runs it: its files, its last line, stopped, gone on with, in workers."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest

_NETWORKS = ["--blocks=1", "--filters=2", "--discriminator_layers=1", "--discriminator_filters=2", "--pool_size=2"]
# 3 steps an epoch.
_RUN = ["--recipe=cyclegan", *_NETWORKS, "--image_size=16", "--epochs=2", "--seed=5", "--noise=0.1", "--save_steps=1"]
_FILES = {
    *(".lock", "checkpoints", "events.jsonl", "flagfile.txt", "generator_ab.keras", "generator_ba.keras", "images"),
    *("log.jsonl", "result.json", "settings.json", "summary.html"),
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Two folders of images, as --dataset names them."""
    path, random = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for name, count in (("day", 3), ("night", 2)):
        (path / name).mkdir()
        for number in range(count):
            image = random.integers(0, 256, (20, 24, 3), "uint8")
            PIL.Image.fromarray(image).save(path / name / f"{number}.png")
    return f"{path / 'day'},{path / 'night'}"


@pytest.fixture(scope="module")
def run(start_tool, dataset, tmp_path_factory):
    """A run that is left alone: its directory and its process, at its end."""
    directory = tmp_path_factory.mktemp("run") / "seasons"
    child = start_tool("train", *_RUN, f"--dataset={dataset}", f"--run_dir={directory}")
    assert child.wait(300) == 0, child.stderr
    return directory, child


def log(directory):
    entries = [json.loads(line) for line in (directory / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in entries]


def generators(directory):
    import keras

    import keras_repvis  # noqa: F401  (registers its layers)

    return [keras.saving.load_model(directory / f"generator_{way}.keras") for way in ("ab", "ba")]


def test_the_last_line_is_the_result(run):
    directory, child = run
    result = child.result
    assert (result["seed"], result["epochs"], result["steps_per_epoch"], result["skipped_images"]) == (5, 2, 3, 0)
    assert result["cycle_a_error"] == pytest.approx(log(directory)[-1]["cycle_a_error"], abs=1e-6)
    assert result["generator_ab"] == str(directory / "generator_ab.keras")
    assert result["summary"] == str(directory / "summary.html")


def test_the_run_directory_repeats_and_records_the_run(run, dataset):
    directory, _ = run
    assert {path.name for path in directory.iterdir()} == _FILES
    flags = set((directory / "flagfile.txt").read_text().splitlines())
    # What the recipe defaults to is written out as it is here.
    assert {"--recipe=cyclegan", f"--dataset={dataset}", "--batch_size=1", "--flip", "--learning_rate=0.0002"} <= flags
    assert {"--noise=0.1", "--cycle_weight=10", "--schedule=stairs", "--splits=trainA,trainB"} <= flags
    settings = json.loads((directory / "settings.json").read_text())
    assert [settings["domain_a"], settings["domain_b"]] == dataset.split(",") and settings["noise"] == 0.1
    assert json.loads((directory / "result.json").read_text())["configuration"]["pool_size"] == 2
    assert [(entry["epoch"], entry["step"]) for entry in log(directory)] == [(1, 3), (2, 6)]
    page = (directory / "summary.html").read_text()
    assert "cyclegan" in page and "cycle_a_error" in page and "The run is complete." in page
    assert "Images after epoch 2." in page


def test_both_generators_are_plain_models_of_images_of_any_size(run):
    for model in generators(run[0]):
        images = np.random.default_rng(0).random((1, 24, 32, 3)).astype("float32")
        drawn = model.predict(images, verbose=0)
        assert drawn.shape == images.shape and drawn.min() >= 0 and drawn.max() <= 1


def test_the_same_command_after_sigterm_ends_with_the_same_generators(run, start_tool, dataset, tmp_path):
    directory = tmp_path / "seasons"
    command = [*_RUN, f"--dataset={dataset}", f"--run_dir={directory}"]
    stopped = start_tool("train", *command)
    stopped.wait_for(directory / "checkpoints" / "epoch_00000_step_000001", 300)
    os.kill(stopped.process, signal.SIGTERM)
    assert stopped.wait(300) == 143, stopped.stderr
    assert not (directory / "generator_ab.keras").exists()
    finished = start_tool("train", f"--flagfile={directory}/flagfile.txt", "--save_steps=1")
    assert finished.wait(300) == 0, finished.stderr
    for mine, theirs in zip(generators(directory), generators(run[0])):
        for one, other in zip(mine.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
    assert log(directory) == log(run[0])


def test_swapped_domains_are_refused(run, start_tool, dataset):
    directory, _ = run
    swapped = ",".join(reversed(dataset.split(",")))
    child = start_tool("train", f"--flagfile={directory}/flagfile.txt", f"--dataset={swapped}")
    assert child.wait(300) == 1
    (error,) = [line for line in child.stderr.splitlines() if line.startswith("error: ")]
    assert "domain_a was" in error and "domain_b was" in error and "--accept_changes" in error


def test_two_workers_train_together(dataset, tmp_path):
    directory = tmp_path / "workers"
    flags = [*_RUN, f"--dataset={dataset}", f"--run_dir={directory}", "--strategy=multi_worker", "--batch_size=2"]
    program = [sys.executable, "-c", "from keras_repvis_tools import train; train.run()", *flags]
    launch = [sys.executable, "-c", "from keras_repvis_tools import launch; launch.run()", "--threads_per_worker=1"]
    environment = {name: value for name, value in os.environ.items() if name != "TF_CONFIG"}
    finished = subprocess.run(
        [*launch, "--workers=2", "--", *program], capture_output=True, text=True, check=False, timeout=600,
        env=environment,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    assert {path.name for path in directory.iterdir()} == _FILES
    assert [entry["epoch"] for entry in log(directory)] == [1, 2]
    assert "steps_per_epoch" in finished.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--width_multiplier=2"], "--width_multiplier is not accepted with --recipe=cyclegan: it belongs to another"),
        (["--recipe=classification", "--noise=0.1"], "--noise is not accepted with --recipe=classification"),
        (["--recipe=cycle"], "recipe='cycle' is not known. Did you mean 'cyclegan'?"),
        (["--cycle_weight=10,x"], "cycle_weight='10,x' is not accepted: expected numbers"),
        (["--cycle_weight=1,2,3"], "is not accepted: expected one, or those of A and B with a comma"),
        (["--splits=trainA,"], "splits=['trainA', ''] is not accepted"),
        (["--validation_splits=a,b,c"], "validation_splits=['a', 'b', 'c'] is not accepted"),
        (["--dataset=repvis_mops"], "dataset='repvis_mops' is not known. Did you mean 'repvis_maps'"),
        (["--image_size=4"], "image_size=4 is not accepted"),
        (["--generator=resnest"], "generator='resnest' is not known. Did you mean 'resnet'"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(start_tool, arguments, message, tmp_path):
    directory = tmp_path / "run"
    child = start_tool("train", "--recipe=cyclegan", *arguments, f"--run_dir={directory}")
    assert child.wait() == 1
    (error,) = [line for line in child.stderr.splitlines() if line.startswith("error: ")]
    assert message in error, child.stderr
    assert "Traceback" not in child.stderr and child.stdout == "" and not directory.exists()


def test_help_says_which_flags_belong_to_which_recipe():
    start = "from keras_repvis_tools import train; train.run()"
    finished = subprocess.run([sys.executable, "-c", start, "--help"], capture_output=True, text=True, check=False)
    shared, classification, cyclegan = finished.stdout.split("\nFlags:\n")[1].split("Flags of --recipe=")
    assert "--seed:" in shared and "--noise:" not in shared and "--width_multiplier:" not in shared
    assert classification.startswith("classification:") and "--width_multiplier:" in classification
    assert cyclegan.startswith("cyclegan") and "--noise:" in cyclegan and "--width_multiplier:" not in cyclegan
