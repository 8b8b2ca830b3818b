"""Pairs of COCO from TensorFlow Datasets, whose masks are boxes, or segments of the panoptic annotation.

TorchRay plays on the images of the validation split of 2014 with the masks of its segmentation. TensorFlow Datasets
has that split with boxes only, which are much easier to hit: scores on them are not comparable with published ones.
The masks come with `COCOInstancePairs`, from the annotation file itself. The panoptic annotation has masks too, of the
validation split of 2017, in which every pixel belongs to one segment: a third set of numbers.

Crowds count as objects of their class, as in TorchRay.
"""

import os

import numpy as np

from keras_repvis.analysis.evaluation import pointing_game
from keras_repvis.analysis.evaluation import pointing_pairs
from keras_repvis.analysis.evaluation import tfds_examples

# Classes of things; those of the panoptic annotation that follow are stuff, such as sky.
CLASS_NAMES = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant",
    "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
    "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli",
    "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet",
    "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink",
    "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)


class _TFDSPairs:
    """What both sets share."""

    class_names = CLASS_NAMES
    tolerance = 15
    _config = _objects = ""

    def __init__(self, split="validation", data_dir=None, difficult=None):
        self._examples = tfds_examples.TFDSExamples(f"coco/{self._config}", split, data_dir)
        self._is_difficult = pointing_pairs.difficulty(difficult, len(CLASS_NAMES))
        self.name = f"coco/{self._config}, {split}"

    def __iter__(self):
        for example in self._examples:
            yield from self._pairs(example)

    def _pairs(self, example):
        name = os.path.splitext(example["image/filename"].decode())[0]
        objects = example[self._objects]
        things = objects["label"] < len(CLASS_NAMES)
        labels, boxes = objects["label"][things], objects["bbox"][things]
        for label in np.unique(labels):
            mask = self._mask(example, objects["label"] == label)
            difficult = self._is_difficult(name, label, labels, boxes)
            yield pointing_pairs.PointingPair(example["image"], int(label), mask, difficult, name)


class COCOPairs(_TFDSPairs):
    """Pairs of an image and a class of COCO 2014, with boxes for masks: not comparable with published scores.

    Args:
        split: "validation" (default), "train" or a part such as "validation[:100]".
        data_dir: Where TensorFlow Datasets keeps its data sets, or None.
        difficult: None for the rule, or the path of a file of flags; see `pointing_pairs`.

    Attributes:
        name: "coco/2014" and the split.
        class_names: Tuple of 80 strings.
        tolerance: 15 pixels.
        masks: "boxes".

    Raises:
        ValueError: If the split is unknown, or the flags cannot be read.

    Example:
        >>> pairs = keras_repvis.analysis.evaluation.COCOPairs()
        >>> pairs.name, len(pairs.class_names), pairs.tolerance, pairs.masks
        ('coco/2014, validation', 80, 15, 'boxes')

    Reference:
        Lin et al., "Microsoft COCO: Common Objects in Context", 2014.
    """

    masks = "boxes"
    _config, _objects = "2014", "objects"

    def _mask(self, example, chosen):
        size = example["image"].shape[:2]
        # Boxes have two decimals; what single precision added must not reach another pixel.
        edges = np.round(example["objects"]["bbox"][chosen].astype(np.float64) * np.tile(size, 2), 2)
        boxes = np.concatenate([np.floor(edges[:, :2]), np.ceil(edges[:, 2:])], axis=1)
        return pointing_game.box_mask(boxes.astype(int), size)


class COCOPanopticPairs(_TFDSPairs):
    """Pairs of an image and a class of things of COCO 2017, with the masks of the panoptic annotation.

    Args:
        split: "validation" (default), "train" or a part such as "validation[:100]".
        data_dir: Where TensorFlow Datasets keeps its data sets, or None.
        difficult: None for the rule, or the path of a file of flags; see `pointing_pairs`.

    Attributes:
        name: "coco/2017_panoptic" and the split.
        class_names: Tuple of 80 strings.
        tolerance: 15 pixels.
        masks: "segments".

    Raises:
        ValueError: If the split is unknown, or the flags cannot be read.

    Example:
        >>> pairs = keras_repvis.analysis.evaluation.COCOPanopticPairs()
        >>> pairs.name, pairs.masks
        ('coco/2017_panoptic, validation', 'segments')

    Reference:
        Kirillov et al., "Panoptic Segmentation", 2019.
    """

    masks = "segments"
    _config, _objects = "2017_panoptic", "panoptic_objects"

    def _mask(self, example, chosen):
        # The number of a segment is written in its colour, red first.
        segments = example["panoptic_image"].astype(np.int64) @ [1, 256, 256**2]
        return np.isin(segments, example["panoptic_objects"]["id"][chosen])
