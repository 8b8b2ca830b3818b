"""From pixels to the bytes of an image file, with what is said of them; the counterpart of `pixels`.

Pillow writes 8-bit JPEG, PNG and BMP, TensorFlow the 16-bit PNG that Pillow cannot write in colour, tifffile TIFF.
"""

import dataclasses
import io
import zlib

import numpy as np

from keras_repvis import checks
from keras_repvis.data import image_metadata

_TYPES = {"uint8": "8 bits", "uint16": "16 bits", "float32": "floats"}


@dataclasses.dataclass(frozen=True)
class Format:
    """What a format of files can hold.

    Attributes:
        suffixes: Ends of names.
        types: Types of pixels.
        channels: Numbers of channels besides opacity, or None for any.
        fields: Fields of `Metadata` that it keeps.
    """

    suffixes: tuple
    types: tuple
    channels: tuple | None
    fields: tuple = ()


FORMATS = {
    "BMP": Format((".bmp",), ("uint8",), (1, 3), ("dpi",)),
    "JPEG": Format((".jpg", ".jpeg"), ("uint8",), (1, 3), ("exif", "icc", "xmp", "dpi", "comment")),
    "NPY": Format((".npy",), tuple(_TYPES), None),
    "PNG": Format((".png",), ("uint8", "uint16"), (1, 3), ("exif", "icc", "xmp", "dpi", "texts", "alpha")),
    "TIFF": Format((".tif", ".tiff"), tuple(_TYPES), None, ("icc", "xmp", "dpi", "tags")),
}


def to_type(image, dtype):
    """Return floats as pixels of a type: cut to [0, 1] and, for whole numbers, rounded to the nearest.

    Args:
        image: Float array.
        dtype: "uint8", "uint16" or "float32".
    """
    image = np.clip(image, 0.0, 1.0)
    if dtype == "float32":
        return image.astype(np.float32)
    return np.round(image.astype(np.float64) * np.iinfo(dtype).max).astype(dtype)


def check_fit(file_format, dtype, channels):
    """Raise a `ValueError` if a format cannot hold pixels of this type and number of channels."""
    if file_format not in FORMATS:
        raise ValueError(f"{file_format} holds 256 colours, too few: choose another format, {', '.join(FORMATS)}.")
    known = FORMATS[file_format]
    fitting = [name for name in FORMATS if _fits(FORMATS[name], dtype, channels)]
    if not _fits(known, dtype, channels):
        raise ValueError(
            f"{file_format} holds {' or '.join(_TYPES[one] for one in known.types)} a channel and "
            f"{' or '.join(map(str, known.channels or ('any number of',)))} channels, not {_TYPES[dtype]} and "
            f"{channels}: choose another format, {' or '.join(fitting)}."
        )


def encode(image, metadata, file_format=None, quality=95):
    """Return an image as the bytes of a file, as much of its metadata in it as the format holds.

    Args:
        image: Array `(height, width, channels)` of uint8, uint16 or float32, as the file stores it: an orientation
            other than 1 is only noted.
        metadata: `Metadata`. A colour profile is kept if it is one for this number of channels.
        file_format: "BMP", "JPEG", "NPY", "PNG" or "TIFF"; that of the metadata when None.
        quality: Of a JPEG, 1 to 100. Default 95, with colour at full resolution.

    Returns:
        The pair (bytes, names of the fields of the metadata that are lost).

    Raises:
        ValueError: If the format cannot hold such pixels.

    Example:
        >>> import numpy as np
        >>> from keras_repvis.data import encoding, image_metadata
        >>> said = image_metadata.Metadata("PNG", dpi=(300.0, 300.0), texts={"Author": "me"})
        >>> encoded, lost = encoding.encode(np.zeros((4, 6, 3), np.uint8), said, "JPEG")
        >>> lost, image_metadata.read(encoded, "black").dpi
        (('texts',), (300.0, 300.0))
    """
    file_format = metadata.format if file_format is None else file_format
    checks.number("quality", quality, low=1, high=100, integer=True)
    channels = image.shape[-1]
    check_fit(file_format, image.dtype.name, channels)
    kept = _fitting(metadata, file_format, channels)
    lost = tuple(
        field.name for field in dataclasses.fields(metadata)
        if field.name not in ("format", "orientation", "chunks")
        and getattr(metadata, field.name) is not None and len(getattr(metadata, field.name))
        and not _is_kept(getattr(metadata, field.name), getattr(kept, field.name))
    )
    image = np.ascontiguousarray(image)
    if file_format == "NPY":
        file = io.BytesIO()
        np.save(file, image)
        return file.getvalue(), lost
    if file_format == "TIFF":
        return _tiff(image, kept), lost
    if file_format == "PNG":
        return _png(image, kept), lost
    options = {"quality": quality, "subsampling": "4:4:4"} if file_format == "JPEG" else {}
    return _pillow(image, file_format, **options, **_options(kept, file_format)), lost


def _fits(known, dtype, channels):
    return dtype in known.types and (known.channels is None or channels in known.channels)


def _is_kept(before, after):
    return after is not None and len(after) == len(before)


def _fitting(metadata, file_format, channels):
    """Return the metadata without what the format does not hold, or what is not true of so many channels."""
    fields = FORMATS[file_format].fields
    changes = {"format": file_format}
    for name, nothing in (("exif", b""), ("xmp", b""), ("dpi", None), ("tags", ()), ("alpha", None)):
        if name not in fields:
            changes[name] = nothing
    colours = {1: b"GRAY", 3: b"RGB "}.get(channels)
    if "icc" not in fields or metadata.icc[16:20] != colours:
        changes["icc"] = b""
        changes["chunks"] = tuple((kind, content) for kind, content in metadata.chunks if kind != b"iCCP")
    if "texts" not in fields:
        comment = "Comment" if "comment" in fields else None
        changes["texts"] = {name: text for name, text in metadata.texts.items() if name == comment}
    return dataclasses.replace(metadata, **changes)


def _options(metadata, file_format):
    """Return the arguments by which Pillow writes metadata."""
    texts = dict(metadata.texts)
    options = {"exif": metadata.exif, "icc_profile": metadata.icc, "dpi": metadata.dpi, "xmp": metadata.xmp}
    if file_format == "PNG":
        from PIL import PngImagePlugin

        options["pnginfo"] = PngImagePlugin.PngInfo()
        for name, text in texts.items():
            options["pnginfo"].add_itxt(name, text)
        if metadata.xmp:
            options["pnginfo"].add_itxt("XML:com.adobe.xmp", metadata.xmp.decode("utf-8", "replace"))
        options["xmp"] = b""
    elif "Comment" in texts:
        options["comment"] = texts["Comment"].encode()
    return {name: value for name, value in options.items() if value}


def _pillow(image, file_format, **options):
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, file_format, **options)
    return file.getvalue()


def _png(image, metadata):
    """Return a PNG whose pixels one library wrote, with the chunks of metadata of another, or of the source."""
    chunks = metadata.chunks
    if not chunks:
        carrier = _pillow(np.zeros((1, 1, image.shape[-1]), np.uint8), "PNG", **_options(metadata, "PNG"))
        chunks = [
            (kind, content) for kind, content, _, _ in image_metadata.png_chunks(carrier)
            if kind not in (b"IHDR", b"IDAT", b"IEND")
        ]
    if metadata.alpha is not None:
        image = np.concatenate([image, _as_type(metadata.alpha, image.dtype)], axis=-1)
    if image.dtype == np.uint8:
        encoded = _pillow(image, "PNG")
    else:
        import tensorflow as tf

        encoded = tf.io.encode_png(image).numpy()
    (_, _, _, end), *_ = image_metadata.png_chunks(encoded)
    return encoded[:end] + b"".join(_chunk(*chunk) for chunk in chunks) + encoded[end:]


def _chunk(kind, content):
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def _as_type(alpha, dtype):
    """Return opacity in the type of the pixels beside it."""
    if alpha.dtype == dtype:
        return alpha
    return to_type(alpha / np.iinfo(alpha.dtype).max, dtype.name)


def _tiff(image, metadata):
    import tifffile

    tags = [(*tag, True) for tag in metadata.tags]
    for code, content in ((700, metadata.xmp), (34675, metadata.icc)):
        if content:
            tags.append((code, 1 if code == 700 else 7, len(content), content, True))
    options = {"photometric": "rgb" if image.shape[-1] == 3 else "minisblack", "planarconfig": "contig"}
    if metadata.dpi:
        options["resolution"], options["resolutionunit"] = metadata.dpi, "INCH"
    file = io.BytesIO()
    pixels = image[..., 0] if image.shape[-1] == 1 else image
    if pixels.ndim == 2:
        del options["planarconfig"]
    tifffile.imwrite(file, pixels, metadata=None, software=False, compression="zlib", extratags=tags, **options)
    return file.getvalue()
