"""Agreement of maps: 1 for equal ones, chance for unrelated ones, and the formulas of SciPy."""

import numpy as np
import pytest
from scipy import stats

from keras_repvis.analysis.evaluation import measure_disagreement

RNG = np.random.default_rng(0)
MAPS = RNG.normal(size=(30, 12, 10))


def test_equal_maps_agree_and_turned_ones_do_not():
    found = measure_disagreement({"one": MAPS, "larger": np.exp(MAPS), "turned": -MAPS})
    np.testing.assert_allclose(found.correlations["one", "larger"], 1)
    np.testing.assert_array_equal(found.overlaps["one", "larger"], 1)
    np.testing.assert_allclose(found.correlations["one", "turned"], -1)
    np.testing.assert_array_equal(found.overlaps["one", "turned"], 0)


def test_unrelated_maps_agree_by_chance():
    found = measure_disagreement({"one": MAPS, "other": RNG.normal(size=(30, 12, 10))}, top=0.25)
    assert found.chance == 0.25
    # Standard errors 1/sqrt(30 x 119) and sqrt(.25 .75 / (30 x 30)).
    assert abs(found.correlations["one", "other"].mean()) < 5 / np.sqrt(30 * 119)
    assert abs(found.overlaps["one", "other"].mean() - 0.25) < 5 * np.sqrt(0.1875 / 900)
    for null in ("random map", "centre"):
        assert abs(found.overlaps["one", null].mean() - 0.25) < 5 * np.sqrt(0.1875 / 900)


def test_numbers_are_those_of_scipy_with_ties():
    ties = MAPS.round()
    found = measure_disagreement({"one": MAPS, "ties": ties}, top=0.1)
    expected = [stats.spearmanr(a.reshape(-1), b.reshape(-1))[0] for a, b in zip(MAPS, ties)]
    np.testing.assert_allclose(found.correlations["one", "ties"], expected)
    # Of the 12 most salient pixels; by hand for the first image, where the ties leave no choice.
    top = set(np.argsort(-MAPS[0].reshape(-1))[:12])
    twice = measure_disagreement({"one": MAPS[:1], "other": -np.abs(MAPS[:1])}, top=0.1)
    others = set(np.argsort(np.abs(MAPS[0]).reshape(-1))[:12])
    assert twice.overlaps["one", "other"][0] == pytest.approx(len(top & others) / 12)


def test_sizes_signs_and_the_table():
    small = MAPS[:, ::2, ::2]
    found = measure_disagreement({"large": MAPS, "small": small})
    assert found.correlations["large", "small"].shape == (30,)
    without = measure_disagreement({"one": MAPS, "turned": -MAPS}, absolute=True)
    np.testing.assert_allclose(without.correlations["one", "turned"], 1)
    rows = found.rows()
    assert [row["maps"] for row in rows] == [
        "large / small", "large / random map", "large / centre", "small / random map", "small / centre"
    ]
    assert len(str(found).splitlines()) == 6
    constant = measure_disagreement({"one": MAPS, "constant": np.zeros((30, 12, 10))})
    assert np.isnan(constant.correlations["one", "constant"]).all()


def test_what_does_not_fit_is_named():
    for maps in (MAPS, {}, {"one": MAPS[0]}, {"one": MAPS, "other": MAPS[:3]}):
        with pytest.raises(ValueError, match="maps"):
            measure_disagreement(maps)
    with pytest.raises(ValueError, match="top=0"):
        measure_disagreement({"one": MAPS}, top=0)
