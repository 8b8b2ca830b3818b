"""Export in a process of its own where that is possible, in this one where it is not."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_repvis.zoo import equality, exporting


@keras.saving.register_keras_serializable("exporting_test")
class Doubling(keras.layers.Layer):
    """A layer that only this file knows."""

    def call(self, inputs):
        return inputs * 2.0


def _saved(tmp_path, layer=None):
    model = keras.Sequential([keras.Input((4,)), layer or keras.layers.ReLU(), keras.layers.Dense(2, name="logits")])
    model.save(tmp_path / "model.keras")
    inputs = np.ones((1, 4), "float32")
    equality.write_check(tmp_path, inputs, equality.outputs(model, inputs))
    return tmp_path / "model.keras"


def test_in_a_process_of_its_own(tmp_path):
    result = exporting.export_file(_saved(tmp_path), tmp_path, variants=("folded",))
    assert result["process"] == "own"
    assert list(result["signatures"]["serving_default"]["outputs"]) == ["logits"]
    assert list(result["variants"]) == ["folded"] and result["variants_refused"] == {}
    assert (tmp_path / "saved_model.pb").exists() and (tmp_path / "folded" / "saved_model.pb").exists()


def test_a_class_of_the_running_program_is_exported_here(tmp_path, monkeypatch):
    monkeypatch.setattr(Doubling, "__module__", "__main__")
    monkeypatch.setattr(exporting, "start_process", None)
    result = exporting.export_file(_saved(tmp_path, Doubling()), tmp_path)
    assert result["process"] == "shared" and (tmp_path / "saved_model.pb").exists()


def test_a_class_that_the_process_cannot_import_is_exported_here(tmp_path, monkeypatch):
    monkeypatch.setattr(Doubling, "__module__", "no.such.module")
    result = exporting.export_file(_saved(tmp_path, Doubling()), tmp_path)
    assert result["process"] == "shared"


def test_errors_of_the_process_come_back(tmp_path, monkeypatch):
    path = _saved(tmp_path)
    monkeypatch.setattr(exporting, "start_process", lambda job_file: (-9, "Killed"))
    with pytest.raises(ValueError, match="its process ended with -9:\nKilled"):
        exporting.export_file(path, tmp_path)

    def answer(kind):
        def start_process(job_file):
            with open(f"{job_file}.result", "w", encoding="utf-8") as file:
                json.dump({"error": "words", "kind": kind}, file)
            return 0, ""

        return start_process

    for kind, error in (("OSError", OSError), ("ValueError", ValueError)):
        monkeypatch.setattr(exporting, "start_process", answer(kind))
        with pytest.raises(error, match="words"):
            exporting.export_file(path, tmp_path)


_USER = """
import pathlib, sys
import keras
from keras_repvis import zoo
import layers_of_mine

model = keras.Sequential([keras.Input((4,)), layers_of_mine.Doubling(), keras.layers.Dense(2)])
print(zoo.publish(model, "me/net", sys.argv[1]).manifest["process"])
"""


def test_a_module_of_the_user_is_found_by_the_new_process(tmp_path):
    (tmp_path / "layers_of_mine.py").write_text(
        "import keras\n"
        "@keras.saving.register_keras_serializable('mine')\n"
        "class Doubling(keras.layers.Layer):\n"
        "    def call(self, inputs):\n"
        "        return inputs * 2.0\n"
    )
    (tmp_path / "program.py").write_text(_USER)
    command = [sys.executable, tmp_path / "program.py", tmp_path / "zoo"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert done.stdout == "own\n", done.stderr
