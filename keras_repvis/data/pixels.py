"""From an image file to pixels of the depth and the number of channels that the file has.

JPEG, PNG, BMP and GIF are read by Pillow (16-bit PNG by TensorFlow, once Pillow has found it whole: Pillow would cut
colour to 8 bits), TIFF by tifffile (by Pillow where the compression or the kind of colour asks for it), and .npy by
NumPy. Colour has three channels, grey one; palettes and CMYK become colour, transparency is left out of account. Bands
of a TIFF, its pages, or the last axis of an array are channels, as many as there are.
"""

import contextlib
import dataclasses
import io
import logging
import threading

import numpy as np

from keras_repvis.data import decode

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".npy")
_FORMATS = (*decode.FORMATS, "TIFF", "NPY")
_PILLOW = (*decode.FORMATS, "TIFF")
_PNG = b"\x89PNG\r\n\x1a\n"
_TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_NPY = b"\x93NUMPY"
_ORIENTATION = 0x0112
_LUMA = (0.299, 0.587, 0.114)


@dataclasses.dataclass(frozen=True)
class Header:
    """What a file says of its pixels: height, width, channels, and "uint8", "uint16" or "float32"."""

    height: int
    width: int
    channels: int
    dtype: str


def header(file, name):
    """Return the `Header` of an image, without decoding its pixels.

    Args:
        file: Binary file, at its beginning.
        name: What to call the image in an error.

    Raises:
        CorruptImageError: If it is not an image of one of the formats.
    """
    return _open(file, name, lambda image: image.header())


def read(file, name):
    """Return the pixels of an image, turned as its EXIF orientation says.

    Args:
        file: Binary file, at its beginning.
        name: What to call the image in an error.

    Returns:
        Array `(height, width, channels)`: uint8, uint16, or float32 in [0, 1] for whatever else is in the file.

    Raises:
        CorruptImageError: If it is not a complete image of one of the formats, or holds numbers outside [0, 1] that are
            not unsigned integers.
    """
    return _open(file, name, lambda image: _kept_types(np.ascontiguousarray(image.pixels())))


def to_float(image):
    """Return pixels as float32 in [0, 1]: over 255 or 65535, by their type."""
    if image.dtype == np.float32:
        return image
    return image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)


def to_channels(image, channels):
    """Return pixels of 1 or 3 channels with 1 or 3: colour becomes grey by luma, grey becomes colour by repetition."""
    if image.dtype == np.uint8 or channels == image.shape[-1]:
        return decode.to_channels(image, channels)
    if channels == 3:
        return np.repeat(image, 3, axis=-1)
    grey = (image.astype(np.float64) @ _LUMA)[..., None]
    return (grey if image.dtype == np.float32 else np.round(grey)).astype(image.dtype)


def _open(file, name, question):
    with decode.reasons(name, _FORMATS):
        start = file.read(26)
        file.seek(0)
        if not start:
            raise decode.CorruptImageError(name, "the file is empty")
        if start.startswith(_NPY):
            return question(_Npy(file))
        if start.startswith(_TIFF):
            return _tiff(file, question)
        from PIL import Image

        with Image.open(file, formats=decode.FORMATS) as image:
            deep = start.startswith(_PNG) and start[24] == 16
            return question(_DeepPng(image, file) if deep else _Pillow(image, file))


def _tiff(file, question):
    """Ask tifffile, or Pillow where that knows more."""
    import tifffile

    with _complaints_raised("tifffile"), tifffile.TiffFile(file) as tiff:
        page = tiff.pages[0]
        plain = page.photometric in (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.RGB)
        if plain and _can_decompress(page.compression):
            return question(_Tiff(tiff))
    from PIL import Image

    file.seek(0)
    with Image.open(file, formats=("TIFF",)) as image:
        return question(_Pillow(image, file))


@contextlib.contextmanager
def _complaints_raised(library):
    """Raise the errors that a library only writes to its log: tifffile then leaves out tags and pages."""
    complaints = _Complaints(logging.ERROR)
    logger = logging.getLogger(library)
    logger.addHandler(complaints)
    try:
        yield
    finally:
        logger.removeHandler(complaints)
    if complaints.messages:
        raise ValueError(complaints.messages[0])


class _Complaints(logging.Handler):
    """Keeps the messages of the thread that made it."""

    def __init__(self, level):
        super().__init__(level)
        self.messages = []
        self._mine = threading.get_ident()

    def emit(self, record):
        if threading.get_ident() == self._mine:
            self.messages.append(record.getMessage())


def _can_decompress(compression):
    import tifffile

    try:
        return tifffile.TIFF.DECOMPRESSORS[compression] is not None or compression == 1
    except KeyError:  # The package that would do it is not installed.
        return False


class _Pillow:
    """An image that Pillow reads, 8 bits a channel."""

    def __init__(self, image, file):
        self.image = image
        self.channels = 1 if self.image.mode in ("1", "L", "LA", "La") else 3
        self.orientation = _orientation(image, file)

    def header(self):
        return _header((self.image.height, self.image.width, self.channels), np.uint8, self.orientation)

    def pixels(self):
        if self.image.mode.startswith(("I", "F")):
            raise ValueError(f"pixels of the kind {self.image.mode!r} are not read from this format")
        self.image.load()
        return _upright(decode.to_array(self.image, self.channels), self.orientation)


def _orientation(image, file):
    """Return how an image lies by its EXIF data, 1 to 8. A PNG is only decoded if something follows its pixels."""
    from PIL import Image

    if image.format == "TIFF":
        return 1  # Pillow turns the pixels and exchanges the sides itself.
    if image.format == "PNG" and not _ends_with_pixels(file):
        image.load()
    return Image.Image.getexif(image).get(_ORIENTATION, 1)


def _ends_with_pixels(file):
    """Return whether no chunk of a PNG but the end mark comes after the pixels."""
    position, kind, before = len(_PNG), b"", b""
    while kind != b"IEND":
        before = kind
        file.seek(position)
        head = file.read(8)
        if len(head) < 8:  # What is missing is told when the pixels are read.
            return True
        kind = head[4:]
        position += 12 + int.from_bytes(head[:4], "big")
    return before == b"IDAT"


class _DeepPng:
    """A PNG of 16 bits a channel."""

    def __init__(self, image, file):
        self.image = image
        self.file = file
        self.file.seek(25)
        self.channels = 3 if self.file.read(1)[0] & 2 else 1  # The kinds of PNG: 0 and 4 are grey, 2 and 6 colour.
        self.orientation = _orientation(image, file)

    def header(self):
        return _header((self.image.height, self.image.width, self.channels), np.uint16, self.orientation)

    def pixels(self):
        import tensorflow as tf

        self.image.load()
        self.file.seek(0)
        decoded = tf.io.decode_png(self.file.read(), channels=0, dtype=tf.uint16).numpy()
        return _upright(decoded[..., : self.channels], self.orientation)


class _Tiff:
    """A TIFF whose bands or pages are channels."""

    def __init__(self, tiff):
        self.series = tiff.series[0]
        page = tiff.pages[0]
        tag = page.tags.get(_ORIENTATION)
        self.orientation = int(tag.value) if tag else 1
        # Kinds 1 and 2 of extra samples are transparency.
        self.alpha = sum(int(kind) in (1, 2) for kind in page.extrasamples)
        sizes = [(axis, size) for axis, size in zip(self.series.axes, self.series.shape) if axis in "YX" or size > 1]
        self.axes = "".join(axis for axis, _ in sizes)
        if len(sizes) > 3 or set("YX") - set(self.axes):
            raise ValueError(f"it has the axes {self.series.axes} of {self.series.shape}: expected one image")
        self.shape = tuple(size for _, size in sizes)

    def header(self):
        sizes = dict(zip(self.axes, self.shape))
        height, width = sizes.pop("Y"), sizes.pop("X")
        channels = next(iter(sizes.values()), 1) - self.alpha * bool(sizes)
        return _header((height, width, channels), self.series.dtype, self.orientation)

    def pixels(self):
        array = self.series.asarray().reshape(self.shape)
        axes = self.axes
        if len(axes) == 2:
            array, axes = array[..., None], axes + "S"
        channel = next(axis for axis in axes if axis not in "YX")
        array = array.transpose([axes.index(axis) for axis in ("Y", "X", channel)])
        return _upright(array[..., : array.shape[-1] - self.alpha] if self.alpha else array, self.orientation)


class _Npy:
    """An array written by `numpy.save`, `(height, width)` or `(height, width, channels)`."""

    def __init__(self, file):
        self.file = file

    def header(self):
        version = np.lib.format.read_magic(self.file)
        read_header = np.lib.format.read_array_header_1_0 if version < (2, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(self.file)
        return _header(self._checked(shape), dtype, 1)

    def pixels(self):
        array = np.load(io.BytesIO(self.file.read()), allow_pickle=False)
        return array.reshape(self._checked(array.shape))

    def _checked(self, shape):
        if len(shape) not in (2, 3) or 0 in shape:
            raise ValueError(f"the array has the shape {shape}: expected (height, width) or (height, width, channels)")
        return (*shape, 1)[:3]


def _header(shape, dtype, orientation):
    height, width, channels = (int(size) for size in shape)
    dtype = np.dtype(dtype).name
    kept = {"bool": "uint8", "uint8": "uint8", "uint16": "uint16"}.get(dtype, "float32")
    return Header(*((width, height) if 5 <= orientation <= 8 else (height, width)), channels, kept)


def _upright(array, orientation):
    """Turn pixels as one of the eight orientations of EXIF says."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array


def _kept_types(array):
    """Return pixels as uint8, uint16, or float32 in [0, 1]."""
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind == "u":
        array = array.astype(array.dtype.newbyteorder("="))
        whole = array.dtype in (np.uint8, np.uint16)
        return array if whole else (array / np.iinfo(array.dtype).max).astype(np.float32)
    if array.dtype.kind != "f":
        raise ValueError(f"it holds numbers of type {array.dtype}: expected unsigned integers or floats in [0, 1]")
    low, high = float(array.min()), float(array.max())
    if not 0.0 <= low <= high <= 1.0:
        raise ValueError(f"it holds floats from {low:g} to {high:g}: expected floats in [0, 1]")
    return array.astype(np.float32)
