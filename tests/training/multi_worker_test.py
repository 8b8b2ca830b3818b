"""Two worker processes, as `repvis-launch` starts them, train like one device, and go on after one of them was lost."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from keras_repvis import training

PROGRAM = pathlib.Path(__file__).with_name("programs") / "worker.py"
LAUNCH = "from keras_repvis_tools import launch; launch.run()"
DETERMINISTIC = {"rate": 0.0, "noise": 0.0}


def workers(run, output, **options):
    command = [sys.executable, PROGRAM, "multi_worker", run, output, json.dumps(options)]
    launcher = [sys.executable, "-c", LAUNCH, "--workers=2", "--threads_per_worker=1", "--grace_seconds=20", "--"]
    return start([*launcher, *command])


def alone(run, output, **options):
    return start([sys.executable, PROGRAM, "one_device", run, output, json.dumps(options)])


def start(command):
    environment = {name: value for name, value in os.environ.items() if name != "TF_CONFIG"}
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, timeout=300, env=environment
    )


def results(output):
    found = [json.loads(pathlib.Path(f"{output}-{worker}.json").read_text()) for worker in (0, 1)]
    assert all(each["waited"] for each in found)
    return [each["digests"] for each in found], [each["history"] for each in found]


def weights(output, worker=0):
    with np.load(f"{output}-{worker}.npz") as file:
        return [file[name] for name in file.files]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Two workers with dropout and noise that nobody disturbs."""
    directory = tmp_path_factory.mktemp("uninterrupted")
    finished = workers(directory / "run", directory / "out")
    assert finished.returncode == 0, finished.stderr
    return results(directory / "out")


def test_two_workers_equal_one_device(tmp_path):
    for start_run, name in ((alone, "one"), (workers, "two")):
        finished = start_run(tmp_path / name, tmp_path / f"{name}_out", **DETERMINISTIC)
        assert finished.returncode == 0, finished.stderr
    one = json.loads((tmp_path / "one_out-0.json").read_text())["history"]
    _, histories = results(tmp_path / "two_out")
    assert histories[0] == histories[1]
    assert len(one) == len(histories[0]) == 4
    for entry, other in zip(one, histories[0]):
        assert entry == pytest.approx(other, rel=1e-5, abs=1e-5)
    for worker in (0, 1):
        for alone_weight, shared_weight in zip(weights(tmp_path / "one_out"), weights(tmp_path / "two_out", worker)):
            np.testing.assert_allclose(shared_weight, alone_weight, rtol=0, atol=1e-5)


def test_goes_on_bit_for_bit_after_a_worker_was_killed(uninterrupted, tmp_path):
    run, output = tmp_path / "run", tmp_path / "out"
    killed = workers(run, output, kill={"worker": 1, "step": 17})
    assert killed.returncode == 128 + 9
    assert "worker 1" in killed.stderr
    assert (run / "checkpoints").is_dir() and not pathlib.Path(f"{output}-0.json").exists()
    finished = workers(run, output)
    assert finished.returncode == 0, finished.stderr
    assert results(output) == uninterrupted


def test_all_workers_save_and_stop_when_one_is_asked_to(tmp_path):
    run, output = tmp_path / "run", tmp_path / "out"
    stopped = workers(run, output, stop={"worker": 1, "step": 12})
    assert stopped.returncode == 128 + 15, stopped.stderr
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    # Asked at step 12, agreed at the next step that is a multiple of ten or the end of an epoch.
    stops = [(event["epoch"], event["step"]) for event in events if event["event"] == "stopped"]
    assert stops == [(2, 0)]
    newest = training.RunDirectory(run).checkpoints.latest()
    assert (newest.position.epoch, newest.position.step) == (2, 0)
