"""Every pixel of an image is a square of whole pixels of the sheet, at its own colour."""

import io

import numpy as np
import pytest
from PIL import Image

from keras_repvis import report
from keras_repvis.report import sheets


def drawn(figure):
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=sheets.DPI, facecolor="white")
    return np.asarray(Image.open(file).convert("RGB"))


def places(pixels, image):
    """Where an image stands on the sheet: (top, left)."""
    height, width = image.shape[:2]
    corners = np.argwhere((pixels == image[0, 0]).all(axis=-1))
    return [(top, left) for top, left in corners.tolist()
            if np.array_equal(pixels[top : top + height, left : left + width], image)]


def test_images_are_there_pixel_by_pixel_in_their_order():
    images = np.random.default_rng(0).integers(0, 256, (9, 64, 64, 3)).astype("uint8")
    cells = [(f"label {number}", image / 255) for number, image in enumerate(images)]
    pixels = drawn(report.image_sheet([("first", cells), ("second", cells[:2])]))
    assert pixels.shape[1] == 920
    found = [places(pixels, image.repeat(2, axis=0).repeat(2, axis=1)) for image in images]
    assert [len(some) for some in found] == [2, 2] + [1] * 7
    # Seven fit beside one another.
    assert [some[0][1] for some in found] == [*range(0, 920, 132), 0, 132]
    tops = [some[0][0] for some in found]
    assert len(set(tops[:7])) == 1 and tops[7] == tops[8] > tops[0] and found[0][1][0] > tops[7]
    # A title and a label stand above the first one.
    assert (pixels[: tops[0]] < 128).any()


@pytest.mark.parametrize("side, count", [(32, 7), (64, 7), (128, 7), (256, 3), (1000, 3)])
def test_so_many_fit_as_is_said(side, count):
    assert sheets.across(side) == count
    images = np.random.default_rng(0).integers(0, 256, (count + 1, side, side, 3)).astype("uint8")
    pixels = drawn(report.image_sheet([("", [("", image / 255) for image in images])]))
    factor, cut = -(-128 // side), slice(max(0, (side - 280) // 2), max(0, (side - 280) // 2) + 280)
    shown = [image[cut, cut].repeat(factor, axis=0).repeat(factor, axis=1) for image in images]
    tops = [places(pixels, one)[0][0] for one in shown]
    assert len(set(tops[:count])) == 1 and tops[count] > tops[0]


def test_grey_and_other_channels_and_values_out_of_range():
    grey = np.full((128, 128, 1), 0.2)
    many = np.concatenate([grey, np.ones((128, 128, 4))], axis=-1)
    pixels = drawn(report.image_sheet([("", [("a", grey), ("b", many), ("c", grey + 7)])]))
    assert len(places(pixels, np.full((128, 128, 3), 51, "uint8"))) == 2
    assert pixels[-20, 270].tolist() == [255, 255, 255]


def test_of_a_large_image_the_middle_is_shown_in_its_own_size():
    image = np.random.default_rng(0).integers(0, 256, (400, 300, 3)).astype("uint8")
    pixels = drawn(report.image_sheet([("", [("large", image / 255)])]))
    assert places(pixels, image[60:340, 10:290])


def test_labels_are_taken_literally():
    assert drawn(report.image_sheet([("a$b^{", [("$x_", np.zeros((8, 8, 1)))])])).size


def test_nothing_to_show_is_refused():
    with pytest.raises(ValueError, match=r"rows=\[\]"):
        report.image_sheet([])


@pytest.mark.parametrize("largest, factor", [(0.3, 1), (0.02, 20), (0.0049, 100), (1e-9, 50000), (0.0, 50000)])
def test_amplified_by_as_much_as_fits(largest, factor):
    signed = largest * np.linspace(-1, 1, 1001).reshape(1, 7, 143, 1)
    pictures, found = report.amplified(signed)
    assert found == factor and pictures.min() >= 0 and pictures.max() <= 1
    np.testing.assert_allclose(pictures, np.clip(0.5 + factor * signed, 0, 1))


def test_a_few_outliers_do_not_decide():
    signed = np.full((1, 100, 100, 1), 0.02)
    signed[0, 0, :10] = 1
    assert report.amplified(signed)[1] == 20
