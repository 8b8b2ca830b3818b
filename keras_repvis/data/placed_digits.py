"""Digits placed on photographs: several classes an image, and for every pixel the class it shows.

Where an explanation should point is known here to the pixel. The digits are scikit-learn's scans, the photographs
those that scikit-image and scikit-learn bring along; the splits share neither a scan nor a photograph.

Image i of split s (0 train, 1 validation, 2 test) depends on `numpy.random.default_rng([34, s, i])` alone. In this
order are drawn: a permutation of the ten classes; the number n of digits, 2 or 3, which have the first n classes of
it; for each the number of its scan among those of its class in the split; the sides c of a cell of each scan, U(1.5,
3) pixels; the contrasts a, U(.4, 1); the upper left corners, uniform over the places where boxes of 9 c pixels lie
within the image, all again until no two boxes overlap; the photograph; the factor f, 1, 2 or 3; the top and the left
edge of a crop of 64 f pixels; a mirror image of it if U(0, 1) < .5; a permutation of its channels. The crop's means
over blocks of f pixels, in [0, 1], are the background x.

The ink of a digit is its scan, in [0, 1], sampled bilinearly at the centres of the pixels and 0 outside; cell (0, 0)
has its centre c to the right of and below the corner, so that all ink lies in the box. The digit shows where its ink
is at least .5: there the mask is its class + 1, elsewhere 0. With the tone t = 1 (light) if the mean of x over these
pixels and the channels is below .5, else 0 (dark), x <- x + a ink (t - x). The result is rounded to 255 levels.
"""

import dataclasses

import numpy as np

from keras_repvis import checks
from keras_repvis.data import digits
from keras_repvis.data import photographs

SPLITS = ("train", "validation", "test")
PHOTOGRAPHS = {
    "train": ("china", "flower", "coffee", "chelsea"),
    "validation": ("hubble_deep_field", "retina"),
    "test": ("astronaut", "rocket", "motorcycle_left", "ihc"),
}
SIZES = {"train": 4000, "validation": 500, "test": 1000}
SIDE = 64
CLASSES = 10
_SEED = 34
_VALIDATION_SCANS = 200
_CELLS = (1.5, 3.0)
_CONTRASTS = (0.4, 1.0)


@dataclasses.dataclass(frozen=True)
class Placed:
    """An image and what is known of it.

    Attributes:
        image: uint8 array (64, 64, 3).
        mask: uint8 array (64, 64): class + 1 where a digit shows, else 0.
        labels: int64 array (n,), the classes in the order in which they were drawn.
        indices: int64 array (n,), numbers of the scans in `sklearn.datasets.load_digits()`.
        boxes: float64 array (n, 4): top, left, bottom and right edge of what shows, in pixels from the corner.
    """

    image: np.ndarray
    mask: np.ndarray
    labels: np.ndarray
    indices: np.ndarray
    boxes: np.ndarray


def split_indices(split):
    """Return the numbers of the scans of a split: 1,097 for "train", 200 for "validation", 500 for "test".

    Those of "test" are the test digits of `repvis_digits`; those of "validation" the last 200 of its training digits.

    Args:
        split: "train", "validation" or "test".

    Returns:
        int64 array.

    Raises:
        ValueError: If there is no such split.

    Example:
        >>> from keras_repvis.data import placed_digits
        >>> [len(placed_digits.split_indices(split)) for split in placed_digits.SPLITS]
        [1097, 200, 500]
    """
    checks.one_of("split", split, SPLITS)
    if split == "test":
        return digits.split_indices("test")
    training = digits.split_indices("train")
    return training[:-_VALIDATION_SCANS] if split == "train" else training[-_VALIDATION_SCANS:]


def generate(split, count=None):
    """Yield the images of `split` in order.

    Args:
        split: "train" (4,000 images), "validation" (500) or "test" (1,000).
        count: Only the first `count` images; None for all.

    Yields:
        `Placed`.

    Raises:
        ValueError: If there is no such split.

    Example:
        >>> from keras_repvis.data import placed_digits
        >>> first = next(placed_digits.generate("test"))
        >>> first.labels.tolist(), sorted(set(first.mask.ravel().tolist()))
        ([4, 6], [0, 5, 7])
    """
    scans, targets = digits.scans()
    mine = split_indices(split)
    by_class = [mine[targets[mine] == label] for label in range(CLASSES)]
    for i in range(SIZES[split] if count is None else count):
        random = np.random.default_rng([_SEED, SPLITS.index(split), i])
        labels = random.permutation(CLASSES)[: 2 + random.integers(2)]
        yield _image(split, labels, by_class, scans, random)


def _image(split, labels, by_class, scans, random):
    numbers = random.integers([len(by_class[label]) for label in labels])
    indices = np.array([by_class[label][number] for label, number in zip(labels, numbers)])
    cells = random.uniform(*_CELLS, len(labels))
    contrasts = random.uniform(*_CONTRASTS, len(labels))
    corners = _corners(cells, random)
    image = _background(split, random)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    boxes = []
    for label, index, cell, contrast, corner in zip(labels, indices, cells, contrasts, corners):
        ink = _ink(scans[index] / 16.0, cell, corner)
        shows = ink >= 0.5
        tone = float(image[shows].mean() < 0.5)
        image += (contrast * ink)[..., None] * (tone - image)
        mask[shows] = label + 1
        boxes.append(_box(shows))
    pixels = np.round(255.0 * np.clip(image, 0.0, 1.0)).astype(np.uint8)
    return Placed(pixels, mask, labels.astype(np.int64), indices, np.array(boxes))


def _corners(cells, random):
    """Return the tops and lefts (n, 2) of disjoint boxes of 9 `cells` pixels."""
    sides = 9.0 * cells[:, None]
    first, second = np.triu_indices(len(cells), 1)
    while True:
        corners = random.uniform(0.0, SIDE - sides, (len(cells), 2))
        ends = corners + sides
        apart = (ends[first] <= corners[second]) | (ends[second] <= corners[first])
        if apart.any(axis=1).all():
            return corners


def _background(split, random):
    names = PHOTOGRAPHS[split]
    photograph = photographs.load(names[random.integers(len(names))])
    factor = 1 + random.integers(3)
    side = SIDE * factor
    height, width = photograph.shape[:2]
    top, left = random.integers(height - side + 1), random.integers(width - side + 1)
    crop = photograph[top : top + side, left : left + side].astype(np.float64)
    crop = sum(crop[i::factor, j::factor] for i in range(factor) for j in range(factor)) / (255.0 * factor**2)
    if random.random() < 0.5:
        crop = crop[:, ::-1]
    return crop[..., random.permutation(3)]


def _ink(scan, cell, corner):
    """Return the ink of `scan` (8, 8) at every pixel, (64, 64)."""
    down, across = (np.maximum(0.0, 1.0 - np.abs(_cells(start, cell)[:, None] - np.arange(8))) for start in corner)
    return down @ scan @ across.T


def _cells(start, cell):
    """Return where the centres of the 64 pixels lie along one axis, counted in cells from the centre of the first."""
    return (np.arange(SIDE) + 0.5 - start) / cell - 1.0


def _box(shows):
    rows, columns = np.flatnonzero(shows.any(1)), np.flatnonzero(shows.any(0))
    return [float(edge) for edge in (rows[0], columns[0], rows[-1] + 1, columns[-1] + 1)]
