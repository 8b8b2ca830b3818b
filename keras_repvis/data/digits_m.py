"""Digits blended into photographs: the MNIST-M idea on data that needs no download.

Image i of split s (0 train, 1 test) depends on `numpy.random.default_rng([31, s, i])` alone. From it are drawn, in this
order, an angle in +-15 degrees, a scale of 3 U(.85, 1.15) pixels a cell, a vertical and a horizontal shift in +-2
pixels, the photograph (one of four), and the top and the left edge of a 32x32 patch of it. The digit, base image
number i modulo their number, is sampled bilinearly with these (no ink outside its 8x8 cells) and the image is
|patch - ink| for each channel, both in [0, 1], rounded to 255 levels.

Training and test images share neither a base digit nor a photograph.

Reference:
    Ganin & Lempitsky, 2015, Unsupervised Domain Adaptation by Backpropagation, section 4.1 (the blend).
"""

import math

import numpy as np

from keras_repvis.data import digits
from keras_repvis.data import photographs

PHOTOGRAPHS = {
    "train": ("china", "flower", "coffee", "chelsea"),
    "test": ("astronaut", "rocket", "motorcycle_left", "ihc"),
}
SIZES = {"train": 6485, "test": 2000}
_SEED = 31
_SIDE = 32
_CHUNK = 256


def generate(split, count=None):
    """Return the images, uint8 `(n, 32, 32, 3)`, the labels, int64, and the indices of the base digits of `split`.

    Args:
        split: "train" (6,485 images: five of each base digit) or "test" (2,000: four of each).
        count: Only the first `count` images; None for all.

    Returns:
        Triple of arrays.

    Example:
        >>> from keras_repvis.data import digits_m
        >>> images, labels, indices = digits_m.generate("train", 64)
        >>> round(float(images.mean()), 3)
        96.327
    """
    count = SIZES[split] if count is None else count
    scans, targets = digits.scans()
    base = digits.split_indices(split)
    indices = base[np.arange(count) % len(base)]
    draws = [_draw(split, i) for i in range(count)]
    images = np.empty((count, _SIDE, _SIDE, 3), np.uint8)
    for start in range(0, count, _CHUNK):
        chunk = slice(start, start + _CHUNK)
        ink = _ink(scans[indices[chunk]], np.array([draw[:5] for draw in draws[chunk]]))
        patches = np.stack([_patch(*draw[5:]) for draw in draws[chunk]])
        blend = np.abs(patches / 255.0 - ink[..., None])
        images[chunk] = np.round(255.0 * np.clip(blend, 0.0, 1.0)).astype(np.uint8)
    return images, targets[indices], indices


def _draw(split, i):
    """Return cosine, sine, scale, vertical and horizontal shift, photograph, top and left of image `i`."""
    random = np.random.default_rng([_SEED, digits.SPLITS.index(split), i])
    angle = math.radians(random.uniform(-15.0, 15.0))
    scale = 3.0 * random.uniform(0.85, 1.15)
    down, right = random.uniform(-2.0, 2.0, 2)
    name = PHOTOGRAPHS[split][random.integers(4)]
    height, width = photographs.load(name).shape[:2]
    top, left = random.integers(height - _SIDE), random.integers(width - _SIDE)
    return math.cos(angle), math.sin(angle), scale, down, right, name, top, left


def _patch(name, top, left):
    return photographs.load(name)[top : top + _SIDE, left : left + _SIDE]


def _ink(scans, warps):
    """Return the ink in [0, 1], `(n, 32, 32)`, of `scans` `(n, 8, 8)` under the turns, scales and shifts `(n, 5)`."""
    cosine, sine, scale, down, right = (column[:, None, None] for column in warps.T)
    grid = np.arange(_SIDE) - 15.5
    y, x = grid[None, :, None] - down, grid[None, None, :] - right
    u = (cosine * y + sine * x) / scale + 3.5
    v = (-sine * y + cosine * x) / scale + 3.5
    return _bilinear_or_zero(scans / 16.0, u, v)


def _bilinear_or_zero(images, u, v):
    # Two rows and columns of zeros on each side let every clamped neighbour outside read a zero.
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    top, left = np.floor(u), np.floor(v)
    a, b = u - top, v - left
    i = np.clip(top, -2, 8).astype(np.int64) + 2
    j = np.clip(left, -2, 8).astype(np.int64) + 2
    n = np.arange(len(images))[:, None, None]
    return (
        (1 - a) * (1 - b) * padded[n, i, j]
        + (1 - a) * b * padded[n, i, j + 1]
        + a * (1 - b) * padded[n, i + 1, j]
        + a * b * padded[n, i + 1, j + 1]
    )
