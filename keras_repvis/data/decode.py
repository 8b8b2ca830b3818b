"""From the bytes of an image file to pixels, strictly: what is damaged is an error that names the file and the reason.

Pillow decodes rather than TensorFlow because it refuses truncated files, gives its reasons in words, and lets go of the
interpreter's lock while it works, so that threads decode in parallel. A file whose bytes were altered inside the
compressed data, at full length, may still decode: JPEG carries no checksum.
"""

import contextlib
import io

import numpy as np

FORMATS = ("JPEG", "PNG", "BMP", "GIF")


class CorruptImageError(ValueError):
    """An image cannot be read or decoded.

    Attributes:
        name: The file's path, or the example's id in its data set.
        reason: What is wrong with it.

    Example:
        >>> str(keras_repvis.data.CorruptImageError("cat.jpg", "the file is empty"))
        "image 'cat.jpg' cannot be used: the file is empty"
    """

    def __init__(self, name, reason):
        super().__init__(f"image {name!r} cannot be used: {reason}")
        self.name = name
        self.reason = reason


def decode(encoded, name, channels, upright=False):
    """Decode a JPEG, PNG, BMP or GIF image (its first frame).

    Palettes, CMYK and 16 bits a channel become 8-bit grey or RGB; transparency is left out of account. Colour becomes
    grey by the luma of ITU-R 601, grey becomes colour by repetition.

    Args:
        encoded: Bytes of the file.
        name: What to call the image in an error.
        channels: 1 for grey, 3 for RGB.
        upright: Whether to turn the image as its EXIF orientation says.

    Returns:
        uint8 array `(height, width, channels)`.

    Raises:
        CorruptImageError: If the bytes are not a complete image of one of the formats.
    """
    from PIL import Image
    from PIL import ImageOps

    if not encoded:
        raise CorruptImageError(name, "the file is empty")
    with reasons(name), Image.open(io.BytesIO(encoded), formats=FORMATS) as image:
        image.load()
        if upright:
            image = ImageOps.exif_transpose(image)
        return to_array(image, channels)


@contextlib.contextmanager
def reasons(name, formats=FORMATS):
    """Turn the errors of decoders into a `CorruptImageError` of the image `name`."""
    from PIL import Image

    try:
        yield
    except (CorruptImageError, MemoryError):
        raise
    except Image.UnidentifiedImageError:
        raise CorruptImageError(name, f"the content is not that of a {', '.join(formats)} image") from None
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, zlib.error and others.
        raise CorruptImageError(name, str(error) or type(error).__name__) from error


def to_channels(image, channels):
    """Convert a uint8 array `(height, width, 1 or 3)` to `channels` channels, by luma or by repetition."""
    if image.shape[-1] == channels:
        return image
    if channels == 3:
        return np.repeat(image, 3, axis=-1)
    from PIL import Image

    return np.asarray(Image.fromarray(image).convert("L"))[..., None]


def to_array(image, channels):
    """Return a Pillow image as a uint8 array `(height, width, channels)`, with 1 or 3 channels."""
    from PIL import Image

    if image.mode.startswith("I"):
        # 16 bits a channel; Pillow's own conversion would cut everything above 255.
        image = Image.fromarray(((np.asarray(image).astype(np.int64).clip(0, 65535) + 128) // 257).astype(np.uint8))
    image = image.convert("RGB" if channels == 3 else "L")
    return np.asarray(image).reshape(image.height, image.width, channels)
