import numpy as np

from keras_repvis.analysis import evaluation
from keras_repvis.data import placed_digits


def test_pairs_are_the_digits_of_the_images_with_their_masks():
    pairs = list(evaluation.PlacedDigitPairs("validation[:60]"))
    expected = list(placed_digits.generate("validation", 60))
    assert [len(placed.labels) for placed in expected] == [
        sum(pair.name == f"validation[:60]/{i}" for pair in pairs) for i in range(60)
    ]
    for pair in pairs:
        placed = expected[int(pair.name.split("/")[1])]
        np.testing.assert_array_equal(pair.image, placed.image)
        np.testing.assert_array_equal(pair.mask, placed.mask == pair.label + 1)
        assert pair.mask.any() and pair.label in placed.labels
        top, left, bottom, right = placed.boxes[list(placed.labels).index(pair.label)]
        assert pair.difficult == ((bottom - top) * (right - left) < 64 * 64 / 24)
    assert 0.25 < np.mean([pair.difficult for pair in pairs]) < 0.75


def test_attributes():
    pairs = evaluation.PlacedDigitPairs()
    assert (pairs.name, pairs.tolerance, pairs.masks) == ("repvis_placed_digits, test", 2, "pixels")
    assert pairs.class_names == tuple("0123456789")
