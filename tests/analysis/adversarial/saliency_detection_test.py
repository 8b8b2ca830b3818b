"""Telling adversarial images from maps: planted traces, no trace, and what becomes of a map."""

import numpy as np
import pytest

from keras_repvis.analysis.adversarial import detect, map_features
from keras_repvis.analysis.attribution import Gradient

RNG = np.random.default_rng(0)


def first_channel(images):
    return images[..., 0]


def test_a_planted_trace_in_the_maps_is_found_and_not_in_the_pixels():
    """The trace is in channel 0 with one sign and in channel 1 with the other: the mean over channels hides it."""
    clean = RNG.random((60, 8, 8, 2), "float32")
    marked = clean.copy()
    marked[:, 2:4, 2:4, 0] += 3
    marked[:, 2:4, 2:4, 1] -= 3
    found = detect(first_channel, clean, marked, grid=(8, 8), bootstraps=200)
    assert found.maps.auc.value == 1 and found.maps.accuracy.value == 1
    for control in (found.pixels, found.random):
        assert control.auc.low <= 0.5 <= control.auc.high


def test_without_a_difference_everything_is_at_chance():
    noise = RNG.random((2, 150, 8, 8, 1), "float32")
    found = detect(first_channel, *noise, grid=(4, 4), bootstraps=200)
    for separation in (found.maps, found.pixels, found.random):
        assert separation.auc.low < 0.5 < separation.auc.high


def test_random_maps_are_at_chance_even_where_pixels_give_all_away():
    clean = RNG.random((100, 8, 8, 1), "float32")
    marked = clean + np.linspace(0, 5, 8, dtype="float32")[:, np.newaxis]
    found = detect(first_channel, clean, marked, grid=(8, 8), bootstraps=200)
    assert found.pixels.auc.value == 1 and abs(found.random.auc.value - 0.5) < 0.12


def test_the_size_of_a_map_tells_nothing():
    clean = RNG.random((60, 8, 8, 1), "float32")
    found = detect(lambda images: 100 * images[..., 0], clean, clean * 7 + 3, bootstraps=50, baselines=False)
    assert abs(found.maps.auc.value - 0.5) < 0.02
    assert found.pixels is None and found.random is None


def test_takes_a_method(net, images):
    found = detect(Gradient(net), images, 1 - images, grid=(4, 4), folds=2, bootstraps=20)
    assert found.maps.scores.shape == (20,) and found.maps.auc.low <= found.maps.auc.value <= found.maps.auc.high


def test_sources_that_differ_in_number():
    clean = RNG.random((20, 4, 4, 1), "float32")
    twice = np.concatenate([clean, clean])
    sources = (np.arange(20), np.tile(np.arange(20), 2))
    found = detect(first_channel, clean, twice, sources, grid=(4, 4), bootstraps=20)
    np.testing.assert_array_equal(found.maps.folds[:20], found.maps.folds[20:40])
    np.testing.assert_array_equal(found.maps.folds[:20], found.maps.folds[40:])
    assert found.maps.auc.value == 0.5


@pytest.mark.parametrize("grid", [(4, 4), (2, 8), (3, 5), (8, 8)])
def test_maps_are_averaged_over_cells(grid):
    """Against averages over a fine enough copy of the map: 8 x 3 x 5 pixels a side, cut evenly by every grid."""
    maps = RNG.random((3, 8, 8))
    fine = np.repeat(np.repeat(maps, 15, 1), 15, 2)
    cells = fine.reshape(3, grid[0], 120 // grid[0], grid[1], 120 // grid[1]).mean((2, 4)).reshape(3, -1)
    expected = (cells - cells.mean(1, keepdims=True)) / cells.std(1, keepdims=True)
    np.testing.assert_allclose(map_features(maps, grid), expected, rtol=1e-9, atol=1e-9)


def test_small_maps_are_interpolated_linearly():
    """A ramp stays a ramp, but for the half cells at its ends, which repeat the border."""
    ramp = np.broadcast_to(np.arange(4.0), (1, 4, 4))
    found = map_features(ramp, (8, 8)).reshape(8, 8)
    expected = np.clip((np.arange(8) + 0.5) / 2 - 0.5, 0, 3)
    np.testing.assert_allclose(found, np.tile((expected - expected.mean()) / expected.std(), (8, 1)), rtol=1e-9)


def test_features_have_mean_0_and_variance_1_or_are_0():
    maps = RNG.normal(size=(4, 9, 7)) * 1e-20 + 5e-20
    maps[2] = 0.1
    found = map_features(maps, (4, 4))
    assert found.shape == (4, 16) and not found[2].any()
    np.testing.assert_allclose(found[[0, 1, 3]].mean(1), 0, atol=1e-12)
    np.testing.assert_allclose(found[[0, 1, 3]].var(1), 1, rtol=1e-9)


def test_wrong_arguments_are_named():
    images = RNG.random((10, 4, 4, 1), "float32")
    with pytest.raises(ValueError, match=r"method returned maps of shape \(10, 4, 4, 1\): expected \(10, height"):
        detect(lambda x: x, images, images)
    with pytest.raises(ValueError, match="clean of shape"):
        detect(first_channel, images[0], images)
    with pytest.raises(ValueError, match="grid=4 is not accepted: expected a pair"):
        detect(first_channel, images, images, grid=4)
    with pytest.raises(ValueError, match="grid=1 is not accepted"):
        detect(first_channel, images, images, grid=(1, 4))
    with pytest.raises(ValueError, match="maps of shape"):
        detect(lambda x: x[..., 0] * np.nan, images, images)
    with pytest.raises(ValueError, match="say by sources"):
        detect(first_channel, images, images[:5])
