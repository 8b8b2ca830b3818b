"""Calibration: whether a classifier is right as often as it is confident.

A classifier that gives its answers a probability of 0.8 should be right in 80 % of them. The expected calibration error
measures how far it is from that; the Brier score and the negative log-likelihood are proper scoring rules, smallest for
the true probabilities, and so also tell a classifier that separates the classes from one that only knows its limits.
"""

import dataclasses

import numpy as np

from keras_repvis import checks


@dataclasses.dataclass(frozen=True)
class ReliabilityBin:
    """The examples whose confidence is in one interval: a row of the reliability table.

    Args:
        low: Lower edge of the interval, excluded.
        high: Upper edge, included.
        count: Number of examples.
        confidence: Their mean confidence; None without examples.
        accuracy: Share of them that is right; None without examples.

    Example:
        >>> keras_repvis.analysis.ReliabilityBin(0.5, 1.0, 4, 0.9, 0.75).accuracy
        0.75
    """

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What `measure_calibration` found.

    Args:
        examples: Number of examples.
        accuracy: Share of examples whose largest logit is at their label.
        mean_confidence: Mean probability of the answer given; above the accuracy the classifier is overconfident.
        expected_calibration_error: Mean gap of accuracy and confidence over the bins, weighted by their examples.
        maximum_calibration_error: Largest gap of a bin that has examples.
        brier_score: Mean squared distance of the probabilities from the truth, summed over classes, in [0, 2].
        negative_log_likelihood: Mean of -log p(label), in nats.
        bins: Tuple of `ReliabilityBin`, from the least to the most confident.

    Example:
        >>> import numpy as np
        >>> found = keras_repvis.analysis.measure_calibration(np.zeros((4, 2)), np.array([0, 0, 1, 0]), bins=2)
        >>> found.accuracy, found.mean_confidence
        (0.75, 0.5)
    """

    examples: int
    accuracy: float
    mean_confidence: float
    expected_calibration_error: float
    maximum_calibration_error: float
    brier_score: float
    negative_log_likelihood: float
    bins: tuple


def measure_calibration(logits, labels, bins=15):
    """Measure how well the confidence of a classifier agrees with its accuracy.

    With p = softmax(logits), the confidence of an example is max_k p_k and its prediction the class that has it. The
    interval (0, 1] is cut into M bins B_m = ((m-1)/M, m/M] of one width; over n examples

        ECE = sum_m |B_m|/n |acc(B_m) - conf(B_m)|        MCE = max_m |acc(B_m) - conf(B_m)|
        Brier = 1/n sum_i sum_k (p_ik - [k = y_i])^2      NLL = -1/n sum_i log p_i,y_i

    Everything is computed in float64. The ECE of few examples is too large, as the gaps of the bins have a sign that is
    lost: compare classifiers on the same examples only.

    Args:
        logits: Array (examples, classes), finite, at least two classes.
        labels: Integer array (examples,) of classes.
        bins: Integer >= 1, the number M of bins. Default 15, as in the paper.

    Returns:
        `Calibration`.

    Raises:
        ValueError: If an argument is not accepted.

    Example:
        >>> import numpy as np
        >>> logits = np.log([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]])
        >>> found = keras_repvis.analysis.measure_calibration(logits, np.array([0, 1, 1]), bins=5)
        >>> round(found.expected_calibration_error, 3), round(found.maximum_calibration_error, 3)
        (0.4, 0.4)

    Reference:
        Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", 2017, equations 3 and 5. Brier,
        "Verification of Forecasts Expressed in Terms of Probability", 1950, equation 2.
    """
    checks.number("bins", bins, low=1, integer=True)
    logits, labels = _checked(logits, labels)
    rows = np.arange(len(labels))
    log_probabilities = _log_softmax(logits)
    probabilities = np.exp(log_probabilities)
    confidences = np.minimum(probabilities.max(axis=1), 1.0)
    right = logits.argmax(axis=1) == labels
    errors = probabilities.copy()
    errors[rows, labels] -= 1.0
    table = _reliability(confidences, right, bins)
    gaps = [(one.count, abs(one.accuracy - one.confidence)) for one in table if one.count]
    return Calibration(
        examples=len(labels),
        accuracy=float(right.mean()),
        mean_confidence=float(confidences.mean()),
        expected_calibration_error=sum(count * gap for count, gap in gaps) / len(labels),
        maximum_calibration_error=max(gap for _, gap in gaps),
        brier_score=float(np.square(errors).sum(axis=1).mean()),
        negative_log_likelihood=float(-log_probabilities[rows, labels].mean()),
        bins=table,
    )


def _reliability(confidences, right, bins):
    edges = np.linspace(0.0, 1.0, bins + 1)
    # "left": a confidence on an edge belongs to the bin below it.
    places = np.searchsorted(edges, confidences, side="left") - 1
    table = []
    for place in range(bins):
        inside = places == place
        count = int(inside.sum())
        means = [float(values[inside].mean()) if count else None for values in (confidences, right)]
        table.append(ReliabilityBin(float(edges[place]), float(edges[place + 1]), count, *means))
    return tuple(table)


def _log_softmax(logits):
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _checked(logits, labels):
    try:
        logits = np.asarray(logits, "float64")
    except (TypeError, ValueError) as error:
        raise ValueError(f"logits are not accepted: expected an array of numbers. {error}") from None
    labels = np.asarray(labels)
    if logits.ndim != 2 or logits.shape[0] < 1 or logits.shape[1] < 2:
        raise ValueError(
            f"logits of shape {logits.shape} are not accepted: expected (examples, classes), at least one example and "
            "two classes."
        )
    if not np.isfinite(logits).all():
        raise ValueError("logits are not accepted: expected finite numbers, found NaN or infinity.")
    examples, classes = logits.shape
    fits = labels.shape == (examples,) and np.issubdtype(labels.dtype, np.integer)
    if not fits or labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"labels={labels!r} are not accepted: expected {examples} integers from 0 to {classes - 1}."
        )
    return logits, labels
