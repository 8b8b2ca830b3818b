"""What TensorBoard is told is what was logged, once an epoch, on one device and under replicas, across a resume."""

import math
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import data, training
from keras_repvis.training import image_grid
from keras_repvis.training import tensorboard as board


@pytest.fixture(scope="module")
def events():
    """A function that reads the events below a folder: {tag: [(step, value)]}, images as arrays."""
    accumulators = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="needs TensorBoard: pip install 'keras-repvis[tensorboard]'",
    )

    def read(folder):
        accumulator = accumulators.EventAccumulator(str(folder), size_guidance={"tensors": 0})
        accumulator.Reload()
        return {
            tag: [(event.step, value_of(tf.make_ndarray(event.tensor_proto))) for event in accumulator.Tensors(tag)]
            for tag in accumulator.Tags()["tensors"]
        }

    return read


def value_of(array):
    # An image is its width, its height and its PNG.
    return float(array) if array.ndim == 0 else tf.io.decode_image(array[2]).numpy()


def make_model():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    rate = keras.optimizers.schedules.PolynomialDecay(0.5, decay_steps=8, end_learning_rate=0.0)
    model.compile(keras.optimizers.SGD(rate), "mse")
    return model


def loop(model, callbacks, epochs, first=0, steps=2):
    """A loop of one's own, that calls the hooks that every loop calls."""
    callbacks = keras.callbacks.CallbackList(callbacks, model=model, epochs=epochs, steps=steps)
    callbacks.on_train_begin()
    for epoch in range(first, epochs):
        callbacks.on_epoch_begin(epoch)
        for step in range(steps):
            callbacks.on_train_batch_begin(step)
            model.optimizer.iterations.assign_add(1)
            callbacks.on_train_batch_end(step, {"loss": tf.constant(0.0)})
        callbacks.on_epoch_end(epoch, {"loss": epoch + 0.5, "val_loss": np.float32(epoch + 0.25)})
    callbacks.on_train_end()


def test_a_loop_of_ones_own(tmp_path, events):
    model = make_model()
    loop(model, [board.TensorBoardLog(tmp_path)], epochs=2)
    loop(model, [board.TensorBoardLog(tmp_path)], epochs=4, first=2)
    assert events(tmp_path / "tensorboard" / "train") == {
        "epoch_loss": [(1, 0.5), (2, 1.5), (3, 2.5), (4, 3.5)],
        "epoch_learning_rate": [(1, 0.375), (2, 0.25), (3, 0.125), (4, 0.0)],
    }
    assert events(tmp_path / "tensorboard" / "validation") == {
        "epoch_loss": [(1, 0.25), (2, 1.25), (3, 2.25), (4, 3.25)]
    }


@pytest.mark.parametrize("strategy", ["one_device", "mirrored"])
def test_fit_writes_its_log_and_a_resumed_run_goes_on(tmp_path, events, strategy):
    stream = data.Stream(data.Source("repvis_digits", "train[:8]"), batch_size=4)
    for epochs in (1, 3):
        with training.strategy(strategy, 2).scope():
            model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            model.compile(keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.5, 6)), loss)
        log = training.fit(model, stream, epochs, stream, run=tmp_path, progress=False,
                           callbacks=[board.TensorBoardLog(tmp_path)])
    assert [entry["epoch"] for entry in log] == [1, 2, 3]
    train, validation = (events(tmp_path / "tensorboard" / folder) for folder in ("train", "validation"))
    for written, tag, name in ((train, "epoch_loss", "loss"), (train, "epoch_learning_rate", "learning_rate"),
                               (validation, "epoch_loss", "val_loss")):
        assert written[tag] == [(entry["epoch"], np.float32(entry[name])) for entry in log]


def test_keras_fit_writes_its_history(tmp_path, events):
    model = make_model()
    x, y = np.ones((8, 3), "float32"), np.ones((8, 1), "float32")
    callback = board.TensorBoardLog(tmp_path)
    history = model.fit(x, y, 4, epochs=2, validation_data=(x, y), verbose=0, callbacks=[callback]).history
    train, validation = (events(tmp_path / "tensorboard" / folder) for folder in ("train", "validation"))
    assert train["epoch_loss"] == [(epoch + 1, np.float32(history["loss"][epoch])) for epoch in (0, 1)]
    assert train["epoch_learning_rate"] == [(1, 0.375), (2, 0.25)]
    assert validation == {"epoch_loss": [(epoch + 1, np.float32(history["val_loss"][epoch])) for epoch in (0, 1)]}


@pytest.mark.parametrize("grid_first", [True, False])
def test_image_grids_are_written_in_either_order(tmp_path, events, grid_first):
    for first, epochs in ((0, 3), (2, 4)):  # Killed in epoch 3 after writing its grid, then repeating it.
        grey = iter(np.arange(first + 1, epochs + 1) / 10)
        grids = [image_grid.ImageGrid(lambda grey=grey: np.full((1, 2, 3, 1), next(grey)), tmp_path),
                 image_grid.ImageGrid(lambda: np.ones((1, 2, 2, 3)), tmp_path, every=2, name="mirror")]
        callback = board.TensorBoardLog(tmp_path)
        loop(make_model(), [*grids, callback] if grid_first else [callback, *grids], epochs, first)
    written = events(tmp_path / "tensorboard" / "train")
    assert [(step, image.shape, image.flat[0]) for step, image in written["images"]] == [
        (step, (2, 3, 1), round(step * 25.5)) for step in (1, 2, 3, 3, 4)]
    assert [(step, image.shape) for step, image in written["mirror"]] == [
        (step, (2, 2, 3)) for step in (2, 3, 3, 4)]  # Every second epoch, and the last of each start.


def test_events_are_on_disk_after_each_epoch(tmp_path, events):
    """A killed run has what it logged; NaN is written as it is, what is not one number is left out."""
    callback = board.TensorBoardLog(tmp_path)
    callback.set_model(keras.Sequential([keras.Input((1,))]))  # Never compiled: no optimiser.
    callback.on_epoch_begin(6)
    callback.on_epoch_end(6, {"loss": math.nan, "per_class": np.zeros(3), "learning_rate": 0.5})
    written = events(tmp_path / "tensorboard" / "train")
    assert written["epoch_learning_rate"] == [(7, 0.5)] and set(written) == {"epoch_loss", "epoch_learning_rate"}
    (step, value), = written["epoch_loss"]
    assert step == 7 and math.isnan(value)


def test_training_that_ends_before_an_epoch_writes_nothing(tmp_path, events):
    loop(make_model(), [board.TensorBoardLog(tmp_path)], epochs=0)
    callback = board.TensorBoardLog(tmp_path)
    callback.on_epoch_begin(0)
    callback.on_train_end()
    assert list(tmp_path.iterdir()) == []


def test_without_tensorboard_the_extra_is_named(tmp_path, monkeypatch):
    for name in ("tensorboard", "tensorboard.summary"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"pip install 'keras-repvis\[tensorboard\]'"):
        board.TensorBoardLog(tmp_path)
    assert list(tmp_path.iterdir()) == []
