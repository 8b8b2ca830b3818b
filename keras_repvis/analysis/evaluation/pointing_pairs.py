"""Pairs of an image and a class in it, with the mask of the class: what the pointing game is played on.

A reader yields `PointingPair`s, those of one image one after the other, and has the attributes `name`, `class_names`,
`tolerance` (in pixels, the usual one on these images) and `masks` (what the masks are made of).

A pair is difficult if the object is small and not alone: the boxes of the class have together less than a share of the
image's area, a quarter if nothing else is said, and a box of another class is there. A file of flags replaces this
rule: a line for each image, its name and then for each class 0 or 1, with tabs between. TorchRay brings along such
files for the two sets of the paper; as there, an image that is not listed is difficult.

Reference: Zhang et al., "Top-down Neural Attention by Excitation Backprop", 2016 (the difficult pairs).
"""

import dataclasses
import os
import pathlib

import numpy as np

from keras_repvis import checks


@dataclasses.dataclass(frozen=True)
class PointingPair:
    """An image and one of the classes in it.

    Args:
        image: uint8 array (height, width, channels), the original image.
        label: Integer, the class.
        mask: Bool array (height, width), where the class is.
        difficult: Whether it belongs to the difficult pairs.
        name: The image's, equal for all pairs of it.

    Example:
        >>> pair = next(iter(keras_repvis.analysis.evaluation.PlacedDigitPairs("test[:1]")))
        >>> pair.name, pair.label, pair.image.shape, pair.mask.shape, pair.difficult
        ('test[:1]/0', 4, (64, 64, 3), (64, 64), True)
    """

    image: np.ndarray
    label: int
    mask: np.ndarray
    difficult: bool
    name: str


class SmallAmongOthers:
    """The rule: boxes of the class cover less than `share` of the image, and there is a box of another class."""

    def __init__(self, share):
        self.share = checks.number("share", share, above=0, high=1)

    def __call__(self, name, label, labels, boxes):
        """Return whether class `label` is difficult, from the labels (n,) and boxes (n, 4) in shares of the sides."""
        labels, boxes = np.asarray(labels), np.asarray(boxes, np.float64).reshape(-1, 4)
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        return bool(areas[labels == label].sum() < self.share and np.any(labels != label))


class Flags:
    """What a file of flags says."""

    def __init__(self, path, classes):
        self._flags = {}
        for number, line in enumerate(pathlib.Path(path).read_text(encoding="utf-8").splitlines(), 1):
            name, *flags = line.split("\t")
            if len(flags) != classes or set(flags) - {"0", "1"}:
                raise ValueError(f"{os.fspath(path)}, line {number}: expected a name and {classes} flags, 0 or 1.")
            self._flags[name] = [flag == "1" for flag in flags]

    def __call__(self, name, label, labels, boxes):
        return self._flags[name][label] if name in self._flags else True


def difficulty(difficult, classes, share=0.25):
    """Return the rule for `difficult`, None or the path of a file of flags."""
    return SmallAmongOthers(share) if difficult is None else Flags(difficult, classes)
