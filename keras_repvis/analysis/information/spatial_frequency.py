"""How much of an image lies at which spatial frequency, and images without some of their frequencies.

The image goes on beyond its borders as its mirror image, so its spectrum is that of the cosine transform (DCT-II,
orthonormal), and a jump from one border to the opposite one, which fills the high frequencies of a Fourier transform,
is not there. The coefficient (k, l) of an image of height H and width W has the frequency

    f = sqrt((k / 2H)^2 + (l / 2W)^2)      in cycles per pixel,

0 for the mean, 0.5 for stripes that change from pixel to pixel, 0.707 for a chess board. The sum of the squares of the
coefficients is that of the pixels (Parseval), and white noise of standard deviation s has the power s^2 at each f.
"""

import dataclasses
import functools

import numpy as np
from scipy import fft

from keras_repvis import checks

# The frequency of a chess board.
HIGHEST = float(np.sqrt(0.5))
_GREY_LEVELS = 255.0


@dataclasses.dataclass(frozen=True)
class RadialSpectrum:
    """Power of images against frequency, averaged over directions and channels.

    Args:
        frequencies: float array (bins,), the middle of each bin, in cycles per pixel, from 0 to 0.707.
        power: float array (images, bins): mean square of the coefficients of a bin, without the mean of the image, in
            squared grey levels; NaN where an image has no coefficient. Its root is the standard deviation of white
            noise that has as much there.

    Example:
        >>> import numpy as np
        >>> noise = np.random.default_rng(0).normal(0.5, 2 / 255, (1, 64, 64, 3))
        >>> spectrum = radial_spectrum(noise, bins=4)
        >>> np.sqrt(spectrum.power).round(1)
        array([[2., 2., 2., 2.]])
    """

    frequencies: np.ndarray
    power: np.ndarray


def radial_spectrum(images, bins=48):
    """Return the power of images against spatial frequency.

    Args:
        images: Array (images, height, width, channels) in [0, 1].
        bins: Integer >= 1, rings of equal width between 0 and 0.707 cycles per pixel. Default 48.

    Returns:
        `RadialSpectrum`.

    Raises:
        ValueError: If `bins` is out of range.

    Example:
        >>> import numpy as np
        >>> from keras_repvis.analysis import information
        >>> board = np.indices((16, 16)).sum(0) % 2
        >>> spectrum = information.radial_spectrum(board[None, :, :, None], bins=10)
        >>> int(spectrum.power.argmax()), round(float(spectrum.frequencies[-1]), 3)
        (9, 0.672)
    """
    checks.number("bins", bins, low=1, integer=True)
    images = np.asarray(images)
    rings = np.minimum((_frequencies(*images.shape[1:3]) / HIGHEST * bins).astype(int), bins - 1)
    rings[0, 0] = bins  # The mean of the image belongs to none.
    counts = np.bincount(rings.ravel(), minlength=bins + 1)[:bins]
    power = []
    for image in images:
        squares = np.square(_transform(image[None])[0]).mean(axis=-1)
        power.append(np.bincount(rings.ravel(), squares.ravel(), bins + 1)[:bins])
    with np.errstate(invalid="ignore"):
        means = np.where(counts > 0, np.array(power) / counts, np.nan)
    return RadialSpectrum((np.arange(bins) + 0.5) * HIGHEST / bins, _GREY_LEVELS**2 * means)


def keep_band(images, low, high):
    """Return images with nothing but the frequencies low <= f < high; f = 0 is their mean.

    Args:
        images: Array (images, height, width, channels).
        low: Number, in cycles per pixel.
        high: Number, in cycles per pixel; above 0.707 nothing is cut off.

    Returns:
        float32 array like `images`.

    Example:
        >>> import numpy as np
        >>> from keras_repvis.analysis import information
        >>> board = np.indices((16, 16)).sum(0)[None, :, :, None] % 2
        >>> bool(information.keep_band(board, 0.0, 0.2).std() < 0.02)
        True
    """
    frequencies = _frequencies(*np.shape(images)[1:3])
    kept = ((frequencies >= low) & (frequencies < high))[None, :, :, None]
    return fft.idctn(kept * _transform(images), axes=(1, 2), norm="ortho").astype("float32")


def band_amplitude(images, low, high):
    """Return the standard deviation (images,) of the part low <= f < high of images without their mean, grey levels."""
    frequencies = _frequencies(*np.shape(images)[1:3])
    kept = (frequencies >= low) & (frequencies < high) & (frequencies > 0)
    squares = np.square(_transform(images)).mean(axis=-1)
    return _GREY_LEVELS * np.sqrt((squares * kept).sum(axis=(1, 2)) / kept.size)


def _transform(images):
    return fft.dctn(np.asarray(images, "float64"), axes=(1, 2), norm="ortho")


@functools.lru_cache(maxsize=8)
def _squares(height, width):
    return np.square(np.arange(height) / (2 * height))[:, None] + np.square(np.arange(width) / (2 * width))


def _frequencies(height, width):
    return np.sqrt(_squares(height, width))
