"""A run directory holds a whole checkpoint or none, and a log that matches it."""

import os

import keras
import numpy as np
import pytest

from keras_repvis import data, training


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.compile("adam", "mse")
    model.fit(np.ones((8, 4)), np.ones((8, 2)), verbose=0)
    return model


def test_the_newest_checkpoint_is_found_and_older_ones_go(tmp_path, model):
    directory = training.RunDirectory(tmp_path / "run")
    assert directory.latest() is None
    for epoch in (1, 2, 10):
        directory.save(model, data.Position(epoch=epoch, step=0))
    path, position = directory.latest()
    assert position == data.Position(epoch=10, step=0)
    assert [entry.name for entry in (tmp_path / "run" / "checkpoint").iterdir()] == ["epoch_00010"]
    loaded = keras.saving.load_model(path)
    for mine, theirs in zip(model.optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())


def test_a_failure_while_saving_keeps_the_last_checkpoint(tmp_path, model, monkeypatch):
    directory = training.RunDirectory(tmp_path)
    directory.save(model, data.Position(epoch=1, step=0))

    def fail(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(OSError, match="disk full"):
        directory.save(model, data.Position(epoch=2, step=0))
    assert directory.latest()[1].epoch == 1
    assert len(list((tmp_path / "checkpoint").iterdir())) == 1


def test_the_log_is_cut_back_to_the_checkpoint(tmp_path):
    directory = training.RunDirectory(tmp_path)
    for epoch in (1, 2, 3):
        directory.log({"epoch": epoch, "loss": 1 / epoch})
    directory.truncate_log(2)
    assert [entry["epoch"] for entry in directory.read_log()] == [1, 2]


def test_a_file_is_no_run_directory(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="is a file"):
        training.RunDirectory(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"
