"""The 1,797 scanned digits that scikit-learn brings along, with one fixed split into training and test images."""

import functools

import numpy as np

SPLITS = ("train", "test")
_SPLIT_SEED = 20181003
_TRAIN_SIZE = 1297


@functools.lru_cache(maxsize=1)
def scans():
    """Return the ink counts, uint8 `(1797, 8, 8)` in 0..16, and the digits, int64 `(1797,)`, in scikit-learn's order.

    Reference:
        Alpaydin & Kaynak, 1998, Optical Recognition of Handwritten Digits (test half), UCI Machine Learning
        Repository: counts of inked pixels in 4x4 blocks of 32x32 bitmaps.
    """
    from sklearn import datasets

    bunch = datasets.load_digits()
    return bunch.images.astype(np.uint8), bunch.target.astype(np.int64)


def split_indices(split):
    """Return the indices in scikit-learn's order of the digits in `split`: 1,297 for "train", 500 for "test".

    They are the first 1,297 and the last 500 of `numpy.random.default_rng(20181003).permutation(1797)`.

    Args:
        split: "train" or "test".

    Returns:
        int64 array.

    Example:
        >>> from keras_repvis.data import digits
        >>> digits.split_indices("test").shape
        (500,)
    """
    permutation = np.random.default_rng(_SPLIT_SEED).permutation(1797)
    return {"train": permutation[:_TRAIN_SIZE], "test": permutation[_TRAIN_SIZE:]}[split]


def generate(split):
    """Return the images, uint8 `(n, 8, 8, 1)` = round(255 count / 16), the labels and the indices of `split`."""
    images, labels = scans()
    indices = split_indices(split)
    scaled = np.round(255.0 * images[indices] / 16.0).astype(np.uint8)
    return scaled[..., None], labels[indices], indices
