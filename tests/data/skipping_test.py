import warnings

import numpy as np
import pytest

from keras_repvis.data import decode
from keras_repvis.data import skipping


def check(index):
    if index % 2:
        raise decode.CorruptImageError(f"{index}.png", "truncated")


def test_says_what_is_left_out():
    message = "pets: 7 of 14 images are left out.* 1.png: truncated;.*; and 2 more"
    with pytest.warns(UserWarning, match=message) as caught:
        kept, skipped = skipping.usable("pets", np.arange(14), check)
    np.testing.assert_array_equal(kept, np.arange(0, 14, 2))
    assert skipped == [skipping.Skipped(f"{i}.png", "truncated") for i in range(1, 14, 2)]
    assert len(caught) == 1


def test_without_a_check_all_are_used_without_a_word():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kept, skipped = skipping.usable("pets", np.arange(3), None)
        assert skipping.usable("pets", np.array([2, 4]), check)[1] == []
    assert kept.tolist() == [0, 1, 2] and skipped == []


def test_nothing_usable_is_an_error():
    with pytest.raises(ValueError, match="pets has no usable image. 1.png: truncated; 3.png: truncated$"):
        skipping.usable("pets", np.array([1, 3]), check)
    with pytest.raises(ValueError, match="pets has no usable image.$"):
        skipping.usable("pets", np.arange(0), None)


def test_other_errors_are_not_hidden():
    def broken(index):
        raise KeyError(index)

    with pytest.raises(KeyError):
        skipping.usable("pets", np.arange(2), broken)
