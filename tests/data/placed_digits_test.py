import itertools

import numpy as np
import pytest
from scipy import ndimage
from sklearn import datasets

from keras_repvis.data import checksum
from keras_repvis.data import digits
from keras_repvis.data import photographs
from keras_repvis.data import placed_digits

CHECKSUMS = {
    "train": "5e59a8918467bbe966fdccb5a12690f0281711c1a651ab96c26cd7e78a3358fa",
    "validation": "a5994205fe30f674016189622301294db87627fa269a77e5537d57cf303a1410",
    "test": "6f98ebb85aabe3e96cc8aaa2270f933485feb2e38b14ff0b21e27f2a399ac943",
}


@pytest.fixture(scope="module", params=placed_digits.SPLITS)
def generated(request):
    return request.param, list(placed_digits.generate(request.param))


def test_bytes_are_the_published_ones(generated):
    split, placed = generated
    assert len(placed) == placed_digits.SIZES[split]
    assert {(each.image.shape, each.mask.shape, each.image.dtype) for each in placed} == {
        ((64, 64, 3), (64, 64), np.dtype("uint8"))
    }
    pictures = itertools.chain((each.image for each in placed), (each.mask for each in placed))
    assert checksum.checksum(pictures, np.concatenate([each.labels for each in placed])) == CHECKSUMS[split]


def test_splits_share_no_scan_and_no_photograph():
    scans = [set(placed_digits.split_indices(split).tolist()) for split in placed_digits.SPLITS]
    assert [len(some) for some in scans] == [1097, 200, 500] and len(set.union(*scans)) == 1797
    assert scans[2] == set(digits.split_indices("test").tolist())
    names = list(itertools.chain(*placed_digits.PHOTOGRAPHS.values()))
    assert len(names) == len(set(names))
    # The two of one scene, seen by two cameras, would be one photograph.
    assert not {"motorcycle_left", "motorcycle_right"} <= set(names)


def test_digits_are_those_of_the_split_and_give_the_labels(generated):
    split, placed = generated
    indices = np.concatenate([each.indices for each in placed])
    assert set(indices) <= set(placed_digits.split_indices(split))
    np.testing.assert_array_equal(
        datasets.load_digits().target[indices], np.concatenate([each.labels for each in placed])
    )


def test_two_or_three_different_classes_all_equally_often(generated):
    _, placed = generated
    numbers = np.array([len(each.labels) for each in placed])
    assert all(len(set(each.labels)) == len(each.labels) for each in placed) and set(numbers) == {2, 3}
    # Binomial and multinomial counts, five standard deviations.
    assert abs(np.mean(numbers == 2) - 0.5) < 5 * 0.5 / np.sqrt(len(placed))
    counts = np.bincount(np.concatenate([each.labels for each in placed]), minlength=10)
    expected = numbers.sum() / 10
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)


def test_masks_show_each_class_once_in_its_box(generated):
    _, placed = generated
    for each in placed[:300]:
        assert set(np.unique(each.mask)) == {0, *(each.labels + 1)}
        for label, (top, left, bottom, right) in zip(each.labels, each.boxes.astype(int)):
            rows, columns = np.nonzero(each.mask == label + 1)
            assert (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1) == (top, left, bottom, right)
            assert len(rows) >= 20


def test_a_sample_depends_on_its_number_alone(generated):
    split, placed = generated
    for again, each in zip(placed_digits.generate(split, 20), placed):
        np.testing.assert_array_equal(again.image, each.image)
        np.testing.assert_array_equal(again.mask, each.mask)


def test_unknown_split_is_an_error():
    with pytest.raises(ValueError, match="split='tset'.*Did you mean 'test'"):
        next(placed_digits.generate("tset"))


def test_images_and_masks_equal_a_sampler_written_from_the_definition(generated):
    """One image at a time, the digits sampled by SciPy with zeros outside, the crop averaged by SciPy."""
    split, placed = generated
    bunch = datasets.load_digits()
    for i in (0, 1, 2, 3, 17, 100, 499):
        random = np.random.default_rng([34, placed_digits.SPLITS.index(split), i])
        order = random.permutation(10)
        n = 2 + random.integers(2)
        classes = order[:n]
        mine = [[k for k in placed_digits.split_indices(split) if bunch.target[k] == c] for c in classes]
        chosen = [some[number] for some, number in zip(mine, random.integers([len(some) for some in mine]))]
        cells, contrasts = random.uniform(1.5, 3, n), random.uniform(0.4, 1, n)
        while True:
            corners = random.random((n, 2)) * (64 - 9 * cells[:, None])
            boxes = [(y, x, y + 9 * c, x + 9 * c) for (y, x), c in zip(corners, cells)]
            if not any(
                a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3] for a, b in itertools.combinations(boxes, 2)
            ):
                break
        names = placed_digits.PHOTOGRAPHS[split]
        photograph = photographs.load(names[random.integers(len(names))]) / 255.0
        f = 1 + random.integers(3)
        top = random.integers(photograph.shape[0] - 64 * f + 1)
        left = random.integers(photograph.shape[1] - 64 * f + 1)
        crop = photograph[top : top + 64 * f, left : left + 64 * f]
        rows, columns = np.mgrid[: 64 * f, : 64 * f] // f
        expected = np.stack(
            [ndimage.mean(crop[..., c], rows * 64 + columns, np.arange(4096)).reshape(64, 64) for c in range(3)], -1
        )
        expected = expected[:, ::-1] if random.random() < 0.5 else expected
        expected = expected[..., random.permutation(3)].copy()
        mask = np.zeros((64, 64), int)
        for label, index, cell, contrast, (y, x) in zip(classes, chosen, cells, contrasts, corners):
            at = np.mgrid[:64, :64] + 0.5 - np.array([y, x])[:, None, None]
            padded = np.pad(bunch.images[index] / 16, 3)
            ink = ndimage.map_coordinates(padded, at / cell - 1 + 3, order=1, mode="constant")
            tone = 1.0 if expected[ink >= 0.5].mean() < 0.5 else 0.0
            expected = (1 - contrast * ink[..., None]) * expected + contrast * ink[..., None] * tone
            mask[ink >= 0.5] = label + 1
        np.testing.assert_array_equal(placed[i].labels, classes)
        np.testing.assert_array_equal(placed[i].indices, chosen)
        np.testing.assert_array_equal(placed[i].mask, mask)
        np.testing.assert_allclose(placed[i].image, 255 * expected, atol=0.5 + 1e-6)
