import subprocess
import sys

import pytest
import tensorflow_datasets as tfds

from keras_repvis.data import preparation

# Waits inside the generation until the other process is there too, so that both write at the same time.
RACER = """
import os, sys, time
import keras_repvis
from keras_repvis.data import digits, preparation
generate, (data_dir, mine, other) = digits.generate, sys.argv[1:]

def wait_then_generate(split):
    open(mine, "w").close()
    deadline = time.monotonic() + 120
    while not os.path.exists(other) and time.monotonic() < deadline:
        time.sleep(0.01)
    return generate(split)

digits.generate = wait_then_generate
builder = preparation.prepared_builder("repvis_digits", data_dir)
print(os.path.exists(other), builder.info.splits["train"].num_examples, len(list(builder.as_dataset(split="test"))))
"""


def test_two_processes_may_prepare_at_once(tmp_path):
    data_dir, flags = tmp_path / "data", [tmp_path / "first", tmp_path / "second"]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, data_dir, mine, other],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for mine, other in (flags, flags[::-1])
    ]
    for process in processes:
        output, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors
        assert output == "True 1297 500\n"
    assert [path.name for path in (data_dir / "repvis_digits").iterdir()] == ["1.0.0"]


def test_preparing_a_bundled_set_prints_nothing(tmp_path, capfd):
    shown = tfds.core.utils.tqdm_utils._active
    preparation.prepared_builder("repvis_photos", tmp_path)
    output, errors = capfd.readouterr()
    assert output == "" and "Generating" not in errors
    assert tfds.core.utils.tqdm_utils._active == shown


def test_a_place_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="dataset 'repvis_digits' could not be written below .*file"):
        preparation.prepared_builder("repvis_digits", tmp_path / "file")


def test_without_a_network_the_error_says_what_to_do(tmp_path, monkeypatch):
    def no_network(*_, **__):
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(tfds.download.DownloadManager, "download_and_extract", no_network)
    with pytest.raises(OSError) as caught:
        preparation.prepared_builder("cifar10", tmp_path)
    message = str(caught.value)
    for part in ("dataset 'cifar10'", "Name or service not known", "tfds build cifar10", str(tmp_path), "repvis_"):
        assert part in message
    assert not (tmp_path / "cifar10").exists()


@pytest.mark.parametrize(
    "name, message",
    [
        ("imagenette/99px", "configuration='99px'.*160px-v2"),
        ("mnist:9.9.9", "dataset='mnist:9.9.9'.*3.0.1"),
        ("mnst", "Did you mean 'mnist'"),
    ],
)
def test_bad_names_are_errors(name, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        preparation.prepared_builder(name, tmp_path)
