"""Tiles cover every pixel with shares that sum to one, on the grid that was asked for."""

import numpy as np
import pytest

from keras_repvis.zoo import tiles

_CASES = [
    (side, size, overlap, feather, multiple)
    for multiple in (1, 4)
    for size in (16, 24)
    for side in (16, 20, 24, 36, 40, 84, 132)
    for overlap in (0, 3, 4, 8)
    for feather in (0, 1, overlap // 2, overlap)
    if feather <= overlap
]


@pytest.mark.parametrize("side, size, overlap, feather, multiple", _CASES)
def test_shares_sum_to_one_and_starts_are_on_the_grid(side, size, overlap, feather, multiple):
    axis = tiles.plan(side, size, overlap, feather, multiple)
    total = np.zeros(side)
    for start, share in zip(axis.starts, axis.weights):
        assert start % multiple == 0 and 0 <= start and start + axis.size <= side
        total[start : start + axis.size] += share
    np.testing.assert_allclose(total, 1, atol=1e-6)
    assert axis.starts[0] == 0 and axis.starts[-1] + axis.size == side
    assert np.all(np.diff(axis.starts) <= size - overlap) or multiple > size - overlap
    assert (axis.weights >= 0).all() and axis.weights.shape == (len(axis.starts), axis.size)


@pytest.mark.parametrize("side, size, overlap, feather, multiple", [c for c in _CASES if c[0] > c[1]])
def test_the_outer_pixels_of_a_tile_are_not_used_but_at_the_border_of_the_image(side, size, overlap, feather, multiple):
    axis = tiles.plan(side, size, overlap, feather, multiple)
    unused = (overlap - feather) // 2
    for index, share in enumerate(axis.weights):
        if index:
            np.testing.assert_array_equal(share[:unused], 0)
        if index + 1 < len(axis.weights):
            np.testing.assert_array_equal(share[len(share) - unused :], 0)
    assert axis.weights[0, 0] == axis.weights[-1, -1] == 1


def test_one_tile_where_it_is_enough():
    axis = tiles.plan(20, 32, 8, 4)
    assert (axis.starts, axis.size) == ((0,), 20)
    np.testing.assert_array_equal(axis.weights, np.ones((1, 20)))


def test_no_more_tiles_than_it_takes():
    assert len(tiles.plan(100, 20, 0, 0).starts) == 5
    assert len(tiles.plan(101, 20, 0, 0).starts) == 6
    assert len(tiles.plan(100, 20, 10, 5).starts) == 9


def test_a_feather_is_a_ramp_in_the_middle_of_the_overlap():
    axis = tiles.plan(28, 16, overlap=4, feather=4)
    np.testing.assert_allclose(axis.weights[0, 11:], [1, 0.875, 0.625, 0.375, 0.125])
    np.testing.assert_allclose(axis.weights[1, :5], [0.125, 0.375, 0.625, 0.875, 1])
