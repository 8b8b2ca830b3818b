"""What can happen to an image between two models: noise, rounding, compression, blur, a change of size, lost bands.

Each is a family with a level, none of which moves or replaces anything. The result is clipped to [0, 1].
"""

import dataclasses
import io
from collections.abc import Callable

import numpy as np
from PIL import Image
from scipy import ndimage

from keras_repvis import checks
from keras_repvis.analysis.information import spatial_frequency
from keras_repvis.analysis.information.translation_pair import GREY_LEVELS, store

# The standard deviations in grey levels at which Almahairi et al. measured: s / 127.5 for images in [-1, 1].
PUBLISHED_LEVELS = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0)


@dataclasses.dataclass(frozen=True)
class Corruption:
    """A family of changes to images, and the levels to try.

    Args:
        name: String, for tables and figures.
        unit: String, what a level is measured in.
        levels: Tuple of numbers, from the weakest to the strongest.
        prepare: Function of (images, their numbers in the whole set) that returns a function of a level, which returns
            the changed images. What all levels share is made once.

    Example:
        >>> import numpy as np
        >>> from keras_repvis.analysis import information
        >>> darker = information.Corruption("darker", "share", (0.0, 0.5), lambda images, numbers: (
        ...     lambda level: images * (1 - level)))
        >>> float(darker.prepare(np.ones((1, 2, 2, 1)), [0])(0.5).max())
        0.5
    """

    name: str
    unit: str
    levels: tuple
    prepare: Callable


def noise(levels=PUBLISHED_LEVELS, width=0.0, seed=0):
    """Additive Gaussian noise, white or low-passed, each channel on its own.

    Noise of a width is white noise after a Gaussian blur with periodic borders, multiplied so that its standard
    deviation is the level again. The noise of an image is the same at all levels, and at all widths before the blur;
    it depends on the seed and the image's number alone.

    Args:
        levels: Standard deviations in grey levels; default the published grid.
        width: Number >= 0, standard deviation of the blur in pixels. Default 0: white.
        seed: Integer >= 0.
    """
    seed = int(checks.number("seed", seed, low=0, integer=True))
    width = float(checks.number("noise_widths", width, low=0))

    def prepare(images, numbers):
        draws = [np.random.default_rng((seed, number)).standard_normal(images.shape[1:]) for number in numbers]
        unit = np.stack([_low_passed(draw, width) for draw in draws])
        return lambda level: np.clip(images + level / GREY_LEVELS * unit, 0, 1).astype("float32")

    name = f"noise, blurred by {width:g} px" if width else "white noise"
    return Corruption(name, "grey levels", _numbers("noise_levels", levels, low=0), prepare)


def rounding(bits=(8, 7, 6, 5, 4)):
    """Rounding to 2^bits equally spaced levels, black and white among them."""
    bits = _numbers("bits", bits, low=1, high=16, integer=True)
    return Corruption("rounding", "bits", bits, lambda images, _: lambda level: store(images, level))


def jpeg(qualities=(95, 90, 75, 50, 25)):
    """JPEG files of a quality as Pillow writes them: the tables of libjpeg, colour at half the resolution."""
    qualities = _numbers("jpeg_qualities", qualities, low=1, high=100, integer=True)

    def prepare(images, _):
        if images.shape[-1] not in (1, 3):
            raise ValueError(
                f"jpeg_qualities={qualities} is not accepted for images of {images.shape[-1]} channels: expected ()."
            )
        return lambda level: np.stack([_through_jpeg(image, int(level)) for image in images])

    return Corruption("JPEG", "of 100", qualities, prepare)


def blur(widths=(0.5, 1.0, 2.0)):
    """Gaussian blur of a standard deviation in pixels, with mirrored borders."""
    widths = _numbers("blur_widths", widths, low=0)

    def prepare(images, _):
        return lambda level: _clipped(ndimage.gaussian_filter(images, (0, level, level, 0), mode="reflect"))

    return Corruption("blur", "px", widths, prepare)


def resize(factors=(2.0, 4.0)):
    """Scaled down by a factor and up again, both bicubic and smoothed against aliases where it shrinks."""
    factors = _numbers("resize_factors", factors, low=1)

    def prepare(images, _):
        return lambda level: _there_and_back(images, level)

    return Corruption("smaller and back", "times", factors, prepare)


def low_pass(cutoffs):
    """Nothing but the frequencies below a cutoff in cycles per pixel; see `spatial_frequency`."""

    def prepare(images, _):
        return lambda level: _clipped(spatial_frequency.keep_band(images, 0.0, level))

    return Corruption("low-pass", "cycles/pixel", _numbers("cutoffs", cutoffs, above=0), prepare)


def band_stop(edges):
    """Without the frequencies from an edge to the next; the level is the number of the band, from 0.

    The mean of an image is in no band: without it an image is another one altogether.
    """
    edges = _numbers("edges", edges, low=0)
    lowest = float(np.nextafter(0, 1))

    def prepare(images, _):
        def without(level):
            return _clipped(images - spatial_frequency.keep_band(images, max(edges[level], lowest), edges[level + 1]))

        return without

    return Corruption("band taken out", "number of the band", tuple(range(len(edges) - 1)), prepare)


def _numbers(argument, values, **limits):
    if not isinstance(values, (tuple, list, np.ndarray, range)):
        raise ValueError(f"{argument}={values!r} is not accepted: expected a sequence of numbers.")
    return tuple(checks.number(argument, value, **limits) for value in values)


def _clipped(images):
    return np.clip(images, 0, 1).astype("float32")


def _low_passed(draw, width):
    if not width:
        return draw
    delta = np.zeros((*draw.shape[:2], 1))
    delta[0, 0] = 1
    kernel, found = (ndimage.gaussian_filter(array, (width, width, 0), mode="wrap") for array in (delta, draw))
    return found / np.sqrt(np.square(kernel).sum())


def _through_jpeg(image, quality):
    pixels = np.round(GREY_LEVELS * np.clip(image, 0, 1)).astype("uint8")
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(file, "JPEG", quality=quality)
    with Image.open(file) as read:
        return (np.asarray(read).reshape(image.shape) / GREY_LEVELS).astype("float32")


def _there_and_back(images, factor):
    height, width = images.shape[1:3]
    small = (max(1, round(width / factor)), max(1, round(height / factor)))
    found = np.empty_like(images, "float32")
    for index in np.ndindex(len(images), images.shape[-1]):
        plane = Image.fromarray(np.ascontiguousarray(images[index[0], ..., index[1]], "float32"))
        scaled = plane.resize(small, Image.Resampling.BICUBIC).resize((width, height), Image.Resampling.BICUBIC)
        found[index[0], ..., index[1]] = np.asarray(scaled)
    return np.clip(found, 0, 1)
