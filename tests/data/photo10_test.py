import numpy as np
import pytest
from scipy import ndimage

from keras_repvis.data import checksum
from keras_repvis.data import digits
from keras_repvis.data import photo10
from keras_repvis.data import photographs

CHECKSUMS = {
    "train": "f2e4333cd4fa378af270f740af27711d297e35feeccc3a5eaabada215c8d4524",
    "test": "b7be5cbe3f3f7eab88f0ec625c22d6d205addc76efed85fa8d655c6d4c8f7dbf",
}


@pytest.fixture(scope="module", params=digits.SPLITS)
def generated(request):
    return request.param, photo10.generate(request.param)


def test_bytes_are_the_published_ones(generated):
    split, (images, labels) = generated
    assert images.shape == (photo10.SIZES[split], 32, 32, 3) and images.dtype == np.uint8
    assert checksum.checksum(images, labels) == CHECKSUMS[split]


def test_means_of_the_first_64(generated):
    """Near 127.244 and 127.285, the means of the prototype, whose sampler is not on record to the last detail."""
    split, (images, _) = generated
    assert images[:64].mean() == pytest.approx({"train": 127.245, "test": 127.263}[split], abs=5e-4)
    assert images[:64].mean() == pytest.approx({"train": 127.244, "test": 127.285}[split], abs=0.03)


def test_labels_are_balanced(generated):
    split, (_, labels) = generated
    np.testing.assert_array_equal(np.bincount(labels), [photo10.SIZES[split] // 10] * 10)


def test_splits_share_no_column():
    for name in photo10.PHOTOGRAPHS:
        width = photographs.load(name).shape[1]
        (start, stop), (test_start, test_stop) = photo10.columns("train", width), photo10.columns("test", width)
        assert (start, test_stop) == (0, width)
        assert stop <= 0.6 * width < stop + 1
        assert test_start - 1 < 0.65 * width <= test_start


def test_test_images_do_not_change_with_the_training_columns(monkeypatch):
    photographs_without_left = {}
    for name in photo10.PHOTOGRAPHS:
        pixels = photographs.load(name).copy()
        pixels[:, : photo10.columns("test", pixels.shape[1])[0]] = 0
        photographs_without_left[name] = pixels
    expected, _ = photo10.generate("test", 50)
    monkeypatch.setattr(photo10.photographs, "load", photographs_without_left.__getitem__)
    np.testing.assert_array_equal(photo10.generate("test", 50)[0], expected)
    assert (photo10.generate("train", 50)[0] == 128).all()


def test_a_sample_depends_on_its_number_alone(generated):
    split, (images, _) = generated
    np.testing.assert_array_equal(photo10.generate(split, 40)[0], images[:40])


def test_images_equal_a_sampler_written_from_the_definition(generated):
    split, (images, labels) = generated
    for i in (0, 1, 2, 5, 19, 28, 1999):
        photograph = photographs.load(photo10.PHOTOGRAPHS[i % 10]) / 255.0
        width = photograph.shape[1]
        strip = photograph[:, : width * 60 // 100] if split == "train" else photograph[:, -(width * 35 // 100) :]
        random = np.random.default_rng([32, digits.SPLITS.index(split), i])
        side = min(random.uniform(24, 72), *strip.shape[:2])
        left, top = random.uniform(0, strip.shape[1] - side), random.uniform(0, strip.shape[0] - side)
        y, x = ((np.arange(32) + 0.5) * side / 32 - 0.5 + start for start in (top, left))
        grid = np.meshgrid(y, x, indexing="ij")
        crop = np.stack([ndimage.map_coordinates(strip[..., c], grid, order=1, mode="nearest") for c in range(3)], -1)
        crop = crop[:, ::-1] if random.random() < 0.5 else crop
        crop = crop[..., random.permutation(3)]
        expected = np.clip(0.5 + 0.2 * (crop - crop.mean((0, 1))) / (crop.std() + 1e-8), 0, 1)
        np.testing.assert_allclose(images[i], 255 * expected, atol=0.5 + 1e-6)
        assert labels[i] == i % 10
