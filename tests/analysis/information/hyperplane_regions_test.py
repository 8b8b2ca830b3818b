import fractions
import itertools

import numpy as np
import pytest
from scipy import optimize

from keras_repvis.analysis import information


@pytest.mark.parametrize("sizes,cells", [((4, 2), 8), ((5, 3), 22), ((6, 3), 32), ((3, 5), 8), ((1, 1), 2)])
def test_region_count(sizes, cells):
    assert information.region_count(*sizes) == cells


def test_displaced_hyperplanes_in_the_plane():
    # m lines in general position: 1 + m + m(m-1)/2.
    for lines in range(1, 8):
        assert information.region_count(lines, 2, biases=True) == 1 + lines + lines * (lines - 1) // 2


def _sign_patterns(weights):
    """Sign patterns whose cell is not empty, by one linear program each: s_i b_i . x >= 1 for some x."""
    rows, columns = weights.shape
    return [
        signs
        for signs in itertools.product((1, -1), repeat=rows)
        if optimize.linprog(
            np.zeros(columns), -np.array(signs)[:, None] * weights, -np.ones(rows), bounds=[(None, None)] * columns
        ).success
    ]


@pytest.mark.parametrize("sizes", [(4, 2), (5, 3), (4, 4)])
def test_region_count_against_linear_programs(sizes):
    weights = np.random.default_rng(7).standard_normal(sizes)
    assert len(_sign_patterns(weights)) == information.region_count(*sizes)


def test_expected_preserved_regions_by_all_sign_flips():
    # The average over all row sign flips is exact, not a simulation.
    weights = np.random.default_rng(3).standard_normal((5, 2))
    patterns = _sign_patterns(weights)
    flips = list(itertools.product((1, -1), repeat=5))
    kept = [sum(np.count_nonzero(np.multiply(flip, signs) > 0) >= 2 for signs in patterns) for flip in flips]
    assert fractions.Fraction(sum(kept), len(flips)) == information.expected_preserved_regions(5, 2)
    assert information.expected_preserved_regions(6, 3) == 21


def test_wendel_numbers():
    assert information.half_space_probability(5, 3) == fractions.Fraction(11, 16)
    assert information.half_space_probability(3, 3) == 1
    # In the plane: m / 2^(m-1).
    for rows in range(2, 10):
        assert information.half_space_probability(rows, 2) == fractions.Fraction(rows, 2 ** (rows - 1))


def test_wendel_in_the_plane_against_simulation():
    samples, rows = 20_000, 5
    angles = np.sort(np.random.default_rng(0).uniform(0, 2 * np.pi, (samples, rows)), axis=1)
    gaps = np.diff(np.concatenate([angles, angles[:, :1] + 2 * np.pi], axis=1), axis=1)
    share = np.mean(gaps.max(axis=1) > np.pi)
    exact = float(information.half_space_probability(rows, 2))
    assert abs(share - exact) < 5 * np.sqrt(exact * (1 - exact) / samples)


def test_bad_sizes_are_named():
    with pytest.raises(ValueError, match="bottleneck=0"):
        information.region_count(4, 0)
    with pytest.raises(ValueError, match="expanded=0"):
        information.half_space_probability(0, 2)
