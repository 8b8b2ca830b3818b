"""Honesty and sensitivity at their extremes, and as their definitions say."""

import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.analysis import information
from keras_repvis.analysis.information.image_corruptions import PUBLISHED_LEVELS


def images(count=6):
    return np.random.default_rng(0).uniform(0.25, 0.75, (count, 16, 16, 3)).astype("float32")


def test_an_encoder_that_makes_the_true_partner_is_honest():
    found = information.ReconstructionScores(lambda x: 1 - x, lambda y: 0.9 * (1 - y))(images(), partners=1 - images())
    assert found.honesty.mean == pytest.approx(1) and found.honesty_gap.mean == pytest.approx(0, abs=1e-5)
    assert found.honesty.high - found.honesty.low < 1e-6


def test_an_encoder_that_hides_everything_has_the_honesty_0():
    """The true partner is grey; the own encoding is the image. Rounding alone keeps it from 0."""
    grey = np.full_like(images(), 0.5)
    found = information.ReconstructionScores(tf.identity, tf.identity)(images(), partners=grey)
    rounding, distance = 0.25, 255 * np.abs(images() - 128 / 255).mean()
    assert found.honesty.mean == pytest.approx(rounding / distance, rel=0.05)
    assert found.honesty_gap.mean == pytest.approx(distance - rounding, rel=0.01)
    assert found.honesty.low < found.honesty.mean < found.honesty.high
    assert found.own_error_float.max() == 0


def test_a_worse_encoding_than_the_true_partner_is_above_1():
    found = information.ReconstructionScores(lambda x: 0 * x, tf.identity)(images(), partners=images())
    assert found.honesty.mean > 10 and found.honesty_gap.mean < 0


def test_honesty_is_the_ratio_of_the_means_with_a_linearised_interval():
    """Against the spread of the ratio over many sets of images."""
    generator = np.random.default_rng(0)
    own, partner = generator.gamma(9, 1, (2, 2000, 40)) + np.array([1.0, 20.0])[:, None, None]
    widths, ratios = [], []
    for row, (a, b) in enumerate(zip(own, partner)):
        scored = information.ScoredReconstruction(a, a, b, np.arange(2.0), np.ones((40, 2)), np.ones((40, 2)))
        assert scored.honesty.mean == pytest.approx(a.mean() / b.mean())
        ratios.append(scored.honesty.mean)
        widths.append((scored.honesty.low, scored.honesty.high))
    low, high = np.array(widths).T
    covered = np.mean((low <= 10 / 29) & (10 / 29 <= high))
    # 5 standard errors of a share of 0.95 in 2000 are 0.024.
    assert abs(covered - 0.95) < 0.03 and np.std(ratios) > 0


def test_partners_without_error_leave_honesty_undefined():
    found = information.ReconstructionScores(tf.identity, tf.zeros_like)(np.zeros((2, 8, 8, 1)), np.zeros((2, 8, 8, 1)))
    assert found.honesty.images == 0 and np.isnan(found.honesty.mean)


def test_without_partners_there_is_no_honesty():
    found = information.ReconstructionScores(tf.identity, tf.identity)(images())
    assert found.partner_error is None and found.honesty is None and found.honesty_gap is None
    assert not any("honesty" in row["score"] for row in found.rows())


def test_the_gain_of_the_identity_is_1_and_of_a_hidden_code_1_over_2a(hidden_code):
    values = 6 * 16 * 16 * 3
    identity = information.ReconstructionScores(tf.identity, tf.identity)(images())
    assert abs(identity.noise_gain().mean - 1) < 5 / np.sqrt(2 * values)
    np.testing.assert_array_equal(identity.levels, PUBLISHED_LEVELS)
    for amplitude in (0.02, 0.05):
        found = information.ReconstructionScores(*hidden_code(amplitude))(hidden_code.images(count=6))
        expected = 1 / (2 * amplitude)
        assert abs(found.noise_gain().mean / expected - 1) < 5 / np.sqrt(2 * 6 * 16 * 16 * 3)
        # Rounding adds an error of its own, 1/12 of a squared grey level, also where no noise is.
        rounded = np.sqrt(np.square(PUBLISHED_LEVELS) + 1 / 12) * expected
        np.testing.assert_allclose(found.response_8bit.mean(axis=0)[3:], rounded[3:], rtol=0.05)


def test_the_gain_is_the_area_of_its_definition():
    levels = np.array([0.0, 1.0, 3.0])
    response = np.array([[1.0, 2.0, 6.0]])
    found = information.ScoredReconstruction(np.ones(1), np.ones(1), None, levels, response, 2 * response)
    assert found.noise_gain().mean == pytest.approx((1.5 + 8) / 4.5)
    assert found.noise_gain(through_8bit=True).mean == pytest.approx(2 * 9.5 / 4.5)


def test_every_number_carries_the_version():
    found = information.ReconstructionScores(tf.identity, tf.identity)(images(), partners=1 - images())
    assert len(found.rows()) == 7 and {row["version"] for row in found.rows()} == {"1"}


def test_arguments_are_checked():
    for levels in ((1.0,), (1.0, 0.0), (1.0, 1.0)):
        with pytest.raises(ValueError, match="noise_levels=.* is not accepted: expected two or more, increasing"):
            information.ReconstructionScores(tf.identity, tf.identity, noise_levels=levels)
    measure = information.ReconstructionScores(tf.identity, tf.identity)
    with pytest.raises(ValueError, match="2 partners of 6 images"):
        measure(images(), partners=images(2))
    with pytest.raises(ValueError, match="partners of shape"):
        measure(images(), partners=np.zeros((6, 8, 8, 3)))
