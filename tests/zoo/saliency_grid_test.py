"""The picture of images and maps, read back pixel by pixel."""

import io

import numpy as np
import PIL.Image
import pytest

from keras_repvis.zoo.saliency_grid import saliency_grid


def _read(content):
    picture = PIL.Image.open(io.BytesIO(content))
    assert picture.format == "PNG"
    return picture, np.asarray(picture.convert("RGB")).astype(int)


@pytest.fixture(scope="module", name="parts")
def parts_fixture():
    """A red and a blue image; one map bright on its left half, the other on its right."""
    images = np.zeros((2, 8, 8, 3))
    images[0, ..., 0] = images[1, ..., 2] = 1.0
    maps = np.zeros((2, 8, 8))
    maps[0, :, :4] = -5.0
    maps[1, :, 4:] = 0.25
    return images, maps


def _is(pixels, red, green, blue):
    return np.all(np.abs(pixels - (red, green, blue)) <= 8, axis=-1)


def test_images_are_above_their_maps(parts):
    _, pixels = _read(saliency_grid(*parts, ["one", "two"], ["one", "two"]))
    places = {name: np.argwhere(_is(pixels, *colour)) for name, colour in
              {"red": (255, 0, 0), "blue": (0, 0, 255), "dark": (0, 0, 4), "bright": (252, 253, 191)}.items()}
    assert all(len(found) > 1000 for found in places.values())
    red, blue = places["red"], places["blue"]
    assert red[:, 1].max() < blue[:, 1].min(), "the first image is left of the second"
    assert red[:, 0].max() < places["dark"][:, 0].min(), "images are above maps"
    middle = (red[:, 1].max() + blue[:, 1].min()) / 2
    bright = places["bright"]
    left, right = bright[bright[:, 1] < middle], bright[bright[:, 1] > middle]
    assert left[:, 1].max() < red[:, 1].mean() < red[:, 1].max(), "the first map is bright on its left half"
    assert right[:, 1].min() > blue[:, 1].mean() - 1, "the second on its right, though a tenth as large"
    assert len(left) == pytest.approx(len(right), rel=0.05)


def test_wrong_answers_are_red(parts):
    images, maps = np.ones((1, 8, 8, 1)), np.zeros((1, 8, 8))
    right, wrong = (_read(saliency_grid(images, maps, ["a"], [label]))[1] for label in "ab")
    reddish = [np.sum((pixels[..., 0] > pixels[..., 1] + 60) & (pixels[..., 0] > pixels[..., 2] + 60))
               for pixels in (right, wrong)]
    assert reddish[0] == 0 and reddish[1] > 20


def test_the_same_bytes_again_and_no_time_or_version_in_them(parts):
    one, two = (saliency_grid(*parts, ["one", "two"], ["one", "one"]) for _ in range(2))
    assert one == two
    assert not PIL.Image.open(io.BytesIO(one)).text
    assert saliency_grid(*parts, ["one", "two"], ["one", "two"]) != one


def test_grey_images_and_maps_without_anything():
    images = np.full((1, 8, 8, 1), 0.5)
    _, pixels = _read(saliency_grid(images, np.zeros((1, 8, 8)), ["long name of a class, too long"], ["x"]))
    grey = _is(pixels, 127, 127, 127).sum()
    assert grey > 5000
    assert _is(pixels, 0, 0, 4).sum() == pytest.approx(grey, rel=0.05)


@pytest.mark.parametrize("shape", [(8, 16), (16, 8), (4, 100)])
def test_cells_have_the_shape_of_the_images(shape):
    _, pixels = _read(saliency_grid(np.zeros((2, *shape, 3)), np.zeros((2, *shape)), ["a", "b"], ["a", "b"]))
    rows, columns = np.nonzero(_is(pixels, 0, 0, 4))  # The maps, which are the one below.
    assert np.ptp(rows) > 10 and np.ptp(columns) > 100
    height, width = pixels.shape[:2]
    assert height < 2 * (width / 2) * max(shape[0] / shape[1], 0.3) + 80
