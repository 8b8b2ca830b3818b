"""Patterns of a flag to files, and files to names."""

import pytest
from absl import app

from keras_repvis_tools import image_files


def test_patterns_are_files_in_order_and_each_once(tmp_path):
    for name in ("b.png", "a.png", "deep/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = image_files.find("images", [f"{tmp_path}/**/*.png", f"{tmp_path}/a.png"])
    assert found == [f"{tmp_path}/{name}" for name in ("a.png", "b.png", "deep/c.png")]


def test_nothing_named_and_nothing_found(tmp_path):
    with pytest.raises(app.UsageError, match="--targets is missing"):
        image_files.find("targets", [])
    for pattern in ("*.png", "deep"):
        (tmp_path / "deep").mkdir(exist_ok=True)
        with pytest.raises(ValueError, match="targets='.*': there is no such file"):
            image_files.find("targets", [f"{tmp_path}/{pattern}"])


def test_names_of_files_are_safe_and_differ():
    assert image_files.labels(["a/x y.png", "b/x y.jpg", "c/../é.png"]) == ["x_y", "x_y_2", "é"]
