"""Calibration against closed forms and the sums of the paper written out."""

import dataclasses
import math

import numpy as np
import pytest

from keras_repvis.analysis import calibration


def _logits(confidence, classes=2, answer=0):
    """Logits that give the class `answer` the probability `confidence` and share the rest."""
    probabilities = np.full(classes, (1 - confidence) / (classes - 1))
    probabilities[answer] = confidence
    return np.log(probabilities)


def test_calibrated_by_construction():
    """Of ten answers with confidence 0.9 nine are right, of ten with 0.6 six."""
    logits = np.array([_logits(0.9)] * 10 + [_logits(0.6)] * 10)
    labels = np.array([0] * 9 + [1] + [0] * 6 + [1] * 4)
    found = calibration.measure_calibration(logits, labels)
    assert found.expected_calibration_error == pytest.approx(0, abs=1e-12)
    assert found.maximum_calibration_error == pytest.approx(0, abs=1e-12)
    assert (found.accuracy, found.mean_confidence) == pytest.approx((0.75, 0.75))
    assert found.examples == 20


def test_two_gaps_by_hand():
    """Three of four right at 0.95 and one of two at 0.65: gaps of 0.2 and 0.15, weighted by 4/6 and 2/6."""
    logits = np.array([_logits(0.95)] * 4 + [_logits(0.65)] * 2)
    found = calibration.measure_calibration(logits, np.array([0, 0, 0, 1, 0, 1]), bins=10)
    assert found.expected_calibration_error == pytest.approx(0.2 * 4 / 6 + 0.15 * 2 / 6)
    assert found.maximum_calibration_error == pytest.approx(0.2)
    filled = [one for one in found.bins if one.count]
    assert [(one.count, one.accuracy) for one in filled] == [(2, 0.5), (4, 0.75)]
    assert [one.low for one in filled] == pytest.approx([0.6, 0.9])
    assert all(one.confidence is None and one.accuracy is None for one in found.bins if not one.count)


def test_uniform_and_certain_answers():
    """A uniform answer over K classes has the Brier score 1 - 1/K and log K nats; a certain wrong one 2 and its gap."""
    uniform = calibration.measure_calibration(np.zeros((6, 3)), np.array([0, 1, 2, 0, 1, 2]))
    assert uniform.brier_score == pytest.approx(1 - 1 / 3)
    assert uniform.negative_log_likelihood == pytest.approx(math.log(3))
    assert uniform.expected_calibration_error == pytest.approx(0, abs=1e-12)
    certain = calibration.measure_calibration(np.array([[0.0, 800.0]]), np.array([0]))
    assert certain.brier_score == pytest.approx(2)
    assert certain.negative_log_likelihood == pytest.approx(800)
    assert certain.expected_calibration_error == certain.maximum_calibration_error == pytest.approx(1)


def test_agrees_with_the_sums_written_out():
    random = np.random.default_rng(0)
    logits, labels = random.normal(0, 2, (200, 5)), random.integers(0, 5, 200)
    found = calibration.measure_calibration(logits, labels, bins=7)
    sums = {number: [0, 0.0, 0.0] for number in range(1, 8)}
    brier = likelihood = 0.0
    for row, label in zip(logits, labels):
        weights = [math.exp(value) for value in row]
        chances = [weight / sum(weights) for weight in weights]
        number = math.ceil(max(chances) * 7)
        for place, value in enumerate((1, max(chances), chances.index(max(chances)) == label)):
            sums[number][place] += value
        brier += sum((chance - (index == label)) ** 2 for index, chance in enumerate(chances)) / 200
        likelihood -= math.log(chances[label]) / 200
    gaps = [abs(right - confidence) for count, confidence, right in sums.values()]
    assert found.expected_calibration_error == pytest.approx(sum(gaps) / 200)
    assert found.brier_score == pytest.approx(brier)
    assert found.negative_log_likelihood == pytest.approx(likelihood)
    assert [one.count for one in found.bins] == [count for count, _, _ in sums.values()]
    assert sum(one.count for one in found.bins) == 200


def test_a_confidence_on_an_edge_is_in_the_bin_below():
    found = calibration.measure_calibration(np.zeros((1, 2)), np.array([0]), bins=2)
    assert [one.count for one in found.bins] == [1, 0]
    assert [(one.low, one.high) for one in found.bins] == [(0.0, 0.5), (0.5, 1.0)]


def test_one_bin_compares_the_means():
    random = np.random.default_rng(1)
    found = calibration.measure_calibration(random.normal(0, 3, (50, 4)), random.integers(0, 4, 50), bins=1)
    expected = abs(found.accuracy - found.mean_confidence)
    assert found.expected_calibration_error == found.maximum_calibration_error == pytest.approx(expected)


def test_a_constant_added_to_the_logits_changes_nothing():
    random = np.random.default_rng(2)
    logits, labels = random.normal(0, 3, (40, 4)), random.integers(0, 4, 40)
    one = dataclasses.asdict(calibration.measure_calibration(logits, labels))
    two = dataclasses.asdict(calibration.measure_calibration(logits + 500, labels))
    for name in set(one) - {"bins"}:
        assert two[name] == pytest.approx(one[name], rel=1e-9), name


@pytest.mark.parametrize(
    "logits, labels, message",
    [
        ([0.0, 1.0], [0], r"logits of shape \(2,\)"),
        ([[0.0], [1.0]], [0, 0], r"logits of shape \(2, 1\)"),
        (np.zeros((0, 3)), np.zeros(0, int), r"logits of shape \(0, 3\)"),
        ([[0.0, np.nan]], [0], "NaN or infinity"),
        ([["a", "b"]], [0], "an array of numbers"),
        ([[0.0, 1.0]], [2], "integers from 0 to 1"),
        ([[0.0, 1.0]], [-1], "integers from 0 to 1"),
        ([[0.0, 1.0]], [0.0], "integers from 0 to 1"),
        ([[0.0, 1.0]], [0, 1], "expected 1 integers"),
    ],
)
def test_refused_values(logits, labels, message):
    with pytest.raises(ValueError, match=message):
        calibration.measure_calibration(logits, labels)


@pytest.mark.parametrize("bins", [0, 2.5, True, None])
def test_refused_bins(bins):
    with pytest.raises(ValueError, match="bins="):
        calibration.measure_calibration([[0.0, 1.0]], [0], bins)
