import hashlib

import numpy as np

from keras_repvis.data import checksum


def test_is_sha256_of_pixels_then_labels():
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 4, 1)
    expected = hashlib.sha256(bytes(range(24)) + bytes([5] + [0] * 7 + [255] * 8)).hexdigest()
    assert checksum.checksum(images, [5, -1]) == expected
    assert checksum.checksum(iter(images), np.array([5, -1], np.int32)) == expected


def test_changes_with_one_pixel_and_one_label():
    images = np.zeros((2, 3, 3, 1), np.uint8)
    sums = {checksum.checksum(images, [0, 1]), checksum.checksum(images, [1, 0])}
    images[1, 2, 2, 0] = 1
    sums.add(checksum.checksum(images, [0, 1]))
    assert len(sums) == 3
