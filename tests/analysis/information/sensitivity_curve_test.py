"""Thresholds, medians and what is measured at each level."""

import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.analysis import information


def curve(errors, levels):
    effect = information.CorruptionEffect(*[np.array(errors, "float64")] * 4)
    return information.SensitivityCurve("noise", "grey levels", levels, effect, effect)


def test_the_crossing_is_the_first_and_linear_between_levels():
    found = curve([[0, 2, 1, 9], [5, 0, 0, 0], [0, 0, 0, 0]], (0.0, 1.0, 2.0, 4.0)).crossing(1.5)
    np.testing.assert_allclose(found, [0.75, 0.0, np.inf])
    np.testing.assert_allclose(curve([[0, 4], [0, 4]], (0.0, 1.0)).crossing(np.array([1.0, 2.0])), [0.25, 0.5])


def test_levels_may_fall():
    np.testing.assert_allclose(curve([[0, 4]], (0.5, 0.1)).crossing(1.0), [0.4])


def test_thresholds_of_a_reconstruction():
    found = information.Reconstruction(np.array([0.1, 4.0]), np.zeros(2), np.array([10.0, 8.0]))
    np.testing.assert_allclose(found.doubled, [1.0, 8.0])
    np.testing.assert_allclose(found.halfway, [5.05, 6.0])


def test_the_increase_compares_each_image_with_itself():
    clean = information.Reconstruction(np.array([1.0, 10.0, 100.0]), np.zeros(3), np.zeros(3))
    effect = curve([[1.0, 3.0], [10.0, 12.5], [100.0, 101.5]], (0.0, 1.0)).in_float
    none, some = clean.increase(effect)
    assert (none.mean, none.low, none.high) == (0, 0, 0)
    assert some.mean == 2 and 0 < some.low and some.high - some.low < 3 < effect.mean("error")[1].high


def test_both_ways_are_measured_and_any_batch_gives_the_same(hidden_code):
    images = hidden_code.images(count=5)
    noise = information.image_corruptions.noise((0.0, 1.0), seed=3)
    shift = information.Corruption("shift", "grey levels", (0.4,), lambda codes, _: lambda level: codes + level / 255)
    found = []
    for batch_size in (2, 5):
        pair = information.TranslationPair(*hidden_code(), batch_size)
        shares = []
        found.append(information.measure_curves(pair, images, [noise, shift], shares.append))
        assert shares[-1] == 1 and shares == sorted(shares)
    for first, second in zip(found[0][1].values(), found[1][1].values()):
        for field in ("amount", "error", "change", "change_rms"):
            for way in ("in_float", "in_8bit"):
                one, other = (getattr(getattr(curve, way), field) for curve in (first, second))
                assert one.shape == (5, len(first.levels))
                np.testing.assert_allclose(one, other, atol=2e-3)
    reconstruction, curves = found[0]
    np.testing.assert_allclose(curves["shift"].in_float.amount, 0.4, atol=1e-3)
    # A shift of all pixels is no chess board, so G does not see it; as a file, F(x) + 0.4 is another image.
    assert curves["shift"].in_float.change.max() < 1e-2 < curves["shift"].in_8bit.change.min()
    chance = 255 * np.abs(np.roll(images, -1, axis=0) - images).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(reconstruction.chance, chance, rtol=1e-4)
    assert reconstruction.error.max() < 1e-2 < reconstruction.error_8bit.min()


def test_one_image_alone_has_no_chance():
    noise = information.image_corruptions.noise((0.0,))
    pair = information.TranslationPair(tf.identity, tf.identity)
    reconstruction, _ = information.measure_curves(pair, np.full((1, 4, 4, 1), 0.5), [noise])
    assert np.isnan(reconstruction.chance).all()


def test_names_differ():
    noise = information.image_corruptions.noise()
    pair = information.TranslationPair(tf.identity, tf.identity)
    with pytest.raises(ValueError, match="expected names that differ"):
        information.measure_curves(pair, np.zeros((1, 4, 4, 1)), [noise, noise])


def test_a_decoder_that_breaks_is_an_error():
    noise = information.image_corruptions.noise((0.0, 5.0))
    breaks = information.TranslationPair(tf.identity, lambda codes: tf.where(codes > 0.5001, np.inf, codes))
    with pytest.raises(ArithmeticError, match="not finite"):
        information.measure_curves(breaks, np.full((1, 8, 8, 1), 0.5), [noise])


def test_measures_have_names():
    with pytest.raises(ValueError, match="measure='eror' is not known. Did you mean 'error'"):
        curve([[0.0]], (0.0,)).in_float.mean("eror")
