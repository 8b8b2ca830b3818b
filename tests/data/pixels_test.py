import contextlib
import io
import zlib

import numpy as np
import pytest
import tensorflow as tf
import tifffile
from PIL import Image
from PIL import ImageOps

from keras_repvis import data
from keras_repvis.data import pixels

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (12, 9, 1), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (12, 9, 3), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (12, 9, 3), dtype=np.uint16)
BANDS = RNG.integers(0, 65536, (12, 9, 5), dtype=np.uint16)


def pillow(array, kind, **options):
    buffer = io.BytesIO()
    image = array if isinstance(array, Image.Image) else Image.fromarray(array.squeeze())
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def tiff(array, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def separate_pages(bands):
    """Write each band with a directory of its own beside it."""
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for band in bands.transpose(2, 0, 1):
            writer.write(band, photometric="minisblack", contiguous=False, metadata=None)
    return buffer.getvalue()


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def deep_png(array):
    return tf.io.encode_png(array).numpy()


def read(encoded):
    """Read an image, after comparing it with its header."""
    found = pixels.read(io.BytesIO(encoded), "x")
    header = pixels.header(io.BytesIO(encoded), "x")
    assert (header.height, header.width, header.channels, header.dtype) == (*found.shape, found.dtype.name)
    return found


FILES = {
    "png": (pillow(COLOUR, "PNG"), COLOUR),
    "png grey": (pillow(GREY, "PNG"), GREY),
    "png alpha": (pillow(np.concatenate([COLOUR, GREY], -1), "PNG"), COLOUR),
    "png grey alpha": (pillow(Image.merge("LA", [Image.fromarray(GREY[..., 0])] * 2), "PNG"), GREY),
    "png one bit": (pillow(Image.fromarray(GREY[..., 0] > 99), "PNG"), 255 * (GREY > 99).astype(np.uint8)),
    "png 16 grey": (pillow(DEEP[..., 0], "PNG"), DEEP[..., :1]),
    "png 16": (deep_png(DEEP), DEEP),
    "png 16 alpha": (deep_png(BANDS[..., :4]), BANDS[..., :3]),
    "png 16 grey alpha": (deep_png(BANDS[..., :2]), BANDS[..., :1]),
    "bmp": (pillow(COLOUR, "BMP"), COLOUR),
    "gif": (pillow(np.full((4, 5), 7, np.uint8), "GIF"), np.full((4, 5, 3), 7, np.uint8)),
    "tiff grey": (tiff(GREY[..., 0]), GREY),
    "tiff": (tiff(COLOUR, photometric="rgb"), COLOUR),
    "tiff 16": (tiff(DEEP, photometric="rgb"), DEEP),
    "tiff big endian": (tiff(DEEP, photometric="rgb", byteorder=">"), DEEP),
    "tiff big": (tiff(DEEP, photometric="rgb", bigtiff=True), DEEP),
    "tiff planes": (tiff(DEEP.transpose(2, 0, 1), photometric="rgb", planarconfig="separate"), DEEP),
    "tiff bands": (tiff(BANDS, photometric="minisblack", planarconfig="contig"), BANDS),
    "tiff band planes": (tiff(BANDS.transpose(2, 0, 1), photometric="minisblack", planarconfig="separate"), BANDS),
    "tiff pages": (tiff(BANDS.transpose(2, 0, 1), photometric="minisblack"), BANDS),
    "tiff separate pages": (separate_pages(BANDS), BANDS),
    "tiff alpha": (tiff(BANDS[..., :4], photometric="rgb", extrasamples=["unassalpha"]), BANDS[..., :3]),
    "tiff four bands": (tiff(BANDS[..., :4], photometric="rgb", extrasamples=["unspecified"]), BANDS[..., :4]),
    "tiff one page of one": (tiff(GREY[None, ..., 0], photometric="minisblack"), GREY),
    "tiff deflated": (pillow(COLOUR, "TIFF", compression="tiff_adobe_deflate"), COLOUR),
    "tiff lzw": (pillow(COLOUR, "TIFF", compression="tiff_lzw"), COLOUR),
    "tiff white is 0": (tiff(GREY[..., 0], photometric="miniswhite"), 255 - GREY),
    "tiff palette": (pillow(Image.fromarray(COLOUR).quantize(4), "TIFF"), None),
    "npy": (npy(COLOUR), COLOUR),
    "npy flat": (npy(DEEP[..., 0]), DEEP[..., :1]),
    "npy bands": (npy(BANDS), BANDS),
    "npy bool": (npy(GREY > 99), 255 * (GREY > 99).astype(np.uint8)),
    "npy big endian": (npy(DEEP.astype(">u2")), DEEP),
    "npy fortran order": (npy(np.asfortranarray(BANDS)), BANDS),
}


@pytest.mark.parametrize("kind", FILES)
def test_pixels_come_back_with_their_depth_and_channels(kind):
    encoded, expected = FILES[kind]
    if expected is None:
        with Image.open(io.BytesIO(encoded)) as image:
            expected = np.asarray(image.convert("RGB"))
    found = read(encoded)
    assert found.dtype == expected.dtype and found.dtype.isnative and found.flags.c_contiguous
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("write", [npy, tiff])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_are_those_of_the_file(write, dtype):
    values = RNG.random((6, 7)).astype(dtype)
    found = read(write(values))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[..., 0], values.astype(np.float32))


def test_32_bits_become_floats_over_the_largest_number():
    values = np.array([[0, 2**32 - 1, 2**31]], np.uint32)
    np.testing.assert_allclose(read(npy(values))[..., 0], [[0.0, 1.0, 0.5]], atol=1e-7)


def test_a_jpeg_is_near_and_cmyk_becomes_colour():
    smooth = np.tile(np.linspace(0, 255, 64).astype(np.uint8)[:, None, None], (1, 48, 3))
    assert np.abs(read(pillow(smooth, "JPEG", quality=95)).astype(int) - smooth).max() <= 4
    found = read(pillow(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95))
    np.testing.assert_allclose(found[8, 8], [255, 0, 0], atol=3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_as_the_camera_was(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    encoded = pillow(COLOUR, "PNG", exif=exif)
    with Image.open(io.BytesIO(encoded)) as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(read(encoded), upright)
    tag = [(0x0112, "H", 1, orientation, True)]
    np.testing.assert_array_equal(read(tiff(COLOUR, photometric="rgb", extratags=tag)), upright)
    lzw = pillow(COLOUR, "TIFF", compression="tiff_lzw", tiffinfo={0x0112: orientation})
    np.testing.assert_array_equal(read(lzw), upright)


def test_what_a_png_says_after_its_pixels_is_read_too():
    exif = Image.Exif()
    exif[0x0112] = 6
    encoded = pillow(COLOUR, "PNG")
    chunk = b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
    chunk = (len(chunk) - 4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    np.testing.assert_array_equal(read(encoded[:-12] + chunk + encoded[-12:]), np.rot90(COLOUR, -1))


def test_a_header_is_read_without_the_pixels():
    encoded = pillow(COLOUR, "PNG")
    damaged = encoded[:60] + bytes(100) + encoded[160:]
    assert pixels.header(io.BytesIO(damaged), "x") == pixels.Header(12, 9, 3, "uint8")
    with pytest.raises(data.CorruptImageError):
        pixels.read(io.BytesIO(damaged), "x")


def test_to_float_divides_by_the_largest_number():
    for dtype, largest in ((np.uint8, 255), (np.uint16, 65535)):
        values = np.array([[[0], [1], [largest // 2], [largest]]], dtype)
        found = pixels.to_float(values)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, values.astype(np.float32) / np.float32(largest))
    floats = np.ones((2, 2, 1), np.float32)
    assert pixels.to_float(floats) is floats


@pytest.mark.parametrize("image", [COLOUR, DEEP, pixels.to_float(DEEP)], ids=["8", "16", "float"])
def test_channels_convert_at_any_depth(image):
    luma = image @ np.array([0.299, 0.587, 0.114])
    grey = pixels.to_channels(image, 1)
    assert grey.dtype == image.dtype and grey.shape == (12, 9, 1)
    np.testing.assert_allclose(grey[..., 0], luma, rtol=1e-6, atol=0.51 if image.dtype.kind == "u" else 0)
    np.testing.assert_array_equal(pixels.to_channels(grey, 3), np.repeat(grey, 3, -1))
    assert pixels.to_channels(image, 3) is image


@pytest.mark.parametrize("kind", sorted(set(FILES) - {"gif"}))
def test_cut_files_are_errors_with_name_and_reason_or_come_back_whole(kind):
    """What the last bytes say may be of no use, where a picture ends with its end mark or with directories."""
    encoded, expected = FILES[kind]
    for length in (*range(1, len(encoded), 37), *range(len(encoded) - 30, len(encoded))):
        cut = io.BytesIO(encoded[:length])
        if length < 0.6 * len(encoded):
            with pytest.raises(data.CorruptImageError, match="image 'my/cat' cannot be used: .+") as caught:
                pixels.read(cut, "my/cat")
            assert caught.value.name == "my/cat" and caught.value.reason
            continue
        with contextlib.suppress(data.CorruptImageError):
            found = pixels.read(cut, "my/cat")
            assert expected is None or np.array_equal(found, expected)


@pytest.mark.parametrize(
    "encoded, reason",
    [
        (b"", "the file is empty"),
        (b"this is a text, not an image", "not that of a JPEG, PNG, BMP, GIF, TIFF, NPY image"),
        (npy(np.full((2, 2), -1, np.int16)), "numbers of type int16: expected unsigned integers or floats"),
        (npy(np.full((2, 2), 1.5)), "floats from 1.5 to 1.5: expected floats in"),
        (npy(np.full((2, 2), np.nan)), "floats from nan to nan"),
        (npy(np.zeros(4, np.uint8)), r"shape \(4,\): expected \(height, width\)"),
        (npy(np.zeros((0, 4), np.uint8)), r"shape \(0, 4\)"),
        (npy(np.array({"a": 1}, object)), "shape|allow_pickle"),
        (tiff(np.zeros((2, 5, 6, 3), np.uint8), photometric="rgb"), "axes .* expected one image"),
    ],
    ids=["empty", "text", "signed", "above 1", "not a number", "vector", "no rows", "pickle", "pages of colour"],
)
def test_what_is_no_image_is_an_error(encoded, reason):
    with pytest.raises(data.CorruptImageError, match=reason):
        pixels.read(io.BytesIO(encoded), "x")
