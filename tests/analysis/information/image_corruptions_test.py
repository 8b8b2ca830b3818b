"""Each corruption does what its name says, at the strength of its level, and the same in any batch."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from keras_repvis.analysis.information import image_corruptions

GREY = np.full((2, 64, 64, 3), 0.5, "float32")


def noisy(width, level, images=GREY, numbers=(0, 1), seed=0):
    return image_corruptions.noise(width=width, seed=seed).prepare(images, numbers)(level)


def test_the_grid_is_the_published_one():
    assert image_corruptions.noise().levels == (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0)


@pytest.mark.parametrize("width", [0.0, 1.0, 2.0])
def test_noise_has_the_standard_deviation_of_its_level_at_any_width(width):
    """Blurring leaves about n / (4 pi width^2) independent values of n."""
    found = 255 * (noisy(width, 3.0) - GREY)
    independent = found.size / max(1.0, 4 * np.pi * width**2)
    assert abs(found.std() / 3.0 - 1) < 5 / np.sqrt(2 * independent)
    assert abs(found.mean()) < 5 * 3.0 / np.sqrt(independent)


def test_noise_of_a_width_is_smooth_and_its_spread_is_the_same_at_the_border():
    many = np.full((40, 24, 24, 1), 0.5, "float32")
    found = 255 * (noisy(2.0, 3.0, many, range(40)) - many)[..., 0]
    neighbours = (found[:, :, 1:] * found[:, :, :-1]).mean() / np.square(found).mean()
    # White noise after a Gaussian blur has the autocorrelation exp(-d^2 / 4 width^2).
    assert abs(neighbours - np.exp(-1 / 16)) < 0.02
    border = np.concatenate([found[:, 0].ravel(), found[:, -1].ravel()]).std()
    assert abs(border / 3.0 - 1) < 5 / np.sqrt(2 * 40 * 24 * 2 / (4 * np.pi * 4))


def test_noise_belongs_to_the_number_of_the_image_and_the_seed():
    np.testing.assert_array_equal(noisy(0.0, 1.0)[1], noisy(0.0, 1.0, GREY[:1], (1,))[0])
    assert not np.array_equal(noisy(0.0, 1.0)[0], noisy(0.0, 1.0)[1])
    assert not np.array_equal(noisy(0.0, 1.0), noisy(0.0, 1.0, seed=1))
    np.testing.assert_allclose(noisy(1.0, 2.0) - GREY, 2 * (noisy(1.0, 1.0) - GREY), atol=1e-6)


def test_everything_stays_in_the_range_of_images():
    extreme = np.random.default_rng(0).choice([0.0, 1.0], (1, 16, 16, 3)).astype("float32")
    families = [image_corruptions.noise((50.0,)), image_corruptions.rounding((8,)), image_corruptions.jpeg((10,)),
                image_corruptions.blur((1.0,)), image_corruptions.resize((2.0,)), image_corruptions.low_pass((0.2,)),
                image_corruptions.band_stop((0.1, 0.2))]
    for one in families:
        found = one.prepare(extreme, [0])(one.levels[0])
        assert found.shape == extreme.shape and found.dtype == np.float32, one.name
        assert found.min() >= 0 and found.max() <= 1 and not np.array_equal(found, extreme) or one.name == "rounding"


def test_rounding_keeps_so_many_levels():
    ramp = np.linspace(0, 1, 4096, dtype="float32").reshape(1, 64, 64, 1)
    for bits in (1, 3, 8):
        found = image_corruptions.rounding((bits,)).prepare(ramp, [0])(bits)
        assert len(np.unique(found)) == 2**bits and (found.min(), found.max()) == (0, 1)
        assert np.abs(found - ramp).max() <= 0.5 / (2**bits - 1) + 1e-6


def test_jpeg_is_a_file_of_that_quality():
    image = np.random.default_rng(0).random((1, 16, 16, 3)).astype("float32")
    found = image_corruptions.jpeg((50,)).prepare(image, [0])(50)
    file = io.BytesIO()
    Image.fromarray(np.round(255 * image[0]).astype("uint8")).save(file, "JPEG", quality=50)
    np.testing.assert_allclose(255 * found[0], np.asarray(Image.open(file)), atol=1e-4)
    grey = image_corruptions.jpeg((50,)).prepare(image[..., :1], [0])(50)
    assert grey.shape == (1, 16, 16, 1)


def test_jpeg_cannot_hold_four_channels():
    with pytest.raises(ValueError, match=r"jpeg_qualities=\(50,\) is not accepted for images of 4 channels"):
        image_corruptions.jpeg((50,)).prepare(np.zeros((1, 8, 8, 4), "float32"), [0])


def test_blur_is_gaussian_in_the_plane_only():
    image = np.zeros((2, 31, 31, 2), "float32")
    image[0, 15, 15, 0] = 1
    found = image_corruptions.blur().prepare(image, [0, 1])(2.0)
    assert abs(found[0, ..., 0].sum() - 1) < 1e-4 and found[1].max() == 0 and found[0, ..., 1].max() == 0
    np.testing.assert_allclose(found[0, ..., 0], ndimage.gaussian_filter(image[0, ..., 0], 2.0), atol=1e-6)


def test_smaller_and_back_keeps_smooth_images_and_loses_a_chess_board():
    ramp = np.tile(np.linspace(0.2, 0.8, 32, dtype="float32"), (1, 32, 1))[..., None]
    board = (np.indices((32, 32)).sum(0) % 2).astype("float32")[None, :, :, None]
    change = image_corruptions.resize().prepare
    assert np.abs(change(ramp, [0])(2.0) - ramp)[:, :, 4:-4].max() < 0.003
    assert np.abs(change(board, [0])(2.0) - 0.5)[:, 4:-4, 4:-4].max() < 0.05
    np.testing.assert_allclose(change(ramp, [0])(1.0), ramp, atol=1e-6)


def test_bands_taken_out_and_kept_are_complements():
    image = np.random.default_rng(0).uniform(0.4, 0.6, (1, 16, 16, 1)).astype("float32")
    stop = image_corruptions.band_stop((0.3, 1.0))
    assert stop.levels == (0,)
    np.testing.assert_allclose(
        stop.prepare(image, [0])(0), image_corruptions.low_pass((0.3,)).prepare(image, [0])(0.3), atol=1e-6
    )


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: image_corruptions.noise((-1.0,)), "noise_levels=-1.0"),
        (lambda: image_corruptions.noise(3.0), "noise_levels=3.0 is not accepted: expected a sequence"),
        (lambda: image_corruptions.noise(width=-1), "noise_widths=-1"),
        (lambda: image_corruptions.noise(seed=0.5), "seed=0.5"),
        (lambda: image_corruptions.rounding((0,)), "bits=0"),
        (lambda: image_corruptions.jpeg((101,)), "jpeg_qualities=101"),
        (lambda: image_corruptions.blur((-1,)), "blur_widths=-1"),
        (lambda: image_corruptions.resize((0.5,)), "resize_factors=0.5"),
        (lambda: image_corruptions.low_pass((0,)), "cutoffs=0"),
    ],
)
def test_levels_are_checked(make, message):
    with pytest.raises(ValueError, match=message):
        make()
