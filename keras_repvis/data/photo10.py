"""Which of ten photographs is this small crop from? A ten-class set of real pixels that needs no download.

Image i of split s (0 train, 1 test) has the label i modulo 10, the number of its photograph, and depends on
`numpy.random.default_rng([32, s, i])` alone. Training crops come from the columns [0, .6 W) of the photograph, test
crops from [.65 W, W), so no pixel is in both. In this order are drawn: the side U(24, 72) in pixels, cut to what fits;
the left and the top edge, uniform over the places where the crop fits; a mirror image if U(0, 1) < .5; a permutation
of the channels. The crop is sampled bilinearly at 32x32 points at half-pixel centres, clamped to the strip. Colours are
then x <- .5 + .2 (x - mean) / std, with the mean of each channel and the standard deviation of all values of the crop
(plus 1e-8, so that a black piece of sky becomes grey), cut to [0, 1] and rounded to 255 levels: neither brightness nor
hue gives the photograph away.
"""

import numpy as np

from keras_repvis.data import digits
from keras_repvis.data import photographs

PHOTOGRAPHS = (
    "astronaut",
    "chelsea",
    "coffee",
    "rocket",
    "hubble_deep_field",
    "retina",
    "ihc",
    "motorcycle_left",
    "china",
    "flower",
)
SIZES = {"train": 5000, "test": 2000}
_SEED = 32
_SIDE = 32


def columns(split, width):
    """Return the first column and the one after the last that crops of `split` may use in a photograph `width` wide."""
    return {"train": (0, width * 60 // 100), "test": (-(-width * 65 // 100), width)}[split]


def generate(split, count=None):
    """Return the images, uint8 `(n, 32, 32, 3)`, and the labels, int64 `(n,)`, of `split`.

    Args:
        split: "train" (5,000 images) or "test" (2,000).
        count: Only the first `count` images; None for all.

    Returns:
        Pair of arrays.

    Example:
        >>> from keras_repvis.data import photo10
        >>> images, labels = photo10.generate("train", 64)
        >>> round(float(images.mean()), 1)
        127.2
    """
    count = SIZES[split] if count is None else count
    strips = []
    for name in PHOTOGRAPHS:
        photograph = photographs.load(name)
        strips.append(photograph[:, slice(*columns(split, photograph.shape[1]))])
    labels = np.arange(count, dtype=np.int64) % len(PHOTOGRAPHS)
    images = np.empty((count, _SIDE, _SIDE, 3), np.uint8)
    for i, label in enumerate(labels):
        images[i] = _image(strips[label], np.random.default_rng([_SEED, digits.SPLITS.index(split), i]))
    return images, labels


def _image(strip, random):
    height, width = strip.shape[:2]
    side = min(random.uniform(24.0, 72.0), height, width)
    left = random.uniform(0.0, width - side)
    top = random.uniform(0.0, height - side)
    crop = _bilinear(strip, top, left, side)
    if random.random() < 0.5:
        crop = crop[:, ::-1]
    crop = crop[..., random.permutation(3)]
    whitened = 0.5 + 0.2 * (crop - crop.mean((0, 1))) / (crop.std() + 1e-8)
    return np.round(255.0 * np.clip(whitened, 0.0, 1.0)).astype(np.uint8)


def _bilinear(strip, top, left, side):
    """Sample the square at (`top`, `left`) of `side` pixels at 32x32 half-pixel centres; values in [0, 1]."""
    rows, a = _neighbours(top, side, strip.shape[0])
    cols, b = _neighbours(left, side, strip.shape[1])
    a, b = a[:, None, None], b[None, :, None]
    pixels = strip[rows[:, :, None, None], cols] / 255.0
    upper = (1 - b) * pixels[0, :, 0] + b * pixels[0, :, 1]
    lower = (1 - b) * pixels[1, :, 0] + b * pixels[1, :, 1]
    return (1 - a) * upper + a * lower


def _neighbours(start, side, length):
    """Return the two pixels around each of the 32 points along one axis, `(2, 32)`, and the weight of the second."""
    points = np.clip(start + (np.arange(_SIDE) + 0.5) * side / _SIDE - 0.5, 0.0, length - 1.0)
    first = np.minimum(np.floor(points).astype(np.int64), length - 2)
    return np.stack([first, first + 1]), points - first
