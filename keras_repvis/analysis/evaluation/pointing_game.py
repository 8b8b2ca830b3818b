"""The pointing game: whether the most salient point of a map lies on an object of the class that was explained.

For an image and a class c present in it, the map of c indicates one point, see `salient_point`. It is a hit if any
pixel of the mask of c lies within the tolerance t of it, (row - r)^2 + (column - k)^2 < t^2, strictly; 15 pixels of
the original image in TorchRay. The score is the mean over the classes of hits / (hits + misses), over all pairs of
image and class and over the difficult ones, where the object is small and another class is present.

A score says nothing beside what chance reaches: `update_points` scores a point that does not depend on the image, its
centre for instance, and `update_chance` a pixel drawn uniformly, by the probability that it hits. A low score may be
the model's failure as well as the method's.

The interval is the percentile bootstrap over images: pairs of the same image stay together. It holds for the images at
hand as a sample of all images; the model and the method are as they are.

Differs from the reference code: a class without pairs is left out of the mean, where TorchRay counts it as 0 (the same
where every class occurs, as in the whole sets).

Reference: Zhang, Lin, Brandt, Shen and Sclaroff, "Top-down Neural Attention by Excitation Backprop", 2016; Fong,
Patrick and Vedaldi, "Understanding Deep Networks via Extremal Perturbations and Smooth Masks", 2019, and its code,
TorchRay.
"""

import numpy as np

from keras_repvis import checks
from keras_repvis.analysis.evaluation import salient_point

SUBSETS = ("all", "difficult")
# Resamplings that are multiplied at once.
_CHUNK = 100


class PointingGame:
    """Counts hits and misses of maps, or of points, class by class.

    Args:
        classes: Integer >= 1, how many there are.
        tolerance: Number > 0 in pixels of the original image; a hit is nearer than this.
        smoothing: `Smoothing` of the maps at the size of the original image, or None.

    Attributes:
        classes: See Args.
        tolerance: See Args.
        smoothing: See Args.

    Example:
        >>> import numpy as np
        >>> from keras_repvis.analysis.evaluation import PointingGame
        >>> game = PointingGame(classes=2, tolerance=2)
        >>> left = np.zeros((2, 8, 8), bool)
        >>> left[:, :, :4] = True
        >>> maps = np.zeros((2, 4, 4))
        >>> maps[0, 2, 0] = maps[1, 2, 3] = 1
        >>> game.update(maps, left, labels=[0, 1]).tolist()
        [True, False]
        >>> game.score(), game.class_scores().tolist()
        (0.5, [1.0, 0.0])

    Reference:
        Zhang et al., "Top-down Neural Attention by Excitation Backprop", 2016.
    """

    def __init__(self, classes, tolerance=15, smoothing=None):
        self.classes = checks.number("classes", classes, low=1, integer=True)
        self.tolerance = checks.number("tolerance", tolerance, above=0)
        self.smoothing = smoothing
        self._numbers = {}  # image -> its number, in the order of arrival
        self._pairs = []  # (number of the image, label, difficult, share of a hit)

    def update(self, maps, masks, labels, difficult=False, images=None):
        """Score the most salient points of a batch of maps, of any size.

        Args:
            maps: Array (batch, h, w), or list of arrays (h, w).
            masks: Array (batch, height, width) that is not 0 on the class, or list of arrays (height, width), of the
                original images. A class with an empty mask is always missed. For boxes see `box_mask`.
            labels: (batch,) integers, the class of each.
            difficult: Bool or (batch,) bools, whether the pair counts as difficult too.
            images: (batch,) hashable names of the images, equal for pairs of one image; None if all are different.

        Returns:
            Bool array (batch,), which were hits.

        Raises:
            ValueError: If the numbers of maps, masks, labels, difficult and images differ, a map is not finite, or
                there is no such class.
        """
        maps, masks = list(maps), _masks(masks)
        _same_length(masks, maps=maps)
        points = [salient_point.most_salient(map_, mask.shape, self.smoothing) for map_, mask in zip(maps, masks)]
        return self.update_points(points, masks, labels, difficult, images)

    def update_points(self, points, masks, labels, difficult=False, images=None):
        """Score points (batch, 2), pairs (row, column) in pixels, rather than maps; see `update`."""
        points, masks = list(points), _masks(masks)
        _same_length(masks, points=points)
        hits = np.array([is_hit(mask, point, self.tolerance) for mask, point in zip(masks, points)], bool)
        self._add(hits, masks, labels, difficult, images)
        return hits

    def update_chance(self, masks, labels, difficult=False, images=None):
        """Score a pixel drawn uniformly: each pair counts as the probability of a hit, which is returned (batch,)."""
        masks = _masks(masks)
        shares = np.array([near(mask, self.tolerance).mean() for mask in masks])
        self._add(shares, masks, labels, difficult, images)
        return shares

    def class_scores(self, subset="all"):
        """Return hits / (hits + misses) of each class, (classes,); NaN for a class without pairs."""
        hits, pairs = self.counts(subset)
        with np.errstate(invalid="ignore"):
            return hits / pairs

    def score(self, subset="all"):
        """Return the mean of `class_scores` over the classes with pairs; NaN if there are none."""
        return float(_mean_over_classes(*self.counts(subset)))

    def counts(self, subset="all"):
        """Return (hits, hits + misses), arrays (classes,), of the subset "all" or "difficult"."""
        _, labels, hits = self._columns(subset)
        return (
            np.bincount(labels, hits, self.classes).astype(np.float64),
            np.bincount(labels, minlength=self.classes).astype(np.float64),
        )

    def images(self, subset="all"):
        """Return the number of images of the subset "all" or "difficult"."""
        return len(set(self._columns(subset)[0].tolist()))

    def interval(self, subset="all", level=0.95, samples=1000, seed=0):
        """Return (low, high), the percentile bootstrap interval of `score` over the images of the subset.

        Args:
            subset: "all" or "difficult".
            level: Number in (0, 1), the share of resamplings inside.
            samples: Integer >= 1, resamplings.
            seed: Integer.

        Returns:
            Pair of floats; NaN if the subset is empty.
        """
        checks.number("level", level, above=0)
        checks.number("level", 1 - level, above=0)
        checks.number("samples", samples, low=1, integer=True)
        images, labels, hits = self._columns(subset)
        if not len(images):
            return float("nan"), float("nan")
        _, images = np.unique(images, return_inverse=True)
        count = images.max() + 1
        of_image = np.zeros((2, count, self.classes))
        np.add.at(of_image[0], (images, labels), hits)
        np.add.at(of_image[1], (images, labels), 1)
        random = np.random.default_rng(seed)
        scores = []
        for start in range(0, samples, _CHUNK):
            drawn = random.multinomial(count, np.full(count, 1 / count), min(_CHUNK, samples - start))
            scores.append(_mean_over_classes(*(drawn @ of_image)))
        low, high = np.quantile(np.concatenate(scores), [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)

    def _columns(self, subset):
        """Return numbers of images, labels and shares of hits of the pairs of a subset."""
        checks.one_of("subset", subset, SUBSETS)
        rows = [row for row in self._pairs if subset == "all" or row[2]]
        images, labels, _, hits = zip(*rows) if rows else ((),) * 4
        return np.array(images, np.int64), np.array(labels, np.int64), np.array(hits, np.float64)

    def _add(self, hits, masks, labels, difficult, images):
        labels = np.asarray(labels)
        difficult = np.broadcast_to(difficult, len(masks)) if np.ndim(difficult) == 0 else np.asarray(difficult)
        images = [object() for _ in masks] if images is None else list(images)
        _same_length(masks, labels=labels, difficult=difficult, images=images)
        fits = not len(labels) or (np.issubdtype(labels.dtype, np.integer) and 0 <= labels.min())
        if not fits or labels.max(initial=0) >= self.classes:
            accepted = f"expected integers from 0 to {self.classes - 1}"
            raise ValueError(f"labels={labels.tolist()} are not accepted: {accepted}.")
        for image, label, hard, hit in zip(images, labels, difficult, hits):
            number = self._numbers.setdefault(image, len(self._numbers))
            self._pairs.append((number, int(label), bool(hard), float(hit)))


def is_hit(mask, point, tolerance):
    """Return whether a pixel of `mask` (height, width) is nearer than `tolerance` to `point` (row, column).

    Example:
        >>> import numpy as np
        >>> from keras_repvis.analysis.evaluation import pointing_game
        >>> [pointing_game.is_hit(np.eye(1, 9), (0, column), 3) for column in (2, 3)]
        [True, False]
    """
    (top, left), reach = np.floor(np.subtract(point, tolerance)).astype(int), int(np.ceil(2 * tolerance)) + 2
    rows, columns = (
        np.arange(max(start, 0), min(start + reach + 1, length)) for start, length in zip((top, left), mask.shape)
    )
    if not len(rows) or not len(columns):
        return False
    around = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    distances = (rows[:, None] - point[0]) ** 2 + (columns - point[1]) ** 2
    return bool(np.any((around != 0) & (distances < tolerance**2)))


def near(mask, tolerance):
    """Return the bool array (height, width) of the pixels at which a point hits `mask`."""
    from scipy import ndimage

    if not np.any(mask):
        return np.zeros(mask.shape, bool)
    # The nearest pixel itself, because its distance may be rounded.
    indices = ndimage.distance_transform_edt(mask == 0, return_distances=False, return_indices=True)
    offsets = indices - np.indices(mask.shape)
    return (offsets**2).sum(0) < tolerance**2


def box_mask(boxes, size):
    """Return the union of boxes as a mask.

    Args:
        boxes: Integers (number, 4): first row, first column, row after the last, column after the last.
        size: Pair (height, width) of the image.

    Returns:
        Bool array (height, width).

    Example:
        >>> from keras_repvis.analysis.evaluation import box_mask
        >>> box_mask([(0, 1, 1, 3)], (2, 4)).astype(int).tolist()
        [[0, 1, 1, 0], [0, 0, 0, 0]]
    """
    mask = np.zeros(size, bool)
    for top, left, bottom, right in boxes:
        mask[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = True
    return mask


def _mean_over_classes(hits, pairs):
    """Return the mean over the classes with pairs of hits / pairs, both (..., classes)."""
    present = pairs > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = np.where(present, hits / pairs, 0.0)
        return shares.sum(-1) / present.sum(-1)


def _masks(masks):
    masks = [np.asarray(mask) for mask in masks]
    for mask in masks:
        if mask.ndim != 2:
            raise ValueError(f"a mask of shape {mask.shape} is not accepted: expected (height, width).")
    return masks


def _same_length(masks, **others):
    for name, values in others.items():
        if len(values) != len(masks):
            raise ValueError(f"{name} of length {len(values)} are not accepted: there are {len(masks)} masks.")
