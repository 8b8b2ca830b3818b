"""Where a map is strong its colour shows, where it is zero the grey image does."""

import numpy as np
import pytest

from keras_repvis import report


def test_colour_follows_the_sign_and_zero_shows_the_image():
    one_map = np.zeros((16, 16))
    one_map[:8, :8], one_map[8:, 8:] = 5.0, -5.0
    picture = report.overlay(np.full((16, 16, 3), 0.5), one_map, side=16).astype(int)
    red, _, blue = np.moveaxis(picture, -1, 0)
    assert (red - blue)[2:6, 2:6].min() > 80
    assert (blue - red)[10:14, 10:14].min() > 30
    np.testing.assert_array_equal(picture[2:6, 10:14], 128)


def test_scale_of_the_map_does_not_matter_and_zero_maps_are_the_image():
    rng = np.random.default_rng(0)
    image, one_map = rng.random((8, 12, 1)), rng.normal(size=(4, 6))
    first, second = (report.overlay(image, scale * one_map) for scale in (1e-6, 1e6))
    assert np.abs(first.astype(int) - second).max() <= 1
    nothing = report.overlay(image, np.zeros((4, 6)), side=8).astype("float32") / 255
    np.testing.assert_allclose(nothing, np.broadcast_to(0.5 + 0.6 * (image - 0.5), (8, 12, 3)), atol=1 / 255)


def test_the_picture_is_a_whole_multiple_of_the_image():
    assert report.overlay(np.zeros((100, 150, 3)), np.ones((7, 7))).shape == (300, 450, 3)
    assert report.overlay(np.zeros((300, 400, 3)), np.ones((7, 7))).shape == (300, 400, 3)


def test_wrong_shapes_and_infinite_maps_are_named():
    with pytest.raises(ValueError, match=r"image of shape \(8, 8\)"):
        report.overlay(np.zeros((8, 8)), np.zeros((8, 8)))
    with pytest.raises(ValueError, match="not finite"):
        report.overlay(np.zeros((8, 8, 1)), np.full((8, 8), np.nan))


def test_a_grid_has_a_row_an_image_and_a_column_a_method():
    images = np.zeros((3, 8, 8, 1))
    figure = report.overlay_grid(images, {"one": np.ones((3, 4, 4)), "two": np.ones((3, 8, 8))}, ["a", "b", "c"])
    assert len(figure.axes) == 9
    assert [axes.get_title() for axes in figure.axes[:3]] == ["image", "one", "two"]
    assert [axes.get_ylabel() for axes in figure.axes[::3]] == ["a", "b", "c"]
    assert all(len(axes.images) == 1 for axes in figure.axes)
