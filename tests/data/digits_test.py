import numpy as np
import pytest
from sklearn import datasets

from keras_repvis.data import checksum
from keras_repvis.data import digits

CHECKSUMS = {
    "train": "feac531111ec6b51b330dec57c75992e1f4e707e961da62914d2f7436e1e9d22",
    "test": "98935621d9ae0178a1cea8b4cfb6bbe842b4afba912068d1486ccf889115f1c7",
}


@pytest.mark.parametrize("split", digits.SPLITS)
def test_bytes_are_the_published_ones(split):
    images, labels, _ = digits.generate(split)
    assert checksum.checksum(images, labels) == CHECKSUMS[split]


def test_images_are_the_scans_of_scikit_learn_at_255_levels():
    bunch = datasets.load_digits()
    images, labels, indices = digits.generate("train")
    # 255 / 16 has no tie that rounding could decide either way but at 8 counts, 127.5, which goes to the even 128.
    levels = np.array([round(255 * count / 16) for count in range(17)])
    np.testing.assert_array_equal(images[..., 0], levels[bunch.images[indices].astype(int)])
    np.testing.assert_array_equal(labels, bunch.target[indices])


def test_splits_share_no_digit_and_leave_none_out():
    train, test = (set(digits.split_indices(split)) for split in digits.SPLITS)
    assert len(train) == 1297 and len(test) == 500
    assert train.isdisjoint(test) and train | test == set(range(1797))
