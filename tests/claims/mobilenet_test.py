"""The claims that need no training, against numbers worked out by hand."""

import pytest

from keras_repvis import claims
from keras_repvis.models.mobilenet import v1


def test_separable_cost_counts_real_layers():
    numbers = claims.get("separable_cost").measure(0)
    assert numbers["blocks"] == 13
    assert numbers["effect"] < 1e-12
    assert numbers["ratio counted at 64 filters"] == pytest.approx(0.127, abs=5e-4)
    assert numbers["ratio counted at 1024 filters"] == pytest.approx(0.112, abs=5e-4)


def test_separable_eighth_against_the_table():
    numbers = claims.get("separable_eighth").measure(0)
    size, channels = 112, 32
    full = 9 * 3 * 32 * size**2 + 1024 * 1000
    for row in v1.ROWS:
        for repeat in range(row.repeats):
            size //= row.strides if repeat == 0 else 1
            full += 9 * channels * row.filters * size**2
            channels = row.filters
    assert numbers["multiply-adds, full"] == full
    assert numbers["multiply-adds, separable"] == 568_740_352
    assert numbers["effect"] == full / 568_740_352


def test_slide_bound_is_reversed_at_every_expansion():
    claim = claims.get("relu_slide_bound")
    numbers = claim.measure(0)
    assert numbers["log2 collapsed share, 96 over 16"] == pytest.approx(-38.85, abs=0.01)
    assert numbers["effect"] == pytest.approx(-48 + 38.85, abs=0.01)
    assert numbers["smallest m/n at which the bound holds, n = 16"] == 8.0
    assert claims.decide(claim.rule, [numbers["effect"]], exact=True).verdict == "reversed"


def test_collapse_share_is_simulated_anew_for_each_seed(monkeypatch):
    from keras_repvis.claims.mobilenet import relu_collapse_share

    monkeypatch.setattr(relu_collapse_share, "_SAMPLES", 2000)
    first, second = relu_collapse_share.measure(0), relu_collapse_share.measure(1)
    assert first["collapsed share, 6 over 3, closed form"] == 11 / 32
    assert first["effect"] != second["effect"]
    # The largest of seven deviations, at five times the largest standard error of 2,000 samples.
    assert 0 < first["effect"] < 5 * 0.5 / 2000**0.5
