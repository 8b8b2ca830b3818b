"""The most salient point of a map: where the map says to look, in pixels of the image as it was given.

A map of h x w values is resized bilinearly to the H x W pixels of the original image, about half-pixel centres: the
value at row r is interpolated at (r + 1/2) h / H - 1/2, cut to [0, h - 1], and columns likewise. Then it may be
smoothed by a Gaussian exp(-t^2 / (2 sigma^2)), |t| <= ceil(4 sigma), normalised to sum 1. The point is the largest
value, the first in reading order among equal ones; of a constant map, not smoothed, it is thus the upper left corner.

The size of sigma is a share of a side of the original image. TorchRay's are presets here: gradient, DeConvNet and
guided backpropagation .02 of the longer side, with the border's values repeated outside; extremal perturbations .09 of
the shorter side, with zeros outside; other methods none. Our extremal perturbations do it themselves, at the size they
are given images.

Reference: Fong, Patrick and Vedaldi, "Understanding Deep Networks via Extremal Perturbations and Smooth Masks", 2019,
and its code, TorchRay.
"""

import dataclasses

import numpy as np

from keras_repvis import checks

SIDES = {"longer": max, "shorter": min}
BORDERS = {"repeat": "nearest", "zero": "constant"}


@dataclasses.dataclass(frozen=True)
class Smoothing:
    """A Gaussian whose width is a share of a side of the image.

    Args:
        share: Number > 0, sigma over the side.
        side: "longer" or "shorter".
        border: "repeat" or "zero", what is taken to lie outside the image.

    Example:
        >>> keras_repvis.analysis.evaluation.Smoothing(0.02).sigma(375, 500)
        10.0
    """

    share: float
    side: str = "longer"
    border: str = "repeat"

    def __post_init__(self):
        checks.number("share", self.share, above=0)
        checks.one_of("side", self.side, SIDES)
        checks.one_of("border", self.border, BORDERS)

    def sigma(self, height, width):
        """Return the standard deviation in pixels for an image of this size."""
        return self.share * SIDES[self.side](height, width)

    def __call__(self, maps):
        """Return maps (..., height, width) smoothed."""
        from scipy import ndimage

        sigma = self.sigma(*maps.shape[-2:])
        radius = int(np.ceil(4 * sigma))
        for axis in (-2, -1):
            maps = ndimage.gaussian_filter1d(maps, sigma, axis, mode=BORDERS[self.border], radius=radius)
        return maps


# By the names of the classes in `attribution`.
_TORCHRAY = {
    "DeConvNet": Smoothing(0.02),
    "ExtremalPerturbation": Smoothing(0.09, "shorter", "zero"),
    "Gradient": Smoothing(0.02),
    "GuidedBackprop": Smoothing(0.02),
}


def torchray_smoothing(method):
    """Return the `Smoothing` that TorchRay uses for a method's maps, None where it uses none.

    Args:
        method: Name of the class of a method, for instance "Gradient"; or a method, whose answer is None too if it has
            smoothed its maps itself.

    Returns:
        `Smoothing` or None.

    Example:
        >>> keras_repvis.analysis.evaluation.torchray_smoothing("Gradient")
        Smoothing(share=0.02, side='longer', border='repeat')
        >>> keras_repvis.analysis.evaluation.torchray_smoothing("GradCAM")
    """
    if isinstance(method, str):
        return _TORCHRAY.get(method)
    return None if getattr(method, "smoothing", 0) else _TORCHRAY.get(type(method).__name__)


def resize_bilinear(maps, size):
    """Resize maps about half-pixel centres, without averaging where they shrink.

    Args:
        maps: Array (..., h, w).
        size: Pair (height, width).

    Returns:
        float64 array (..., height, width).

    Example:
        >>> import numpy as np
        >>> keras_repvis.analysis.evaluation.resize_bilinear(np.array([[0.0, 1.0]]), (1, 4)).tolist()
        [[0.0, 0.25, 0.75, 1.0]]
    """
    maps = np.asarray(maps, np.float64)
    for axis, length in zip((-2, -1), size):
        maps = _resize_axis(maps, axis, length)
    return maps


def most_salient(saliency, size, smoothing=None):
    """Return the point that a map indicates.

    Args:
        saliency: Array (h, w) of finite numbers.
        size: Pair (height, width) of the original image.
        smoothing: `Smoothing` of the map at that size, or None.

    Returns:
        Pair (row, column) of integers, a pixel of the original image.

    Raises:
        ValueError: If the map is not (h, w) or not finite.

    Example:
        >>> import numpy as np
        >>> keras_repvis.analysis.evaluation.most_salient(np.diag([1.0, 2.0]), (8, 8))
        (6, 6)
    """
    saliency = np.asarray(saliency)
    if saliency.ndim != 2 or not saliency.size:
        raise ValueError(f"a map of shape {saliency.shape} is not accepted: expected (height, width).")
    if not np.isfinite(saliency).all():
        raise ValueError("a map is not accepted: it holds NaN or infinite values, so it has no most salient point.")
    saliency = resize_bilinear(saliency, size)
    if smoothing is not None:
        saliency = smoothing(saliency)
    row, column = np.unravel_index(np.argmax(saliency), saliency.shape)
    return int(row), int(column)


def _resize_axis(maps, axis, length):
    count = maps.shape[axis]
    if count == length:
        return maps
    places = np.clip((np.arange(length) + 0.5) * count / length - 0.5, 0, count - 1)
    first = np.floor(places).astype(np.int64)
    share = places - first
    share = share[:, None] if axis == -2 else share
    before, after = (np.take(maps, np.minimum(index, count - 1), axis) for index in (first, first + 1))
    return before + share * (after - before)
