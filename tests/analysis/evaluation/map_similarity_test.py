"""Similarities of maps, each by its own closed form or reference, and intervals of means."""

import numpy as np
import pytest
from scipy import stats
from skimage import feature, metrics

from keras_repvis.analysis.evaluation import MeanInterval, centre_map, compare_maps, random_maps

RNG = np.random.default_rng(0)
ONE, OTHER = RNG.normal(size=(2, 4, 32, 24))


def test_equal_maps_are_alike_whatever_their_scale():
    for metric, values in compare_maps(ONE, 3 * ONE + 0).items():
        np.testing.assert_allclose(values, 1, err_msg=metric)
    # The sizes are others, all else is the same.
    shifted = compare_maps(ONE, 3 * ONE + 1)
    assert shifted["spearman_absolute"].max() < 0.999
    np.testing.assert_allclose(shifted["ssim"], 1)


def test_signs_and_sizes():
    turned = compare_maps(ONE, -ONE)
    np.testing.assert_allclose(turned["spearman"], -1)
    np.testing.assert_allclose(turned["spearman_absolute"], 1)
    assert turned["ssim"].max() < 0


def test_numbers_are_those_of_scipy_and_scikit_image():
    found = compare_maps(ONE, OTHER)
    for place, (a, b) in enumerate(zip(ONE, OTHER)):
        assert found["spearman"][place] == pytest.approx(stats.spearmanr(a, b, axis=None)[0])
        assert found["spearman_absolute"][place] == pytest.approx(stats.spearmanr(abs(a), abs(b), axis=None)[0])
        a, b = ((some - some.min()) / (some.max() - some.min()) for some in (a, b))
        assert found["ssim"][place] == pytest.approx(
            metrics.structural_similarity(a, b, gaussian_weights=True, data_range=1.0)
        )
        histograms = [feature.hog(some, pixels_per_cell=(3, 3)) for some in (a, b)]
        assert found["hog"][place] == pytest.approx(np.corrcoef(*histograms)[0, 1])


def test_unrelated_maps_are_not_alike():
    found = compare_maps(*RNG.normal(size=(2, 50, 32, 32)))
    for metric in ("spearman", "spearman_absolute"):
        assert abs(found[metric].mean()) < 5 / np.sqrt(50 * 1023)
    assert abs(found["ssim"].mean()) < 0.1 and found["hog"].mean() < 0.2


def test_small_maps_are_enlarged_for_pictures_only():
    small = compare_maps(ONE[:, :6, :6], OTHER[:, :6, :6])
    assert np.isnan(small["ssim"]).all() and np.isnan(small["hog"]).all()
    enlarged = compare_maps(ONE[:, :6, :6], OTHER[:, :6, :6], size=(48, 48))
    assert np.isfinite(enlarged["ssim"]).all() and np.isfinite(enlarged["hog"]).all()
    np.testing.assert_array_equal(small["spearman"], enlarged["spearman"])


def test_constant_maps_have_no_correlation():
    found = compare_maps(ONE, np.zeros_like(ONE))
    assert np.isnan(found["spearman"]).all() and np.isnan(found["hog"]).all()
    with pytest.raises(ValueError, match="expected finite numbers"):
        compare_maps(ONE, ONE[:2])


def test_interval_is_the_t_interval():
    values = RNG.normal(size=20)
    found = MeanInterval.of(values)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert MeanInterval.of([]).images == 0 and str(MeanInterval.of([np.nan])) == "undefined"
    assert (MeanInterval.of([2.0]).low, MeanInterval.of([2.0]).mean) == (-np.inf, 2.0)


def test_maps_that_know_nothing():
    maps, other = random_maps(3, 5, 7), random_maps(3, 5, 7, seed=1)
    # More images change nothing for the first.
    np.testing.assert_array_equal(maps[:2], random_maps(2, 5, 7))
    assert not np.array_equal(maps[0], maps[1]) and not np.array_equal(maps, other)
    centre = centre_map(5, 8)
    assert centre.argmax() in (19, 20) and centre[0, 0] == centre.min() == 0
    np.testing.assert_allclose(centre, centre[::-1, ::-1])
