"""Medians and their intervals by ranks."""

import numpy as np
import pytest
from scipy import stats

from keras_repvis.analysis import information


@pytest.mark.parametrize("count", [6, 10, 25])
def test_the_interval_of_the_median_covers_what_it_says(count):
    """By its ranks: the coverage of [v_r, v_(n+1-r)] is exact for any continuous distribution."""
    found = information.MedianInterval.of(np.arange(1, count + 1))
    coverage = 1 - 2 * stats.binom.cdf(found.low - 1, count, 0.5)
    narrower = 1 - 2 * stats.binom.cdf(found.low, count, 0.5)
    assert coverage >= 0.95 > narrower and found.low + found.high == count + 1


def test_medians_of_few_of_none_and_of_infinite_values():
    few = information.MedianInterval.of([1.0, 2.0, np.nan])
    assert (few.median, few.low, few.high, few.images) == (1.5, -np.inf, np.inf, 2)
    assert information.MedianInterval.of([np.inf, np.inf]).median == np.inf
    assert str(information.MedianInterval.of([])) == "undefined"
