"""How well a classifier tells two kinds of examples apart, cross-validated by the source they were made from.

An image and its perturbed copy share nearly everything: with one of them in training and the other in the test, a
classifier may do well by memory, or badly by it. Folds are therefore cut between sources, and the intervals are drawn
over sources too (a cluster bootstrap).

A bootstrap of the scores holds the chance of which sources were tested and not that of which were trained on: where
there is no difference its 95 % intervals contained chance in 77 to 88 of 100 cases (60 sources of 3 features to 300 of
64). Both ends are therefore moved away from the estimate by (1 + k / (k - 1))^(1/2) for k folds, the correction of
Nadeau and Bengio for training sets that overlap; then it was 95 to 100 of 100.

The area under the ROC curve is the probability that a random example of the second kind has a higher score than one
of the first, ties counting half: 1/2 for a classifier that knows nothing.

Reference:
    Nadeau and Bengio, "Inference for the Generalization Error", Machine Learning 52, 2003.
"""

import dataclasses

import numpy as np

from keras_repvis import checks

CLASSIFIERS = ("logistic", "forest")


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A number in [0, 1] with its 95 % interval.

    Args:
        value: The number on all examples.
        low: Lower end of the interval.
        high: Upper end.

    Example:
        >>> print(keras_repvis.analysis.adversarial.Estimate(0.75, 0.7, 0.8))
        0.750 [0.700, 0.800]
    """

    value: float
    low: float
    high: float

    def __str__(self):
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclasses.dataclass(frozen=True)
class Separation:
    """How well two kinds of examples are told apart.

    Args:
        auc: `Estimate` of the area under the ROC curve; 0.5 is chance.
        accuracy: `Estimate` of the share of examples whose kind is right, mean of the two kinds; 0.5 is chance.
        scores: float64 array (first + second,), the probability of the second kind that each example was given while
            its source was left out.
        second: bool array (first + second,), whether the example is of the second kind.
        folds: int64 array (first + second,), in which fold it was left out.

    Example:
        >>> import numpy as np
        >>> features = np.random.default_rng(0).normal(size=(40, 3))
        >>> found = keras_repvis.analysis.adversarial.tell_apart(features, features + 4)
        >>> found.auc.value > 0.95, found.scores.shape
        (True, (80,))
    """

    auc: Estimate
    accuracy: Estimate
    scores: np.ndarray
    second: np.ndarray
    folds: np.ndarray


def tell_apart(first, second, sources=None, classifier="logistic", folds=5, bootstraps=1000, seed=0):
    """Train a classifier to tell two kinds of examples apart, and test it on sources that it has not seen.

    Args:
        first: Array (examples, features) of the first kind.
        second: Array (examples, features) of the second kind.
        sources: Pair of integer arrays, the source of every example of each kind; None (default) if example i of both
            kinds is made from source i.
        classifier: "logistic" (default: logistic regression on standardised features, L2 penalty 1) or "forest" (200
            trees).
        folds: Integer >= 2, number of parts of the sources, each left out once. Default 5.
        bootstraps: Integer >= 1, number of resamples of the sources. Default 1000.
        seed: Integer >= 0 of folds, trees and resamples. Default 0.

    Returns:
        `Separation`.

    Raises:
        ValueError: If examples and sources do not fit, or there are fewer sources of both kinds than folds.

    Example:
        >>> import numpy as np
        >>> features = np.random.default_rng(0).normal(size=(50, 2))
        >>> keras_repvis.analysis.adversarial.tell_apart(features, features).auc.value
        0.5
    """
    checks.one_of("classifier", classifier, CLASSIFIERS)
    checks.number("folds", folds, low=2, integer=True)
    checks.number("bootstraps", bootstraps, low=1, integer=True)
    checks.number("seed", seed, low=0, integer=True)
    first, second = _features("first", first), _features("second", second)
    if first.shape[1] != second.shape[1]:
        raise ValueError(f"first and second have {first.shape[1]} and {second.shape[1]} features: expected as many.")
    owners, count = _read_sources(sources, len(first), len(second), folds)
    features = np.concatenate([first, second])
    is_second = np.repeat([False, True], [len(first), len(second)])
    part = np.random.default_rng([seed, 0]).permutation(np.arange(count) % folds)[owners]
    scores = np.empty(len(features))
    for fold in range(folds):
        left_out = part == fold
        trained = _classifier(classifier, seed).fit(features[~left_out], is_second[~left_out])
        scores[left_out] = trained.predict_proba(features[left_out])[:, 1]
    weights = np.random.default_rng([seed, 1]).multinomial(count, np.full(count, 1 / count), size=bootstraps)
    wins, pairs = _pairs(scores, is_second, owners, count)
    right, kinds = _rights(scores, is_second, owners, count)
    return Separation(
        auc=_estimate(weights, folds, lambda w: _quadratic(w, wins) / _quadratic(w, pairs)),
        accuracy=_estimate(weights, folds, lambda w: np.mean((w @ right) / (w @ kinds), axis=-1)),
        scores=scores,
        second=is_second,
        folds=part.astype("int64"),
    )


def _classifier(name, seed):
    from sklearn import ensemble, linear_model, pipeline, preprocessing

    if name == "forest":
        return ensemble.RandomForestClassifier(n_estimators=200, random_state=seed)
    return pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression(max_iter=2000))


def _features(argument, value):
    array = np.asarray(value, "float64")
    if array.ndim != 2 or not array.size or not np.isfinite(array).all():
        raise ValueError(f"{argument} of shape {array.shape} is not accepted: expected finite (examples, features).")
    return array


def _read_sources(sources, first, second, folds):
    """Return (the number of the source of every example, how many there are)."""
    if sources is None:
        if first != second:
            raise ValueError(f"there are {first} and {second} examples: say by sources which belong together.")
        sources = (np.arange(first), np.arange(second))
    lengths = tuple(len(one) for one in sources)
    if lengths != (first, second):
        raise ValueError(f"sources of {lengths} examples are not accepted: expected {(first, second)}.")
    _, owners = np.unique(np.concatenate(sources), return_inverse=True)
    common = np.intersect1d(*sources)
    if len(common) < folds:
        raise ValueError(f"folds={folds} is not accepted: {len(common)} sources have examples of both kinds.")
    return owners, int(owners.max()) + 1


def _pairs(scores, is_second, owners, count):
    """Return two matrices over sources (of the second, of the first): pairs won, ties half, and pairs."""
    low, high = scores[~is_second], scores[is_second]
    won = (high[:, np.newaxis] > low) + 0.5 * (high[:, np.newaxis] == low)
    of_low, of_high = np.eye(count)[owners[~is_second]], np.eye(count)[owners[is_second]]
    return of_high.T @ won @ of_low, np.outer(of_high.sum(0), of_low.sum(0))


def _rights(scores, is_second, owners, count):
    """Return two matrices (sources, 2 kinds): examples whose kind is right, ties half, and examples."""
    right = np.where(scores == 0.5, 0.5, (scores > 0.5) == is_second)
    found, all_of_them = np.zeros((count, 2)), np.zeros((count, 2))
    np.add.at(found, (owners, is_second.astype(int)), right)
    np.add.at(all_of_them, (owners, is_second.astype(int)), 1)
    return found, all_of_them


def _quadratic(weights, matrix):
    return np.sum((weights @ matrix) * weights, axis=-1)


def _estimate(weights, folds, measure):
    """Return the `Estimate` of a function of the weights of the sources, (resamples, sources) -> (resamples,)."""
    value = measure(np.ones((1, weights.shape[1])))[0]
    ends = np.percentile(measure(weights), [2.5, 97.5])
    low, high = np.clip(value + np.sqrt(1 + folds / (folds - 1)) * (ends - value), 0, 1)
    return Estimate(float(value), float(low), float(high))
