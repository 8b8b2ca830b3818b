"""What an image file says besides its pixels: orientation, camera, colours, resolution, texts, transparency."""

import dataclasses
import io

import numpy as np

from keras_repvis.data import decode

_PNG = b"\x89PNG\r\n\x1a\n"
_TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_NPY = b"\x93NUMPY"
_ORIENTATION = 0x0112
# Chunks of a PNG that stay true when its pixels change and their number does not.
_CHUNKS = frozenset(b"cHRM cICP eXIf gAMA iCCP iTXt pHYs sRGB tEXt tIME zTXt".split())
# Tags of a TIFF likewise: texts, orientation, IPTC, Photoshop's, those of GeoTIFF and of GDAL. Profile, XMP and
# resolution have fields of their own.
_TAGS = frozenset(
    (269, 270, 271, 272, 274, 285, 305, 306, 315, 316, 33432, 33550, 33723, 33922, 34264, 34377, 34735, 34736, 34737)
) | frozenset((42112, 42113))
_TIFF_ICC, _TIFF_XMP, _TIFF_DPI, _TIFF_UNIT = 34675, 700, (282, 283), 296
_PER_INCH = {2: 1.0, 3: 2.54}


@dataclasses.dataclass(frozen=True)
class Metadata:
    """What a file says besides its pixels; what it does not say is empty.

    Attributes:
        format: "BMP", "GIF", "JPEG", "NPY", "PNG" or "TIFF".
        orientation: How the stored pixels are to be turned, 1 to 8, as EXIF counts.
        exif: Bytes of the EXIF block, without the preview of the pixels that may be in it.
        icc: Bytes of the ICC colour profile.
        xmp: Bytes of the XMP packet.
        dpi: Pair (horizontal, vertical) of pixels per inch, or None.
        texts: Dict of name -> text; the comment of a JPEG is "Comment".
        chunks: Of a PNG, tuple of (type, content): all of the above as the file has it, and more.
        tags: Of a TIFF, tuple of (code, type, count, value).
        alpha: Of a PNG, array `(height, width, 1)` of opacity as stored, or None.
    """

    format: str
    orientation: int = 1
    exif: bytes = b""
    icc: bytes = b""
    xmp: bytes = b""
    dpi: tuple | None = None
    texts: dict = dataclasses.field(default_factory=dict)
    chunks: tuple = ()
    tags: tuple = ()
    alpha: np.ndarray | None = None


def read(encoded, name):
    """Return the `Metadata` of an image.

    Args:
        encoded: Bytes of a file whose pixels `keras_repvis.data.pixels` reads.
        name: What to call the image in an error.

    Raises:
        CorruptImageError: If it cannot be read, or is an animation.
    """
    if encoded.startswith(_NPY):
        return Metadata("NPY")
    with decode.reasons(name):
        return _of_tiff(encoded) if encoded.startswith(_TIFF) else _of_pillow(encoded)


def turn_back(image, orientation):
    """Return pixels that are upright as a file of this orientation stores them.

    Args:
        image: Array `(height, width, channels)`.
        orientation: 1 to 8.
    """
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return image.swapaxes(0, 1) if orientation in (5, 6, 7, 8) else image


def png_chunks(encoded):
    """Yield (type, content, start, end) of each chunk of a PNG; start and end are places in the file."""
    place = len(_PNG)
    while place + 8 <= len(encoded):
        size = int.from_bytes(encoded[place : place + 4], "big")
        end = place + 12 + size
        yield encoded[place + 4 : place + 8], encoded[place + 8 : place + 8 + size], place, end
        place = end


def _of_pillow(encoded):
    from PIL import Image

    with Image.open(io.BytesIO(encoded), formats=decode.FORMATS) as image:
        name = "JPEG" if image.format == "MPO" else image.format  # Cameras append previews to a JPEG.
        if name != "JPEG" and getattr(image, "n_frames", 1) > 1:
            raise ValueError(f"it holds {image.n_frames} frames: expected one image")
        image.load()  # Texts may follow the pixels.
        orientation = image.getexif().get(_ORIENTATION, 1)
        texts = dict(getattr(image, "text", {}))
        texts.pop("XML:com.adobe.xmp", None)
        if "comment" in image.info:
            texts["Comment"] = image.info["comment"].decode("utf-8", "replace")
        return Metadata(
            name,
            orientation if orientation in range(1, 9) else 1,
            _without_preview(image.info.get("exif", b"")),
            image.info.get("icc_profile") or b"",
            _bytes(image.info.get("xmp", b"")),
            tuple(map(float, image.info["dpi"])) if "dpi" in image.info else None,
            texts,
            _chunks(encoded) if name == "PNG" else (),
            alpha=_alpha(image, encoded) if name == "PNG" else None,
        )


def _chunks(encoded):
    kept = [(kind, content) for kind, content, _, _ in png_chunks(encoded) if kind in _CHUNKS]
    prefix = b"Exif\x00\x00"  # As JPEG has it before the block, and PNG has not.
    return tuple(
        (kind, _without_preview(prefix + content).removeprefix(prefix) if kind == b"eXIf" else content)
        for kind, content in kept
    )


def _alpha(image, encoded):
    if "A" not in image.getbands() and "transparency" not in image.info:
        return None
    if encoded[24] == 16:
        import tensorflow as tf

        return tf.io.decode_png(encoded, channels=4, dtype=tf.uint16).numpy()[..., 3:]
    return np.asarray(image.convert("RGBA").getchannel("A"))[..., None]


def _without_preview(exif):
    """Return an EXIF block without the small picture in it, which shows what the pixels were before."""
    from PIL import ExifTags
    from PIL import Image

    try:
        parsed = Image.Exif()
        parsed.load(exif)
        return parsed.tobytes() if parsed.get_ifd(ExifTags.IFD.IFD1) else exif
    except Exception:  # What Pillow cannot take apart stays as it is.
        return exif


def _of_tiff(encoded):
    import tifffile

    with tifffile.TiffFile(io.BytesIO(encoded)) as file:
        found = {tag.code: tag for tag in file.pages[0].tags.values()}
    value = {code: tag.value for code, tag in found.items()}
    tags = tuple(
        (code, int(tag.dtype), int(tag.count), _plain(tag.value))
        for code, tag in sorted(found.items())
        if code in _TAGS
    )
    dpi = None
    if int(value.get(_TIFF_UNIT, 2)) in _PER_INCH and all(code in value for code in _TIFF_DPI):
        ratio = _PER_INCH[int(value.get(_TIFF_UNIT, 2))]
        dpi = tuple(ratio * value[code][0] / value[code][1] for code in _TIFF_DPI if value[code][1])
    orientation = int(value.get(_ORIENTATION, 1))
    return Metadata(
        "TIFF",
        orientation if orientation in range(1, 9) else 1,
        icc=_bytes(value.get(_TIFF_ICC, b"")),
        xmp=_bytes(value.get(_TIFF_XMP, b"")),
        dpi=dpi if dpi and len(dpi) == 2 else None,
        tags=tags,
    )


def _plain(value):
    """Return the value of a tag as the library that writes TIFF takes it."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (tuple, list)):
        return tuple(_plain(one) for one in value)
    return value if isinstance(value, (bytes, float)) else int(value)


def _bytes(value):
    return value.encode() if isinstance(value, str) else bytes(value)
