"""What is said of the pixels of a file is read whole, as image programs write it."""

import io

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from keras_repvis.data import image_metadata, pixels

_PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 3)).astype("uint8")
_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def camera():
    """EXIF as a camera writes it: on its side, with an exposure and a place."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    exif.get_ifd(ExifTags.IFD.Exif)[0x829A] = (1, 125)
    exif.get_ifd(ExifTags.IFD.GPSInfo)[1] = "N"
    return exif


def saved(file_format, image=None, **options):
    file = io.BytesIO()
    (Image.fromarray(_PIXELS) if image is None else image).save(file, file_format, **options)
    return file.getvalue()


def with_preview(exif):
    """The block with a second directory, of a preview, as its bytes say where that begins."""
    tiff = bytearray(exif[6:])
    assert tiff[:2] == b"MM"
    first = int.from_bytes(tiff[4:8], "big")
    link = first + 2 + 12 * int.from_bytes(tiff[first : first + 2], "big")
    tiff += b"\x00" * (len(tiff) % 2)
    tiff[link : link + 4] = len(tiff).to_bytes(4, "big")
    start = len(tiff) + 2 + 2 * 12 + 4
    entries = [(0x0201, start), (0x0202, 4)]
    tiff += (2).to_bytes(2, "big")
    for tag, value in entries:
        tiff += tag.to_bytes(2, "big") + (4).to_bytes(2, "big") + (1).to_bytes(4, "big") + value.to_bytes(4, "big")
    return exif[:6] + bytes(tiff + bytes(4) + b"OLD!")


def test_a_jpeg():
    encoded = saved("JPEG", exif=camera(), icc_profile=_PROFILE, dpi=(300, 150), comment="Zürich".encode(),
                    xmp=b"<x:xmpmeta/>")
    found = image_metadata.read(encoded, "a.jpg")
    assert (found.format, found.orientation, found.dpi) == ("JPEG", 6, (300.0, 150.0))
    assert (found.icc, found.xmp, found.texts) == (_PROFILE, b"<x:xmpmeta/>", {"Comment": "Zürich"})
    assert found.exif == camera().tobytes() and found.chunks == () and found.alpha is None


def test_a_png_with_all_its_chunks():
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "me", zip=True)
    info.add_itxt("Title", "Straße")
    info.add(b"gAMA", (45455).to_bytes(4, "big"))
    info.add(b"prVt", b"private")
    encoded = saved("PNG", exif=camera(), icc_profile=_PROFILE, dpi=(300, 150), pnginfo=info)
    found = image_metadata.read(encoded, "a.png")
    assert (found.format, found.orientation, found.icc) == ("PNG", 6, _PROFILE)
    assert found.texts == {"Author": "me", "Title": "Straße"}
    np.testing.assert_allclose(found.dpi, (300, 150), rtol=1e-3)
    assert {kind for kind, _ in found.chunks} == {b"iCCP", b"pHYs", b"eXIf", b"zTXt", b"iTXt", b"gAMA"}


def test_texts_that_follow_the_pixels():
    encoded = saved("PNG")
    chunk = b"tEXtLate\x00words"
    crc = __import__("zlib").crc32(chunk).to_bytes(4, "big")
    encoded = encoded[:-12] + (len(chunk) - 4).to_bytes(4, "big") + chunk + crc + encoded[-12:]
    found = image_metadata.read(encoded, "a.png")
    assert found.texts == {"Late": "words"} and (b"tEXt", b"Late\x00words") in found.chunks


@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
def test_the_preview_in_exif_is_left_out_and_the_rest_kept(file_format):
    block = with_preview(camera().tobytes())
    parsed = Image.Exif()
    parsed.load(block)
    assert parsed.get_ifd(ExifTags.IFD.IFD1), "the block has a preview"
    found = image_metadata.read(saved(file_format, exif=block), "a")
    blocks = [found.exif, *(content for kind, content in found.chunks if kind == b"eXIf")]
    for exif in blocks:
        parsed = Image.Exif()
        parsed.load(exif if exif.startswith(b"Exif") else b"Exif\x00\x00" + exif)
        assert not parsed.get_ifd(ExifTags.IFD.IFD1) and b"OLD!" not in exif
        assert parsed[0x010F] == "Maker" and parsed.get_ifd(ExifTags.IFD.Exif)[0x829A] == (1, 125)
        assert parsed.get_ifd(ExifTags.IFD.GPSInfo)[1] == "N"


def test_opacity_of_8_and_16_bits_and_of_a_palette():
    import tensorflow as tf

    deep = np.random.default_rng(1).integers(0, 65536, (5, 4, 4)).astype("uint16")
    found = image_metadata.read(tf.io.encode_png(deep).numpy(), "a.png")
    np.testing.assert_array_equal(found.alpha, deep[..., 3:])
    flat = (deep[..., :2] >> 8).astype("uint8")
    found = image_metadata.read(saved("PNG", Image.fromarray(flat, "LA")), "a.png")
    np.testing.assert_array_equal(found.alpha, flat[..., 1:])
    palette = Image.fromarray(_PIXELS).quantize(4)
    found = image_metadata.read(saved("PNG", palette, transparency=2), "a.png")
    np.testing.assert_array_equal(found.alpha[..., 0], np.where(np.asarray(palette) == 2, 0, 255))
    assert image_metadata.read(saved("PNG", palette), "a.png").alpha is None


def test_a_tiff():
    import tifffile

    bands = np.zeros((5, 4, 7), "uint16")
    file = io.BytesIO()
    tags = [(270, 2, 0, "Straße".encode(), True), (274, 3, 1, 8, True), (700, 1, 4, b"<x/>", True),
            (34675, 7, len(_PROFILE), _PROFILE, True), (33550, 12, 3, (1.0, 2.5, 0.0), True), (65000, 3, 1, 9, True)]
    tifffile.imwrite(file, bands, photometric="minisblack", planarconfig="contig", resolution=(100, 50),
                     resolutionunit="CENTIMETER", metadata=None, extratags=tags)
    found = image_metadata.read(file.getvalue(), "a.tif")
    assert (found.format, found.orientation, found.xmp, found.icc) == ("TIFF", 8, b"<x/>", _PROFILE)
    np.testing.assert_allclose(found.dpi, (254, 127))
    values = {code: value for code, _, _, value in found.tags}
    assert values[33550] == (1.0, 2.5, 0.0) and values[270] == "Straße".encode() and 65000 not in values


def test_an_array_says_nothing():
    file = io.BytesIO()
    np.save(file, np.zeros((2, 2)))
    assert image_metadata.read(file.getvalue(), "a.npy") == image_metadata.Metadata("NPY")


@pytest.mark.parametrize("file_format", ["PNG", "GIF"])
def test_an_animation_is_refused(file_format):
    frames = [Image.fromarray(_PIXELS), Image.fromarray(255 - _PIXELS)]
    encoded = saved(file_format, frames[0], save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match="'a' cannot be used: it holds 2 frames: expected one image"):
        image_metadata.read(encoded, "a")


def test_a_jpeg_with_a_second_picture_is_the_first():
    encoded = saved("MPO", save_all=True, append_images=[Image.fromarray(255 - _PIXELS)])
    assert image_metadata.read(encoded, "a.jpg").format == "JPEG"


@pytest.mark.parametrize("file_format, options", [("PNG", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"})])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_turning_back_undoes_the_orientation(orientation, file_format, options):
    exif = Image.Exif()
    exif[0x0112] = orientation
    encoded = saved(file_format, exif=exif, **options)
    upright = pixels.read(io.BytesIO(encoded), "a.png")
    found = image_metadata.read(encoded, "a.png")
    assert found.orientation == orientation
    np.testing.assert_array_equal(image_metadata.turn_back(upright, found.orientation), _PIXELS)
    assert orientation == 1 or upright.shape != _PIXELS.shape or not np.array_equal(upright, _PIXELS)
