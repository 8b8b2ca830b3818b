"""Programs end with the promised exit code and one readable line."""

import os
import subprocess
import sys

import pytest

_PROGRAM = '''"""Do a thing.

Examples:
    thing --times=3
"""

import sys

from absl import flags

from keras_repvis.training.interruption import Interrupted
from keras_repvis_tools import program

_TIMES = flags.DEFINE_integer("times", 1, "How often.", lower_bound=1)


def pipeline():
    import tensorflow as tf

    def load(index):
        raise ValueError("image 'a.jpg' is torn")

    numbers = tf.data.Dataset.range(2).map(lambda n: tf.numpy_function(load, [n], tf.int64))
    list(numbers)


def main(argv):
    actions = {
        "value": lambda: (_ for _ in ()).throw(ValueError("times and tides")),
        "missing": lambda: open("/no/such/file"),
        "interrupt": lambda: (_ for _ in ()).throw(KeyboardInterrupt),
        "stop": lambda: (_ for _ in ()).throw(Interrupted("saved", int(argv[2]))),
        "bug": lambda: [][1],
        "pipeline": pipeline,
        "many": lambda: print("line\\n" * 100000),
    }
    if len(argv) > 1:
        actions[argv[1]]()
    print(_TIMES.value, "tensorflow" in sys.modules)


if __name__ == "__main__":
    program.run(main)
'''


@pytest.fixture(scope="module", name="run")
def run_fixture(tmp_path_factory):
    path = tmp_path_factory.mktemp("program") / "thing.py"
    path.write_text(_PROGRAM)

    def run(*arguments, stderr=subprocess.PIPE):
        command = [sys.executable, path, *arguments]
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=stderr, text=True, check=False)

    return run


def test_success(run):
    done = run("--times=2")
    assert (done.returncode, done.stdout, done.stderr) == (0, "2 False\n", "")


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_shows_the_docstring_and_the_flags_and_succeeds(run, flag):
    done = run("--times=2", flag)
    assert done.returncode == 0
    assert done.stdout.startswith("Do a thing.")
    assert "thing --times=3" in done.stdout
    assert "--times: How often." in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    "arguments, code, first_line",
    [
        (["value"], 1, "error: times and tides"),
        (["missing"], 1, "error: No such file or directory: /no/such/file"),
        (["interrupt"], 130, "interrupted"),
        (["stop", "2"], 130, "saved"),
        (["stop", "15"], 143, "saved"),
        (["--times=0"], 1, "error: flag --times=0: 0 is not a positive integer"),
        (["--tiems=1"], 1, "error: Unknown command line flag 'tiems'. Did you mean: times ?"),
    ],
)
def test_failure_is_one_line_and_an_exit_code(run, arguments, code, first_line):
    done = run(*arguments)
    assert done.returncode == code
    assert done.stdout == ""
    assert done.stderr.splitlines()[0] == first_line
    assert "Traceback" not in done.stderr


def test_what_fails_inside_a_data_pipeline_is_one_line_too(run):
    finished = run("pipeline")
    assert finished.returncode == 1 and "Traceback" not in finished.stderr
    assert finished.stderr.splitlines()[-1] == "error: image 'a.jpg' is torn"


def test_debug_adds_the_traceback(run):
    done = run("value", "--debug")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1] == "error: times and tides"


def test_a_bug_keeps_its_traceback(run):
    done = run("bug")
    assert done.returncode == 1
    assert "IndexError" in done.stderr


@pytest.mark.parametrize("arguments, code", [(["interrupt"], 130), (["stop", "15"], 143)])
def test_an_interruption_that_nobody_reads_of_has_its_exit_code(run, arguments, code):
    # As under `2>&1 | tee`, when the terminal's Ctrl-C ends both.
    reading, writing = os.pipe()
    os.close(reading)
    assert run(*arguments, stderr=writing).returncode == code
    os.close(writing)


def test_a_reader_that_stops_early_is_no_error(tmp_path):
    script = tmp_path / "thing.py"
    script.write_text(_PROGRAM)
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{sys.executable} {script} many | head -1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "line\n", "")


def test_help_may_be_cut_short(tmp_path):
    """The reader is gone before the help is written."""
    script = tmp_path / "thing.py"
    script.write_text(_PROGRAM)
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, script, "--help"], stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
