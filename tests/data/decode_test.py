import io

import numpy as np
import pytest
from PIL import Image

from keras_repvis import data
from keras_repvis.data import decode


@pytest.fixture(scope="module")
def picture():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)


def encode(image, kind, **options):
    buffer = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_lossless_formats_come_back(picture, kind):
    np.testing.assert_array_equal(decode.decode(encode(picture, kind), "x", 3), picture)


def test_first_frame_of_a_gif():
    frames = [Image.fromarray(np.full((8, 9), level, np.uint8)) for level in (10, 200)]
    encoded = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(decode.decode(encoded, "x", 3), np.full((8, 9, 3), 10))


def test_jpeg_is_near(picture):
    smooth = np.tile(np.linspace(0, 255, 64).astype(np.uint8)[:, None, None], (1, 48, 3))
    assert np.abs(decode.decode(encode(smooth, "JPEG", quality=95), "x", 3).astype(int) - smooth).max() <= 4


@pytest.mark.parametrize(
    "image, expected",
    [
        (Image.new("RGBA", (4, 3), (10, 20, 30, 128)), (10, 20, 30)),
        (Image.new("P", (4, 3), 0), (0, 0, 0)),
        (Image.new("L", (4, 3), 77), (77, 77, 77)),
        (Image.new("LA", (4, 3), (77, 5)), (77, 77, 77)),
        (Image.new("1", (4, 3), 1), (255, 255, 255)),
        (Image.fromarray(np.full((3, 4), 0x8080, np.uint16)), (128, 128, 128)),
    ],
    ids=["alpha", "palette", "grey", "grey and alpha", "one bit", "16 bits"],
)
def test_kinds_of_pixels_become_rgb(image, expected):
    pixels = decode.decode(encode(image, "PNG"), "x", 3)
    assert pixels.shape == (3, 4, 3) and pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, np.broadcast_to(expected, (3, 4, 3)))


def test_cmyk_jpeg_becomes_rgb():
    pixels = decode.decode(encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95), "x", 3)
    np.testing.assert_allclose(pixels[8, 8], [255, 0, 0], atol=3)


def test_channels_convert_by_luma_and_repetition(picture):
    grey = decode.to_channels(picture, 1)
    luma = picture @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(grey[..., 0], luma, atol=0.51)
    np.testing.assert_array_equal(decode.to_channels(grey, 3), np.repeat(grey, 3, -1))
    np.testing.assert_array_equal(decode.decode(encode(picture, "PNG"), "x", 1), grey)
    assert decode.to_channels(picture, 3) is picture


def test_upright_follows_the_orientation_of_the_camera(picture):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 270 degrees to see it upright
    encoded = encode(picture, "PNG", exif=exif)
    np.testing.assert_array_equal(decode.decode(encoded, "x", 3, upright=True), np.rot90(picture, -1))
    np.testing.assert_array_equal(decode.decode(encoded, "x", 3), picture)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF"])
def test_cut_files_are_errors_with_name_and_reason(picture, kind):
    encoded = encode(picture, kind)
    for keep in (0.02, 0.3, 0.7, 0.98):
        with pytest.raises(data.CorruptImageError, match="image 'my/cat.jpg' cannot be used: .+") as caught:
            decode.decode(encoded[: int(keep * len(encoded))], "my/cat.jpg", 3)
        assert caught.value.name == "my/cat.jpg" and caught.value.reason
        assert isinstance(caught.value, ValueError)


def test_jpeg_without_its_last_bytes_is_an_error(picture):
    with pytest.raises(data.CorruptImageError, match="truncated"):
        decode.decode(encode(picture, "JPEG")[:-2], "x", 3)


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "empty"),
        (b"this is a text, not an image", "not that of a JPEG, PNG, BMP, GIF image"),
        (b"\x89PNG\r\n\x1a\n" + b"\x00" * 60, "."),
        (b"\xff\xd8\xff\xe0" + b"\x00" * 60, "."),
    ],
    ids=["empty", "text", "png header", "jpeg header"],
)
def test_what_is_no_image_is_an_error(content, reason):
    with pytest.raises(data.CorruptImageError, match=reason):
        decode.decode(content, "x", 3)


def test_altered_png_is_an_error(picture):
    encoded = bytearray(encode(picture, "PNG"))
    encoded[len(encoded) // 2] ^= 0xFF
    with pytest.raises(data.CorruptImageError):
        decode.decode(bytes(encoded), "x", 3)


def test_other_formats_are_not_read(picture):
    with pytest.raises(data.CorruptImageError, match="not that of a JPEG"):
        decode.decode(encode(picture, "TIFF"), "x", 3)
