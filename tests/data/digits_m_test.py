import math

import numpy as np
import pytest
from scipy import ndimage
from sklearn import datasets

from keras_repvis.data import checksum
from keras_repvis.data import digits
from keras_repvis.data import digits_m
from keras_repvis.data import photographs

CHECKSUMS = {
    "train": "76f10426b5a5c18a68e6fc4c6d359a7d82f08b20633dc67d7511bde475347c7b",
    "test": "58dfb20d18603c32e46c57d93809e3976be6ac4e9f3aaf15b90d29f8ffe05559",
}


@pytest.fixture(scope="module", params=digits.SPLITS)
def generated(request):
    return request.param, digits_m.generate(request.param)


def test_bytes_are_the_published_ones(generated):
    split, (images, labels, _) = generated
    assert images.shape == (digits_m.SIZES[split], 32, 32, 3) and images.dtype == np.uint8
    assert checksum.checksum(images, labels) == CHECKSUMS[split]


def test_means_of_the_first_64_are_the_published_ones(generated):
    split, (images, _, _) = generated
    assert images[:64].mean() == pytest.approx({"train": 96.327, "test": 102.131}[split], abs=5e-4)


def test_each_base_digit_serves_equally_often_and_gives_the_label(generated):
    split, (_, labels, indices) = generated
    times = {"train": 5, "test": 4}[split]
    counts = np.bincount(indices, minlength=1797)
    np.testing.assert_array_equal(np.flatnonzero(counts), np.sort(digits.split_indices(split)))
    assert set(counts[counts > 0]) == {times}
    np.testing.assert_array_equal(labels, datasets.load_digits().target[indices])


def test_splits_share_no_base_digit_and_no_photograph():
    train, test = (digits_m.generate(split)[2] for split in digits.SPLITS)
    assert set(train).isdisjoint(test)
    assert set(digits_m.PHOTOGRAPHS["train"]).isdisjoint(digits_m.PHOTOGRAPHS["test"])


def test_a_sample_depends_on_its_number_alone(generated):
    split, (images, labels, _) = generated
    few, few_labels, _ = digits_m.generate(split, 300)
    np.testing.assert_array_equal(few, images[:300])
    np.testing.assert_array_equal(few_labels, labels[:300])


def test_images_equal_a_sampler_written_from_the_definition(generated):
    """One image at a time, the digit sampled by SciPy with zeros outside."""
    split, (images, _, _) = generated
    scans = datasets.load_digits().images / 16.0
    base = np.random.default_rng(20181003).permutation(1797)
    base = base[:1297] if split == "train" else base[1297:]
    rows, columns = np.mgrid[:32, :32].astype(float)
    for i in (0, 1, 7, 63, 1500):
        random = np.random.default_rng([31, digits.SPLITS.index(split), i])
        angle, scale = math.radians(random.uniform(-15, 15)), 3 * random.uniform(0.85, 1.15)
        down, right = random.uniform(-2, 2), random.uniform(-2, 2)
        y, x = rows - 15.5 - down, columns - 15.5 - right
        u = (math.cos(angle) * y + math.sin(angle) * x) / scale + 3.5
        v = (-math.sin(angle) * y + math.cos(angle) * x) / scale + 3.5
        padded = np.pad(scans[base[i % len(base)]], 3)
        ink = ndimage.map_coordinates(padded, [u + 3, v + 3], order=1, mode="constant")
        photograph = photographs.load(digits_m.PHOTOGRAPHS[split][random.integers(4)]) / 255.0
        top, left = random.integers(photograph.shape[0] - 32), random.integers(photograph.shape[1] - 32)
        patch = photograph[top : top + 32, left : left + 32]
        np.testing.assert_allclose(images[i], 255 * np.abs(patch - ink[..., None]), atol=0.5 + 1e-9)
