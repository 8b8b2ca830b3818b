import numpy as np
import pytest
import tensorflow_datasets as tfds

from keras_repvis.analysis import evaluation
from keras_repvis.analysis.evaluation import coco_pairs

SIZE = (48, 64)


def objects_of(rows):
    """Objects as TensorFlow Datasets makes them from rows (id, label, x, y, width, height, is_crowd)."""
    height, width = SIZE
    boxes = [(y / height, x / width, (y + h) / height, (x + w) / width) for _, _, x, y, w, h, _ in rows]
    return {
        "id": np.array([row[0] for row in rows], np.int64),
        "area": np.zeros(len(rows), np.int64),
        "bbox": np.array(boxes, np.float32).reshape(-1, 4),
        "label": np.array([row[1] for row in rows], np.int64),
        "is_crowd": np.array([row[6] for row in rows], bool),
    }


def example(number, rows):
    image = np.random.default_rng(number).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    name = f"COCO_val2014_{number:012}.jpg"
    return {"image": image, "image/filename": name, "image/id": number, "objects": objects_of(rows)}


def panoptic_example(number, rows, segments):
    made = example(number, [])
    del made["objects"]
    colours = np.stack([segments % 256, segments // 256 % 256, segments // 256**2], -1).astype(np.uint8)
    return {
        **made,
        "panoptic_image": colours,
        "panoptic_image/filename": f"{number}.png",
        "panoptic_objects": objects_of(rows),
    }


def test_boxes_take_every_pixel_they_touch(hand_made):
    hand_made([example(1, [(7, 3, 10.0, 20.0, 5.0, 4.0, False), (8, 3, 40.25, 1.5, 2.5, 2.75, True)]), example(2, [])])
    (pair,) = evaluation.COCOPairs()
    expected = np.zeros(SIZE, bool)
    expected[20:24, 10:15] = True
    expected[1:5, 40:43] = True
    np.testing.assert_array_equal(pair.mask, expected)
    assert (pair.name, pair.label, pair.difficult) == ("COCO_val2014_000000000001", 3, False)


def test_single_precision_adds_no_pixel(hand_made):
    random = np.random.default_rng(0)
    rows = []
    for _ in range(200):
        x, y = random.integers(0, SIZE[1] - 1), random.integers(0, SIZE[0] - 1)
        rows.append((1, 0, x, y, random.integers(1, SIZE[1] - x + 1), random.integers(1, SIZE[0] - y + 1), False))
    hand_made([example(i, [row]) for i, row in enumerate(rows)])
    for pair, row in zip(evaluation.COCOPairs(), rows, strict=True):
        assert pair.mask.sum() == row[4] * row[5] and pair.mask[row[3], row[2]]


def test_panoptic_masks_are_the_segments_of_the_class(hand_made):
    segments = np.zeros(SIZE, np.int64)
    segments[:10, :20] = 5
    segments[20:30] = 70_000
    segments[40:] = 3_000_000
    segments[30:34] = 256
    rows = [
        (5, 17, 0, 0, 20, 10, False), (70_000, 17, 0, 20, 64, 10, True), (256, 100, 0, 30, 64, 4, False),
        (3_000_000, 2, 0, 40, 64, 8, False),
    ]
    hand_made([panoptic_example(1, rows, segments)])
    pairs = {pair.label: pair for pair in evaluation.COCOPanopticPairs()}
    # Class 100 is stuff, no thing.
    assert set(pairs) == {2, 17}
    np.testing.assert_array_equal(pairs[17].mask, (segments == 5) | (segments == 70_000))
    np.testing.assert_array_equal(pairs[2].mask, segments == 3_000_000)
    # (200 + 640) / 3072 = .273 and 512 / 3072 = .167.
    assert not pairs[17].difficult and pairs[2].difficult


def test_stuff_is_no_other_class(hand_made):
    segments = np.zeros(SIZE, np.int64)
    segments[:4, :4] = 9
    hand_made([panoptic_example(1, [(9, 0, 0, 0, 4, 4, False), (10, 120, 0, 8, 64, 40, False)], segments)])
    (pair,) = evaluation.COCOPanopticPairs()
    assert not pair.difficult


@pytest.mark.parametrize(
    "config, objects, classes", [("2014", "objects", 80), ("2017_panoptic", "panoptic_objects", 133)]
)
def test_classes_of_things_are_the_first_80(config, objects, classes):
    """The names themselves come with the annotations; that the features are as here, `hand_made` checks."""
    assert tfds.builder(f"coco/{config}").info.features[objects]["label"].num_classes == classes
    assert len(set(coco_pairs.CLASS_NAMES)) == 80


def test_attributes_say_what_the_masks_are():
    assert evaluation.COCOPairs().masks == "boxes" and evaluation.COCOPanopticPairs("train").masks == "segments"
    assert evaluation.COCOPairs("validation[:5%]").name == "coco/2014, validation[:5%]"
    with pytest.raises(ValueError, match="split='val'"):
        evaluation.COCOPairs("val")
