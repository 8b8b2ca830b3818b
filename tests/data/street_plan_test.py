import numpy as np
import pytest

from keras_repvis.data import street_plan


@pytest.fixture(scope="module")
def plans():
    return [street_plan.draw(np.random.default_rng([1, i])) for i in range(400)]


def test_a_plan_depends_on_its_generator_alone():
    one, two = (street_plan.draw(np.random.default_rng(3)) for _ in range(2))
    assert one.angle == two.angle and one.river == two.river
    for name in ("parks", "houses", "trees", "cars"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert street_plan.draw(np.random.default_rng(4)).angle != one.angle


def test_roads_of_two_widths_lie_apart(plans):
    roads = [road for plan in plans for road in plan.roads]
    widths = np.concatenate([each[:, 1] for each in roads])
    assert set(widths) == {street_plan.NARROW, street_plan.WIDE}
    # Binomial, five standard deviations.
    assert abs(np.mean(widths == street_plan.WIDE) - 0.3) < 5 * np.sqrt(0.3 * 0.7 / len(widths))
    gaps = np.concatenate([np.diff(each[:, 0]) for each in roads])
    assert 0.28 <= gaps.min() < 0.3 and 0.53 < gaps.max() <= 0.55
    assert all(2 <= len(each) <= 5 and np.abs(each[:, 0]).max() < 0.72 for each in roads)


def test_parks_and_rivers_are_as_frequent_as_stated(plans):
    parks = np.concatenate([plan.parks.ravel() for plan in plans])
    assert abs(parks.mean() - 0.22) < 5 * np.sqrt(0.22 * 0.78 / len(parks))
    assert all(plan.parks.shape == tuple(len(roads) + 1 for roads in plan.roads) for plan in plans)
    share = np.mean([plan.river is not None for plan in plans])
    assert abs(share - 0.45) < 5 * np.sqrt(0.45 * 0.55 / len(plans))


def blocks(plan, things):
    """Return the numbers of the blocks of things along u and v."""
    return [np.searchsorted(roads[:, 0], things[:, i]) for i, roads in enumerate(plan.roads)]


def test_houses_stand_in_their_blocks_beside_roads_and_each_other(plans):
    for plan in plans:
        houses = plan.houses
        assert not plan.parks[tuple(blocks(plan, houses))].any()
        for axis, roads in enumerate(plan.roads):
            apart = np.abs(houses[:, axis, None] - roads[:, 0]) - roads[:, 1] / 2
            assert (apart > houses[:, 2 + axis, None]).all()
        for i in range(len(houses)):
            others = np.delete(houses, i, axis=0)
            assert (np.abs(others[:, :2] - houses[i, :2]) > others[:, 2:4] + houses[i, 2:4]).any(axis=1).all()
        assert set(houses[:, 4]) <= {0, 1, 2, 3}
    assert min(plan.houses[:, 2:4].min(initial=1.0) for plan in plans) > 0.02
    assert 12 < np.mean([len(plan.houses) for plan in plans]) < 30


def test_nothing_stands_in_the_river(plans):
    rivers = [plan for plan in plans if plan.river is not None]
    for plan in rivers:
        corners = [plan.houses[:, :2] + plan.houses[:, 2:4] * side for side in ((1, 1), (1, -1), (-1, 1), (-1, -1))]
        assert all((plan.river.distance(*corner.T) > -0.08).all() for corner in corners)
        assert (plan.river.distance(*plan.trees[:, :2].T) > plan.trees[:, 2]).all()
        assert (plan.river.distance(*plan.houses[:, :2].T) > np.hypot(*plan.houses[:, 2:4].T)).all()


def test_the_river_is_as_far_as_its_wave_says():
    river = street_plan.River(0.0, 0.1, 0.05, 0.8, 0.3, 0.07)
    v = np.linspace(-0.5, 0.5, 9)
    middle = 0.1 + 0.05 * np.sin(2 * np.pi * v / 0.8 + 0.3)
    np.testing.assert_allclose(river.distance(middle, v), -0.07)
    np.testing.assert_allclose(river.distance(middle + 0.07, v), 0.0, atol=1e-15)
    turned = street_plan.River(np.pi / 2, 0.1, 0.05, 0.8, 0.3, 0.07)
    np.testing.assert_allclose(turned.distance(-v, middle + 0.2), 0.13)


def test_trees_grow_in_blocks_most_of_them_in_parks(plans):
    inside = [plan.parks[tuple(blocks(plan, plan.trees))] for plan in plans]
    radii = np.concatenate([plan.trees[:, 2] for plan in plans])
    in_parks = np.concatenate(inside)
    assert 0.5 < in_parks.mean() < 0.8
    assert 0.018 <= radii[in_parks].min() and radii[in_parks].max() <= 0.042
    assert 0.014 <= radii[~in_parks].min() and radii[~in_parks].max() <= 0.028


def test_cars_drive_on_lanes(plans):
    for plan in plans:
        for u, v, half_u, half_v, kind in plan.cars:
            family = int(half_u > half_v)
            roads = plan.roads[family]
            from_lanes = np.abs(np.abs((u, v)[family] - roads[:, 0]) - 0.25 * roads[:, 1])
            assert from_lanes.min() < 1e-12 and 0 <= kind < 1
    assert 2 < np.mean([len(plan.cars) for plan in plans]) < 8
