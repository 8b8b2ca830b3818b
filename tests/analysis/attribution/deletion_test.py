"""The deletion game against a NumPy loop over the thresholds."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from keras_repvis.analysis.attribution import DeletionGame

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(size=(4, 14, 18, 2)).astype("float32")
MAPS = ndimage.gaussian_filter(RNG.normal(size=(4, 14, 18)), (0, 2, 2)).astype("float32")
WEIGHTS = ndimage.gaussian_filter(RNG.normal(size=(14, 18, 2, 3)), (1, 1, 0, 0)).astype("float32")


def network(x):
    return tf.einsum("bhwk,hwkc->bc", x, WEIGHTS)


def box_of(saliency, level):
    """(top, left, bottom, right) around what is at least at the level."""
    high = saliency - saliency.min() >= level * np.ptp(saliency)
    rows, columns = np.flatnonzero(high.any(axis=1)), np.flatnonzero(high.any(axis=0))
    return rows[0], columns[0], rows[-1] + 1, columns[-1] + 1


def softmax(image, target):
    outputs = np.einsum("hwk,hwkc->c", image, WEIGHTS)
    return np.exp(outputs - outputs.max())[target] / np.exp(outputs - outputs.max()).sum()


@pytest.mark.parametrize("threshold, batch_size", [(0.01, 7), (0.5, 64), (-1.0, 1)])
def test_box_is_that_of_a_loop_over_the_thresholds(threshold, batch_size):
    targets = [0, 1, 2, 0]
    game = DeletionGame(network, threshold=threshold, levels=20, image_blur=2.0, batch_size=batch_size)
    result = game(IMAGES, MAPS, targets)
    for index, (image, saliency, target) in enumerate(zip(IMAGES.astype("float64"), MAPS.astype("float64"), targets)):
        blurred = ndimage.gaussian_filter(image, (2, 2, 0))
        whole, nothing, tried = softmax(image, target), softmax(blurred, target), []
        for level in range(20):
            top, left, bottom, right = box = box_of(saliency, level / 20)
            deleted = image.copy()
            deleted[top:bottom, left:right] = blurred[top:bottom, left:right]
            share = (softmax(deleted, target) - nothing) / (whole - nothing)
            tried.append((share, (bottom - top) * (right - left), box))
        good = [one for one in tried if one[0] <= threshold]
        share, area, box = min(good, key=lambda one: one[1]) if good else min(tried, key=lambda one: one[0])
        found = {name: values[index] for name, values in result.diagnostics.items()}
        assert found["found"] == bool(good)
        assert found["left"] == pytest.approx(share, rel=1e-2, abs=1e-3)
        if good:
            assert found["area"] == pytest.approx(area / (14 * 18)) and tuple(found["box"]) == box
            expected = np.zeros((14, 18))
            expected[box[0] : box[2], box[1] : box[3]] = 1
            np.testing.assert_array_equal(result.maps[index], expected)
        assert found["score"] == pytest.approx(whole, rel=1e-3)
        assert found["score_deleted"] == pytest.approx(share * (whole - nothing) + nothing, rel=1e-2, abs=1e-4)


def test_a_map_that_marks_the_evidence_has_its_box():
    """Also when the evidence lies beside the object; a map that marks the object needs a larger one."""
    images = np.zeros((1, 20, 20, 1), "float32")
    images[0, 3:7, 4:9] = 1
    images[0, 12:18, 10:18] = 1  # An object that the output ignores.

    def spot(x):
        return tf.reduce_sum(x[:, 3:7, 4:9, 0], axis=(1, 2))[:, None]

    maps = np.zeros((1, 20, 20), "float32")
    maps[0, 3:7, 4:9] = 1
    # The blur spreads light into the box that was deleted: 0.01 is not reached with a wider one, a tenth is.
    game = DeletionGame(spot, threshold=0.1, score="output", image_blur=8.0)
    result = game(images, maps, 0)
    assert result.diagnostics["box"].tolist() == [[3, 4, 7, 9]]
    assert result.diagnostics["area"] == pytest.approx(20 / 400)
    beside = np.zeros_like(maps)
    beside[0, 12:18, 10:18] = 1
    assert game(images, beside, 0).diagnostics["area"] == 1


def test_flat_maps_and_outputs():
    flat = DeletionGame(network, levels=4)(IMAGES, np.ones_like(MAPS), 1)
    np.testing.assert_array_equal(flat.maps, 1)
    assert flat.diagnostics["left"] == pytest.approx(0, abs=1e-5) and flat.diagnostics["found"].all()
    constant = DeletionGame(lambda x: tf.ones((tf.shape(x)[0], 2)), levels=4)(IMAGES, MAPS, 1)
    assert constant.diagnostics["left"].tolist() == [0] * 4


def test_what_is_not_accepted():
    with pytest.raises(ValueError, match=r"maps of shape \(4, 7, 18\)"):
        DeletionGame(network)(IMAGES, MAPS[:, ::2])
    with pytest.raises(ValueError, match="finite"):
        DeletionGame(network)(IMAGES, np.full_like(MAPS, np.nan))
    for argument, value in (("levels", 0), ("image_blur", 0), ("threshold", "low")):
        with pytest.raises(ValueError, match=f"{argument}="):
            DeletionGame(network, **{argument: value})
