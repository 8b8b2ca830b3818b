"""The root of the zoo: argument, then environment, then the user's data directory."""

import pathlib

import pytest

from keras_repvis import zoo


def test_order(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_REPVIS_ZOO", str(tmp_path / "environment"))
    assert zoo.find_root(tmp_path / "argument") == tmp_path / "argument"
    assert zoo.find_root() == tmp_path / "environment"
    monkeypatch.setenv("KERAS_REPVIS_ZOO", "")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    found = zoo.find_root()
    assert found.name == "zoo" and found.is_absolute() and tmp_path in found.parents
    assert not found.exists()


def test_is_made_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert zoo.find_root("models") == tmp_path / "models"
    assert zoo.find_root("~/models") == pathlib.Path.home() / "models"


def test_refused(monkeypatch, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    for root in ("", file, 3, "a\0b"):
        with pytest.raises(ValueError, match="^root="):
            zoo.find_root(root)
    monkeypatch.setenv("KERAS_REPVIS_ZOO", str(file))
    with pytest.raises(ValueError, match="^KERAS_REPVIS_ZOO=.*it is a file"):
        zoo.find_root()
