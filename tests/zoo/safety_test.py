"""The figures of benchmarks/zoo.py, in small numbers: kills, publishers at once, corruptions."""

import importlib.util
import pathlib
import subprocess
import sys

import pytest

PROGRAM = pathlib.Path(__file__).resolve().parents[2] / "benchmarks" / "zoo.py"


@pytest.fixture(scope="module", name="benchmark")
def benchmark_fixture():
    from absl import flags

    spec = importlib.util.spec_from_file_location("zoo_benchmark", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    known = set(flags.FLAGS)
    spec.loader.exec_module(module)
    yield module
    for name in set(flags.FLAGS) - known:
        delattr(flags.FLAGS, name)


def test_kills_leave_the_old_or_the_new_state(benchmark, tmp_path):
    found = benchmark.kills(tmp_path, 60, seed=1)
    assert found["left_old_state"] + found["left_new_state"] == 60
    assert min(found[name] for name in ("publish", "alias", "gc", "import", "left_old_state", "left_new_state")) > 0


@pytest.mark.parametrize("broken", ["repair", "rename", "sweep"])
def test_what_is_not_crash_safe_is_caught(benchmark, tmp_path, monkeypatch, broken):
    from keras_repvis.zoo import history, transaction

    if broken == "repair":
        monkeypatch.setattr(history, "repair", lambda *_: None)
    elif broken == "sweep":
        monkeypatch.setattr(transaction, "sweep", lambda _: None)
    else:
        import os
        import shutil

        def copy_slowly(source, target):
            shutil.copytree(source, target)
            shutil.rmtree(source)

        # Renames of directories only: those that make a version appear, or vanish.
        rename = os.rename
        monkeypatch.setattr(os, "rename", lambda a, b: copy_slowly(a, b) if os.path.isdir(a) else rename(a, b))
    with pytest.raises((KeyError, OSError, RuntimeError, ValueError)):
        benchmark.kills(tmp_path, 200, seed=1)


def test_corruptions_are_detected(benchmark, tmp_path):
    found = benchmark.corruptions(tmp_path, 40, seed=1)
    assert found["detected"] == 40 and min(found[kind] for kind in ("flip", "truncate", "swap", "delete", "add")) > 0


def test_a_handle_is_resolved_in_a_large_zoo(benchmark, tmp_path):
    assert set(benchmark.resolving(tmp_path, 200, repeats=1)["milliseconds"]) == {
        "a/b", "a/b/50", "many/model0", "many/model0/3"
    }


def test_publishers_at_once_lose_no_model():
    command = [sys.executable, PROGRAM, "--only=publishers", "--processes=4", "--versions=8"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert '"versions": 8' in done.stdout
