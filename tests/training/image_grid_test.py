"""Image grids: the right pixels in the right place, at the right epochs, whole or not at all, and only of images."""

import logging
import os

import keras
import numpy as np
import PIL.Image
import pytest

from keras_repvis.training import image_grid


def run(callback, epochs, first=0):
    """What a training loop calls."""
    callbacks = keras.callbacks.CallbackList([callback], model=None, epochs=epochs, steps=1)
    callbacks.on_train_begin()
    for epoch in range(first, epochs):
        callbacks.on_epoch_begin(epoch)
        callbacks.on_epoch_end(epoch, {"loss": 1.0})
    callbacks.on_train_end()


def names(directory):
    return sorted(path.name for path in (directory / "images").iterdir())


@pytest.mark.parametrize("channels", [1, 3])
def test_images_stand_row_by_row_with_white_between(channels):
    images = np.random.default_rng(0).random((5, 4, 6, channels), "float32")
    grid = image_grid.grid(images, columns=3)
    assert (grid.dtype, grid.shape) == (np.uint8, (2 * 4 + 2, 3 * 6 + 2 * 2, channels))
    left = np.full(grid.shape, 255, "uint8")
    for index, image in enumerate(images):
        top, side = index // 3 * 6, index % 3 * 8
        np.testing.assert_array_equal(grid[top:top + 4, side:side + 6], np.round(image * 255))
        left[top:top + 4, side:side + 6] = grid[top:top + 4, side:side + 6]
    np.testing.assert_array_equal(grid, left)  # White everywhere else.


@pytest.mark.parametrize(("count", "columns", "shape"), [(1, None, (8, 8)), (4, None, (18, 18)), (5, None, (18, 28)),
                                                         (10, None, (28, 38)), (3, 1, (28, 8)), (3, 50, (8, 28))])
def test_grid_is_about_square_unless_told(count, columns, shape):
    assert image_grid.grid(np.zeros((count, 8, 8, 1)), columns).shape == (*shape, 1)


def test_zero_is_black_and_one_is_white_also_up_to_rounding():
    images = np.array([0, 1, -5e-5, 1 + 5e-5, 0.5], "float32").reshape(5, 1, 1, 1)
    assert image_grid.grid(images, columns=5)[0, ::3, 0].tolist() == [0, 255, 0, 255, 128]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((8, 8, 1)), r"images of shape \(8, 8, 1\) are not accepted"),
        (np.zeros((2, 8, 8, 2)), r"images of shape \(2, 8, 8, 2\)"),
        (np.zeros((0, 8, 8, 1)), r"images of shape \(0, 8, 8, 1\)"),
        (np.zeros((2, 8, 8, 1), "uint8"), "images of type uint8"),
        (np.array([[[[0.0], [np.nan], [np.inf]]]]), "2 of 3 values are NaN or infinite"),
        (np.full((1, 2, 2, 1), 1.001), r"images in \[1.001, 1.001\]"),
        (np.full((1, 2, 2, 1), -0.001), r"images in \[-0.001, -0.001\]"),
        (None, r"images of shape \(\)"),
    ],
)
def test_what_is_no_image_is_named(images, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        image_grid.grid(images)
    with pytest.raises(ValueError, match=message):
        run(image_grid.ImageGrid(lambda: images, tmp_path), epochs=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"every": 0}, "every=0"), ({"columns": 0}, "columns=0"), ({"name": "a/b"}, "name='a/b'"),
     ({"function": np.zeros((1, 2, 2, 1))}, "function=")],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        image_grid.ImageGrid(**{"function": lambda: None, "directory": "x", **arguments})


def test_a_grid_without_columns_is_refused():
    with pytest.raises(ValueError, match="columns=0"):
        image_grid.grid(np.zeros((1, 2, 2, 1)), columns=0)


def test_every_few_epochs_and_the_last_one_across_a_resume(tmp_path):
    calls = []

    def images():
        calls.append(1)
        return np.full((2, 3, 3, 1), len(calls) / 10, "float32")

    run(image_grid.ImageGrid(images, tmp_path, every=2), epochs=5)
    assert names(tmp_path) == ["epoch_00002.png", "epoch_00004.png", "epoch_00005.png"] and len(calls) == 3
    run(image_grid.ImageGrid(images, tmp_path, every=2), epochs=6, first=4)
    assert names(tmp_path) == ["epoch_00002.png", "epoch_00004.png", "epoch_00005.png", "epoch_00006.png"]
    run(image_grid.ImageGrid(images, tmp_path, name="inverted"), epochs=1)
    assert "inverted_00001.png" in names(tmp_path)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_file_holds_the_grid(tmp_path, channels, mode):
    images = np.random.default_rng(0).random((3, 4, 4, channels), "float32")
    callback = image_grid.ImageGrid(lambda: images, tmp_path, columns=3)
    run(callback, epochs=1)
    with PIL.Image.open(callback.path(1)) as picture:
        assert picture.mode == mode
        pixels = np.asarray(picture).reshape(4, 16, channels)
    np.testing.assert_array_equal(pixels, image_grid.grid(images, 3))


def test_a_full_disk_leaves_the_old_file_and_goes_on_with_a_warning(tmp_path, monkeypatch, caplog):
    values = iter([0.0, 0.5, 1.0])
    callback = image_grid.ImageGrid(lambda: np.full((1, 2, 2, 1), next(values)), tmp_path)
    run(callback, epochs=1)
    before = callback.path(1).read_bytes()

    def fail(source, target):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(os, "replace", fail)
        run(callback, epochs=2)
    assert [record.getMessage() for record in caplog.records] == [
        f"{callback.path(epoch)} was not written: No space left on device. Training goes on." for epoch in (1, 2)]
    assert callback.path(1).read_bytes() == before and names(tmp_path) == ["epoch_00001.png"]
