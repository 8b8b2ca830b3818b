import numpy as np
import pytest
import tensorflow_datasets as tfds

from keras_repvis.analysis import evaluation
from keras_repvis.analysis.evaluation import voc_pairs

CAT, DOG, PERSON = (voc_pairs.CLASS_NAMES.index(name) for name in ("cat", "dog", "person"))


def example(name, objects, size=(50, 80)):
    """An example as TensorFlow Datasets makes it from objects (label, xmin, ymin, xmax, ymax, is_difficult)."""
    height, width = size
    labels = np.array([each[0] for each in objects], np.int64)
    boxes = [(each[2] / height, each[1] / width, each[4] / height, each[3] / width) for each in objects]
    hard = np.array([each[5] for each in objects], bool)
    return {
        "image": np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8),
        "image/filename": f"{name}.jpg",
        "objects": {
            "label": labels,
            "bbox": np.array(boxes, np.float32).reshape(-1, 4),
            "pose": np.zeros(len(objects), np.int64),
            "is_truncated": np.zeros(len(objects), bool),
            "is_difficult": hard,
        },
        "labels": np.unique(labels),
        "labels_no_difficult": np.unique(labels[~hard]),
    }


def by_class(pairs):
    return {(pair.name, pair.label): pair for pair in pairs}


def test_classes_are_those_of_tensorflow_datasets():
    assert tuple(tfds.builder("voc/2007").info.features["objects"]["label"].names) == voc_pairs.CLASS_NAMES


def test_masks_are_unions_of_boxes_counted_from_one_with_the_last_pixel(hand_made):
    given = example("000001", [(DOG, 1, 1, 10, 4, False), (DOG, 8, 3, 80, 50, True), (CAT, 20, 30, 20, 30, False)])
    hand_made([given])
    pairs = by_class(evaluation.VOCPairs())
    assert set(pairs) == {("000001", DOG), ("000001", CAT)}
    expected = np.zeros((50, 80), bool)
    expected[0:4, 0:10] = True
    # A difficult box of a class that has another one counts.
    expected[2:50, 7:80] = True
    np.testing.assert_array_equal(pairs["000001", DOG].mask, expected)
    np.testing.assert_array_equal(np.argwhere(pairs["000001", CAT].mask), [[29, 19]])
    np.testing.assert_array_equal(pairs["000001", CAT].image, given["image"])


@pytest.mark.parametrize("size", [(375, 500), (500, 333), (281, 500)])
def test_every_pixel_survives_the_division_by_the_sides(hand_made, size):
    random = np.random.default_rng(1)
    objects = []
    for _ in range(50):
        top, left = (random.integers(1, side + 1) for side in size)
        bottom, right = random.integers(top, size[0] + 1), random.integers(left, size[1] + 1)
        objects.append((CAT, left, top, right, bottom, False))
    hand_made([example(str(i), [each], size) for i, each in enumerate(objects)])
    for pair, (_, left, top, right, bottom, _) in zip(evaluation.VOCPairs(), objects, strict=True):
        rows, columns = np.nonzero(pair.mask)
        assert (rows.min(), rows.max(), columns.min(), columns.max()) == (top - 1, bottom - 1, left - 1, right - 1)
        assert pair.mask.sum() == (bottom - top + 1) * (right - left + 1)


def test_a_class_of_difficult_boxes_only_is_skipped(hand_made):
    objects = [(DOG, 1, 1, 9, 9, True), (CAT, 5, 5, 9, 9, False)]
    hand_made([example("1", objects), example("2", objects[:1])])
    assert set(by_class(evaluation.VOCPairs())) == {("1", CAT)}


def test_difficult_pairs_are_small_and_not_alone(hand_made):
    """The first three images of the set with their real boxes; the expected flags are those that TorchRay ships."""
    hand_made(
        [
            example("000001", [(DOG, 48, 240, 195, 371, False), (PERSON, 8, 12, 352, 498, False)], (500, 353)),
            example("000002", [(18, 139, 200, 207, 301, False)], (500, 335)),
            example("000003", [(17, 123, 155, 215, 195, False), (8, 239, 156, 307, 205, False)], (375, 500)),
        ]
    )
    flags = {key: pair.difficult for key, pair in by_class(evaluation.VOCPairs()).items()}
    assert flags == {
        ("000001", DOG): True, ("000001", PERSON): False,
        ("000002", 18): False,
        ("000003", 17): True, ("000003", 8): True,
    }


def test_areas_of_a_class_add_up(hand_made):
    quarter = [(DOG, 1, 1, 40, 13, False), (DOG, 41, 1, 80, 13, False), (CAT, 1, 49, 1, 50, False)]
    hand_made([example("1", quarter), example("2", quarter[1:])])
    pairs = by_class(evaluation.VOCPairs())
    # 2 x (39 x 12) / 4000 = .234 in the set's own arithmetic, which leaves the last pixel out.
    assert pairs["1", DOG].difficult and pairs["2", DOG].difficult
    wider = [(DOG, 1, 1, 80, 14, False), (CAT, 1, 49, 1, 50, False)]
    hand_made([example("1", wider)])
    # 79 x 13 / 4000 = .257.
    assert not by_class(evaluation.VOCPairs())["1", DOG].difficult


def test_flags_of_a_file_replace_the_rule(hand_made, tmp_path):
    flags = np.zeros((2, 20), int)
    flags[0, DOG] = 1
    path = tmp_path / "flags.txt"
    path.write_text("".join("\t".join([name, *map(str, row)]) + "\n" for name, row in zip(("1", "2"), flags)))
    objects = [(DOG, 1, 1, 80, 50, False), (CAT, 1, 1, 5, 5, False)]
    hand_made([example(name, objects) for name in "123"])
    found = {key: pair.difficult for key, pair in by_class(evaluation.VOCPairs(difficult=path)).items()}
    # The third image is not listed.
    assert found == {
        ("1", CAT): False, ("1", DOG): True, ("2", CAT): False, ("2", DOG): False, ("3", CAT): True, ("3", DOG): True,
    }


@pytest.mark.parametrize("line", ["1\t0\t1", "1" + "\t0" * 19 + "\t2", "1" + "\t0" * 21])
def test_a_file_that_is_no_flags_is_an_error_that_names_the_line(tmp_path, line):
    path = tmp_path / "flags.txt"
    path.write_text("0" + "\t0" * 20 + "\n" + line + "\n")
    with pytest.raises(ValueError, match="flags.txt, line 2: expected a name and 20 flags"):
        evaluation.VOCPairs(difficult=path)


def test_unknown_year_and_split_are_errors():
    with pytest.raises(ValueError, match="year='2008'.*2007, 2012"):
        evaluation.VOCPairs(year="2008")
    with pytest.raises(ValueError, match="split='val'.*train, validation, test"):
        evaluation.VOCPairs("val")

