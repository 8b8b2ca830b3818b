"""repvis-quickstart as a newcomer runs it, with one seed and few epochs."""

import json
import re
import subprocess
import sys

import pytest

_START = "from keras_repvis_tools import quickstart; quickstart.run()"


def quickstart(*arguments):
    return subprocess.run([sys.executable, "-c", _START, *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("quickstart")
    finished = quickstart(
        "--seeds=4", "--epochs=2", f"--output_dir={directory / 'out'}", f"--zoo_root={directory / 'zoo'}"
    )
    assert finished.returncode == 0, finished.stderr
    return directory, finished


def test_the_last_line_is_the_path_of_the_report(run):
    directory, finished = run
    assert finished.stdout.splitlines()[-1] == f"report: {directory / 'out' / 'report.html'}"
    assert [path.name for path in (directory / "out").iterdir()] == ["report.html"]


def test_the_version_is_published_with_what_is_known_of_it(run):
    directory, finished = run
    manifest = json.loads((directory / "zoo/me/mobilenet_v2_digits/1/manifest.json").read_text())
    printed = float(re.search(r"test accuracy: ([0-9.]+)", finished.stdout).group(1))
    assert manifest["metrics"]["accuracy"] == pytest.approx(printed, abs=1e-4)
    assert manifest["training"]["seed"] == 4 and manifest["training"]["epochs"] == 2


def test_the_report_holds_every_part_and_the_measured_numbers(run):
    directory, finished = run
    page = (directory / "out" / "report.html").read_text()
    for heading in ("Accuracy", "Mistakes", "Training", "gradient saliency", "Cost", "Load it, fine-tune it"):
        assert heading in page
    printed = float(re.search(r"test accuracy: ([0-9.]+)", finished.stdout).group(1))
    assert f"{printed:.1%}" in page
    assert page.count("data:image/png;base64,") >= 4
    assert "me/mobilenet_v2_digits/1" in page and "http" not in page


@pytest.mark.parametrize(
    "flag, message",
    [
        ("--seeds=one", "error: seeds='one' is not accepted"),
        ("--seeds=", "error: seeds"),
        ("--handle=../digits", "error: handle='../digits'"),
        ("--epochs=-1", "error: epochs=-1"),
    ],
)
def test_bad_input_is_refused_before_training(flag, message, tmp_path):
    finished = quickstart(f"--output_dir={tmp_path / 'out'}", f"--zoo_root={tmp_path / 'zoo'}", flag)
    assert finished.returncode == 1 and message in finished.stderr and "Traceback" not in finished.stderr
    assert not list(tmp_path.iterdir())
