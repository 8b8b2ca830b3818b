import numpy as np
import pytest
from PIL import Image

from keras_repvis.data import resize


def ramp(height, width, channels=3):
    return np.broadcast_to(np.linspace(0, 255, width).astype(np.uint8)[None, :, None], (height, width, channels))


@pytest.mark.parametrize("policy", resize.POLICIES)
@pytest.mark.parametrize("shape", [(40, 60, 3), (60, 40, 1), (7, 100, 3), (1, 1, 3), (32, 48, 1)])
@pytest.mark.parametrize("size", [(32, 32), (32, 48), (5, 90)])
def test_size_and_type(policy, shape, size):
    image = resize.resize(np.full(shape, 90, np.uint8), size, policy)
    assert image.shape == (*size, shape[-1]) and image.dtype == np.uint8
    if policy != "pad":
        assert (image == 90).all()


@pytest.mark.parametrize("policy", resize.POLICIES)
def test_an_image_of_that_size_is_left_alone(policy):
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert resize.resize(image, (4, 4), policy) is image


def test_enlarging_is_bilinear_over_half_pixel_centres():
    image = np.array([[0, 100]], np.uint8)[..., None]
    # The centres of four pixels over two lie at -.25, .25, .75, 1.25; outside the edge value holds.
    np.testing.assert_array_equal(resize.resize(image, (1, 4))[0, :, 0], [0, 25, 75, 100])


def test_shrinking_averages():
    stripes = np.tile(np.array([0, 255], np.uint8), 32)[None, :, None].repeat(64, 0)
    assert np.abs(resize.resize(stripes, (8, 8))[1:-1, 1:-1].astype(int) - 127.5).max() <= 4


def test_crop_takes_the_middle():
    image = np.zeros((10, 30, 1), np.uint8)
    image[:, 10:20] = 200
    assert (resize.resize(image, (10, 10), "crop") == 200).all()
    assert (resize.resize(image.transpose(1, 0, 2), (10, 10), "crop") == 200).all()


def test_crop_keeps_proportions():
    cropped = resize.resize(ramp(20, 60), (40, 40), "crop")[20, :, 0].astype(float)
    # Doubled: 40 of 120 columns remain, a third of the ramp.
    assert cropped[-1] - cropped[0] == pytest.approx(255 / 3, abs=5)


def test_pad_fills_evenly_with_black():
    padded = resize.resize(np.full((10, 20, 3), 99, np.uint8), (40, 40), "pad")
    assert (padded[10:30] == 99).all() and not padded[:10].any() and not padded[30:].any()


@pytest.mark.parametrize("size, expected", [(32, (32, 32)), ((3, 4), (3, 4)), ([3, 4], (3, 4)), (np.int64(5), (5, 5))])
def test_sizes(size, expected):
    assert resize.check_size("image_size", size) == expected


@pytest.mark.parametrize("size", [0, -1, 2.5, "32", (1, 2, 3), (0, 4), (), True])
def test_bad_sizes(size):
    with pytest.raises(ValueError, match="image_size="):
        resize.check_size("image_size", size)


def test_unknown_policy():
    with pytest.raises(ValueError, match="resize='sqash'.*'squash'"):
        resize.resize(np.zeros((4, 4, 3), np.uint8), (2, 2), "sqash")


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_bicubic_of_bytes_is_that_of_pillow_plane_by_plane(channels):
    image = np.random.default_rng(0).integers(0, 256, (20, 30, channels), dtype=np.uint8)
    found = resize.bicubic(image, (35, 16))
    assert found.dtype == np.uint8 and found.shape == (35, 16, channels)
    for channel in range(channels):
        plane = Image.fromarray(image[..., channel]).resize((16, 35), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(found[..., channel], np.asarray(plane))


def test_bicubic_of_floats_is_that_of_bytes_up_to_rounding_and_cut_to_the_range():
    image = np.random.default_rng(0).integers(90, 166, (20, 30, 4), dtype=np.uint8)  # Nothing to cut.
    found = resize.bicubic(image.astype(np.float32) / np.float32(255), (41, 47))
    assert found.dtype == np.float32
    np.testing.assert_allclose(255 * found, resize.bicubic(image, (41, 47)), atol=1.1)
    edge = np.repeat([0.0, 1.0], 5).astype(np.float32)[None, :, None]
    overshot = resize.bicubic(edge, (1, 40))
    assert overshot.min() == 0.0 and overshot.max() == 1.0


def test_bicubic_follows_a_ramp_and_leaves_an_image_of_that_size_alone():
    image = np.linspace(0.2, 0.8, 13, dtype=np.float32)[None, :, None].repeat(9, 0)
    found = resize.bicubic(image, (9, 26))[0, :, 0]
    np.testing.assert_allclose(found[6:-6], (0.2 + 0.05 * ((np.arange(26) + 0.5) / 2 - 0.5))[6:-6], atol=1e-6)
    assert resize.bicubic(image, (9, 13)) is image
