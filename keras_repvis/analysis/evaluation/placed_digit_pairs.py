"""Pairs of the bundled set `repvis_placed_digits`: digits on photographs, whose masks are known to the pixel.

The images have 64 x 64 pixels, so the tolerance is 2 rather than 15: 15 of the 500 pixels of the longer side of a
photograph of PASCAL VOC are 1.9 of 64. A digit is small among others if its box has less than 1/24 of the image's
area, as about every second has; a quarter none exceeds.
"""

import numpy as np

from keras_repvis.analysis.evaluation import pointing_pairs
from keras_repvis.analysis.evaluation import tfds_examples


class PlacedDigitPairs:
    """Pairs of an image and a digit on it.

    Args:
        split: "train", "validation", "test" (default) or a part such as "test[:100]".
        data_dir: Where TensorFlow Datasets keeps its data sets, or None.

    Attributes:
        name: "repvis_placed_digits" and the split.
        class_names: Tuple of strings, "0" to "9".
        tolerance: 2 pixels.
        masks: "pixels".

    Example:
        >>> pairs = list(keras_repvis.analysis.evaluation.PlacedDigitPairs("test[:2]"))
        >>> [(pair.name, pair.label, int(pair.mask.sum())) for pair in pairs[:2]]
        [('test[:2]/0', 4, 37), ('test[:2]/0', 6, 52)]
    """

    tolerance = 2
    masks = "pixels"

    def __init__(self, split="test", data_dir=None):
        self._examples = tfds_examples.TFDSExamples("repvis_placed_digits", split, data_dir)
        self._split = split
        self.name = f"repvis_placed_digits, {split}"
        self.class_names = tuple(str(digit) for digit in range(10))
        self._is_difficult = pointing_pairs.SmallAmongOthers(1 / 24)

    def __iter__(self):
        for number, example in enumerate(self._examples):
            name = f"{self._split}/{number}"
            labels, boxes = example["objects"]["label"], example["objects"]["bbox"]
            for label in np.sort(labels):
                mask = example["mask"][..., 0] == label + 1
                difficult = self._is_difficult(name, label, labels, boxes)
                yield pointing_pairs.PointingPair(example["image"], int(label), mask, difficult, name)
