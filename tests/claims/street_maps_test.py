"""The experiment that the claims about CycleGAN share, with few steps of small networks, and what they make of it."""

import dataclasses

import numpy as np
import pytest

from keras_repvis import claims
from keras_repvis.analysis.information import CorruptionEffect, SensitivityCurve
from keras_repvis.claims import catalog, street_maps


def curve(errors, levels=(0.0, 1.0, 2.0, 4.0)):
    errors = np.array([errors, errors])
    effect = CorruptionEffect(errors, errors, errors, errors)
    return SensitivityCurve("white noise", "grey levels", levels, effect, effect)


def test_where_half_of_the_gain_is_gone():
    found = curve([2.0, 4.0, 8.0, 20.0])
    assert street_maps.half_amplitude(found, own=2.0, partner=10.0) == 1.5  # (2 + 10) / 2 is half-way from 4 to 8.
    assert street_maps.half_amplitude(found, own=2.0, partner=4.0) == 0.5
    assert street_maps.half_amplitude(found, own=2.0, partner=100.0) == 4.0  # Never: the largest level.
    assert street_maps.half_amplitude(found, own=2.0, partner=1.0) == 4.0  # Nothing to lose.


def test_seeds_differ_in_their_weights_and_arms_do_not():
    first, again, other = (street_maps.networks(seed) for seed in (3, 3, 4))
    for one, same, different in zip(first, again, other):
        np.testing.assert_array_equal(one.get_weights()[0], same.get_weights()[0])
        assert not np.array_equal(one.get_weights()[0], different.get_weights()[0])


def test_towns_are_seen_from_both_sides():
    photographs, maps = street_maps.towns()
    assert photographs.shape == maps.shape == (street_maps.TOWNS, 64, 64, 3)
    assert photographs.min() >= 0 and photographs.max() <= 1
    colours = len(np.unique(maps[0].reshape(-1, 3), axis=0))
    assert colours < len(np.unique(photographs[0].reshape(-1, 3), axis=0)) / 5


def forget():
    for function in ("measure", "fresh_decoders", "_weights", "_learner", "_first_state", "towns"):
        getattr(street_maps, function).cache_clear()


@pytest.fixture
def short(monkeypatch):
    short = {"STEPS": 4, "TOWNS": 3, "LESSONS": 5, "DECODER_STEPS": 2, "CLOSE_UPS": 2, "SEARCH_STEPS": 3}
    short |= {"HALVINGS": 2, "FILTERS": 2, "JUDGE_FILTERS": 2}
    for name, value in short.items():
        monkeypatch.setattr(street_maps, name, value)
    forget()
    yield
    forget()


def test_one_short_run(short):
    outcome = street_maps.measure("plain", 0)
    assert all(np.isfinite(value) for value in dataclasses.astuple(outcome))
    assert outcome.true_code > 0 and 0 < outcome.own_error < 255 and outcome.search_end < outcome.search_start
    assert street_maps.measure("plain", 0) is outcome
    errors = street_maps.fresh_decoders(0)
    assert set(errors) == {"F(x)", "true map"} and errors["F(x)"] != errors["true map"]

    # What another seed has left behind in the learner changes nothing.
    first = [weight.copy() for weight in street_maps.trained("plain", 0)[0].get_weights()]
    other = street_maps.trained("plain", 1)[0].get_weights()
    assert any(np.abs(one - two).max() > 1e-3 for one, two in zip(first, other))
    street_maps._weights.cache_clear()
    for one, two in zip(first, street_maps.trained("plain", 0)[0].get_weights()):
        np.testing.assert_allclose(two, one, atol=1e-5)


def test_effects_are_what_the_claims_say(monkeypatch):
    fields = [field.name for field in dataclasses.fields(street_maps.Outcome)]
    plain = street_maps.Outcome(**dict(zip(fields, (4.0, 20.0, 16.0, 2.0, 1.0, 0.5, 10.0, 0.1, 0.05, 40.0, 8.0))))
    noisy = dataclasses.replace(plain, half_amplitude=16.0, code=4.0)
    arms = {"plain": plain, "with noise": noisy}
    monkeypatch.setattr(street_maps, "measure", lambda arm, seed: arms[arm])
    monkeypatch.setattr(street_maps, "fresh_decoders", lambda seed: {"F(x)": 5.0, "true map": 20.0})
    expected = {
        "adversarial_encoding": 0.2, "code_in_fine_detail": 0.75, "contracting_encoder": -1.0, "expanding_decoder": 1.0,
        "fragile_code": 2.0, "hidden_source": 4.0, "near_linearity": 0.05, "noise_raises_code": 2.0,
        "noise_strengthens_code": 3.0,
    }
    assert {name: claims.get(name).measure(0)["effect"] for name in expected} == pytest.approx(expected)
    assert set(expected) == {name for name in claims.names() if catalog.family(name) == "cyclegan"}
