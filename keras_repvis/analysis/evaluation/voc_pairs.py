"""Pairs of PASCAL VOC: photographs whose classes have boxes.

The mask of a class is the union of its boxes, those that PASCAL calls difficult included; a class of which all boxes
are difficult is skipped. The annotations count pixels from 1 and include the last one; TensorFlow Datasets divides
them by the sides as they are, so that a box takes the rows round(ymin H) - 1 to round(ymax H) - 1, and columns
likewise.

PASCAL's difficult boxes are not the difficult pairs of the pointing game, see `pointing_pairs`.
"""

import os

import numpy as np

from keras_repvis import checks
from keras_repvis.analysis.evaluation import pointing_game
from keras_repvis.analysis.evaluation import pointing_pairs
from keras_repvis.analysis.evaluation import tfds_examples

CLASS_NAMES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)


class VOCPairs:
    """Pairs of an image and a class of PASCAL VOC, as TorchRay makes them.

    Args:
        split: "test" (default, as in TorchRay), "train", "validation" or a part such as "test[:100]".
        year: "2007" (default, as in TorchRay) or "2012", whose test split has no annotations.
        data_dir: Where TensorFlow Datasets keeps its data sets, or None.
        difficult: None for the rule, or the path of a file of flags; see `pointing_pairs`.

    Attributes:
        name: "voc", the year and the split.
        class_names: Tuple of 20 strings.
        tolerance: 15 pixels.
        masks: "boxes".

    Raises:
        ValueError: If the split or the year is unknown, or the flags cannot be read.

    Example:
        >>> pairs = keras_repvis.analysis.evaluation.VOCPairs()
        >>> pairs.name, len(pairs.class_names), pairs.tolerance, pairs.masks
        ('voc/2007, test', 20, 15, 'boxes')

    Reference:
        Everingham et al., "The PASCAL Visual Object Classes (VOC) Challenge", 2010.
    """

    class_names = CLASS_NAMES
    tolerance = 15
    masks = "boxes"

    def __init__(self, split="test", year="2007", data_dir=None, difficult=None):
        checks.one_of("year", year, ("2007", "2012"))
        self._examples = tfds_examples.TFDSExamples(f"voc/{year}", split, data_dir)
        self._is_difficult = pointing_pairs.difficulty(difficult, len(CLASS_NAMES))
        self.name = f"voc/{year}, {split}"

    def __iter__(self):
        for example in self._examples:
            yield from self._pairs(example)

    def _pairs(self, example):
        image, objects = example["image"], example["objects"]
        name = os.path.splitext(example["image/filename"].decode())[0]
        labels, boxes = objects["label"], objects["bbox"]
        for label in np.unique(labels[~objects["is_difficult"]]):
            mask = pointing_game.box_mask(_pixels(boxes[labels == label], image.shape[:2]), image.shape[:2])
            difficult = self._is_difficult(name, label, labels, boxes)
            yield pointing_pairs.PointingPair(image, int(label), mask, difficult, name)


def _pixels(boxes, size):
    """Return the boxes (n, 4) as first row, first column, row and column after the last."""
    pixels = np.round(boxes.astype(np.float64) * np.tile(size, 2)).astype(int)
    return pixels - [1, 1, 0, 0]
