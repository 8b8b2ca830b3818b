"""Files hold the pixels exactly where the format can, and say of them what the source said."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from keras_repvis.data import encoding, image_metadata, pixels

_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
_EXIF = Image.Exif()
_EXIF[0x0112], _EXIF[0x010F] = 6, "Maker"
SAID = image_metadata.Metadata(
    "PNG", 6, _EXIF.tobytes(), _PROFILE, b"<x:xmpmeta/>", (300.0, 150.0), {"Comment": "Straße", "Author": "me"}
)


def noise(dtype, channels, shape=(5, 7)):
    values = np.random.default_rng(channels).random((*shape, channels))
    return encoding.to_type(values, dtype)


def read_back(encoded):
    """Pixels as stored, and what is said of them."""
    found = image_metadata.read(encoded, "a")
    return image_metadata.turn_back(pixels.read(io.BytesIO(encoded), "a"), found.orientation), found


@pytest.mark.parametrize(
    "file_format, dtype, channels",
    [("BMP", "uint8", 1), ("BMP", "uint8", 3), ("PNG", "uint8", 1), ("PNG", "uint8", 3), ("PNG", "uint16", 1),
     ("PNG", "uint16", 3), ("TIFF", "uint8", 1), ("TIFF", "uint8", 3), ("TIFF", "uint16", 3), ("TIFF", "uint16", 6),
     ("TIFF", "float32", 2), ("NPY", "uint16", 5), ("NPY", "float32", 3), ("NPY", "uint8", 1)],
)
def test_pixels_come_back_exactly(file_format, dtype, channels):
    image = noise(dtype, channels)
    encoded, _ = encoding.encode(image, image_metadata.Metadata(file_format))
    found, said = read_back(encoded)
    assert found.dtype == dtype and said.format == file_format
    np.testing.assert_array_equal(found, image)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_jpeg_is_near_and_nearer_with_quality(channels):
    image = np.broadcast_to(np.linspace(0, 255, 32).astype("uint8")[:, None, None], (32, 24, channels))
    errors = []
    for quality in (30, 95):
        found, _ = read_back(encoding.encode(image, image_metadata.Metadata("JPEG"), quality=quality)[0])
        errors.append(np.abs(found.astype(int) - image).mean())
    assert errors[1] < 1 < errors[0] + 1 and errors[1] < errors[0]


def test_what_each_format_keeps():
    image = noise("uint8", 3)
    kept = {}
    for name in ("JPEG", "PNG", "TIFF", "BMP", "NPY"):
        encoded, lost = encoding.encode(image, SAID, name)
        found = image_metadata.read(encoded, "a")
        for field in ("exif", "icc", "xmp", "texts"):
            if field not in lost:
                assert getattr(found, field) == getattr(SAID, field), (name, field)
        assert "dpi" in lost or found.dpi == pytest.approx(SAID.dpi, rel=1e-3)
        kept[name] = lost
    assert kept == {
        "JPEG": ("texts",), "PNG": (), "TIFF": ("exif", "texts"), "BMP": ("exif", "icc", "xmp", "texts"),
        "NPY": ("exif", "icc", "xmp", "dpi", "texts"),
    }
    assert image_metadata.read(encoding.encode(image, SAID, "JPEG")[0], "a").texts == {"Comment": "Straße"}


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_png_keeps_the_chunks_of_its_source_byte_for_byte(dtype):
    first, _ = encoding.encode(noise("uint8", 3), SAID, "PNG")
    said = image_metadata.read(first, "a")
    encoded, lost = encoding.encode(noise(dtype, 3), said)
    assert lost == () and image_metadata.read(encoded, "a").chunks == said.chunks
    with Image.open(io.BytesIO(encoded)) as image:
        image.load()
        assert image.text["Author"] == "me" and image.getexif()[0x0112] == 6 and image.info["icc_profile"] == _PROFILE


def test_a_tiff_keeps_its_tags():
    tags = ((270, 2, 0, "Straße".encode()), (274, 3, 1, 8), (33550, 12, 3, (1.0, 2.5, 0.0)))
    said = image_metadata.Metadata("TIFF", 8, xmp=b"<x/>", dpi=(254.0, 127.0), tags=tags)
    found = image_metadata.read(encoding.encode(noise("uint16", 4), said)[0], "a")
    assert (found.orientation, found.xmp, found.dpi) == (8, b"<x/>", (254.0, 127.0))
    assert [(code, value) for code, _, _, value in found.tags] == [(code, value) for code, _, _, value in tags]
    again = image_metadata.read(encoding.encode(noise("uint16", 4), found)[0], "a")
    assert again == found


@pytest.mark.parametrize("name", ["PNG", "JPEG", "TIFF"])
def test_a_profile_of_colour_is_not_that_of_grey(name):
    encoded, lost = encoding.encode(noise("uint8", 1), SAID, name)
    assert "icc" in lost and image_metadata.read(encoded, "a").icc == b""
    said = image_metadata.read(encoding.encode(noise("uint8", 3), SAID, "PNG")[0], "a")
    encoded, lost = encoding.encode(noise("uint8", 1), said, "PNG")
    assert "icc" in lost and b"iCCP" not in encoded and b"eXIf" in encoded


@pytest.mark.parametrize("dtype, channels", [("uint8", 1), ("uint8", 3), ("uint16", 1), ("uint16", 3)])
def test_opacity_stays_beside_new_pixels(dtype, channels):
    image, alpha = noise(dtype, channels), noise("uint8", 1) // 2
    encoded, lost = encoding.encode(image, image_metadata.Metadata("PNG", alpha=alpha))
    found, said = read_back(encoded)
    np.testing.assert_array_equal(found, image)
    scale = 257 if dtype == "uint16" else 1
    np.testing.assert_array_equal(said.alpha, alpha.astype(int) * scale)
    assert lost == ()
    assert "alpha" in encoding.encode(noise("uint8", 3), image_metadata.Metadata("PNG", alpha=alpha), "JPEG")[1]


@pytest.mark.parametrize(
    "file_format, dtype, channels, message",
    [("JPEG", "uint16", 3, "JPEG holds 8 bits a channel and 1 or 3 channels, not 16 bits and 3: .* NPY or PNG or TIFF"),
     ("PNG", "uint8", 4, "not 8 bits and 4: .* NPY or TIFF"), ("BMP", "float32", 1, "not floats"),
     ("GIF", "uint8", 3, "GIF holds 256 colours, too few")],
)
def test_what_a_format_cannot_hold(file_format, dtype, channels, message):
    with pytest.raises(ValueError, match=message):
        encoding.encode(noise(dtype, channels), image_metadata.Metadata(file_format))


def test_quality():
    with pytest.raises(ValueError, match="quality=0 is not accepted"):
        encoding.encode(noise("uint8", 3), SAID, "JPEG", quality=0)


def test_floats_become_the_nearest_number():
    values = np.array([-1, 0, 0.4 / 255, 0.6 / 255, 0.5, 1, 2])
    np.testing.assert_array_equal(encoding.to_type(values, "uint8"), [0, 0, 0, 1, 128, 255, 255])
    np.testing.assert_array_equal(encoding.to_type(values[4:], "uint16"), [32768, 65535, 65535])
    np.testing.assert_array_equal(encoding.to_type(values, "float32"), np.clip(values, 0, 1).astype("float32"))
