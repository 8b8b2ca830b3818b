"""Cross-validated separation: planted and absent differences, twins on one side, intervals against scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics

from keras_repvis.analysis.adversarial import telling_apart
from keras_repvis.analysis.adversarial.telling_apart import CLASSIFIERS, Estimate, tell_apart

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_a_planted_difference_is_found_by_all(classifier):
    first = RNG.normal(size=(40, 5))
    found = tell_apart(first, first + [0, 20, 0, 0, 0], classifier=classifier)
    assert found.auc == Estimate(1, 1, 1) and found.accuracy == Estimate(1, 1, 1)
    np.testing.assert_array_equal(found.second, [False] * 40 + [True] * 40)
    assert ((found.scores > 0.5) == found.second).all()


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_equal_distributions_are_at_chance(classifier):
    found = tell_apart(*RNG.normal(size=(2, 150, 8)), classifier=classifier)
    for estimate in (found.auc, found.accuracy):
        assert estimate.low < 0.5 < estimate.high and 0.05 < estimate.high - estimate.low < 0.3


def test_intervals_contain_chance_as_often_as_they_say():
    """30 sets without a difference; a plain bootstrap misses 5 of them, this one 2."""
    misses = 0
    for seed in range(30):
        pair = np.random.default_rng(1000 + seed).normal(size=(2, 60, 6))
        auc = tell_apart(*pair, seed=seed, bootstraps=200).auc
        misses += not auc.low <= 0.5 <= auc.high
    assert misses <= 3


def test_twins_that_are_equal_are_exactly_at_chance():
    features = RNG.normal(size=(30, 4))
    found = tell_apart(features, features)
    assert found.auc == Estimate(0.5, 0.5, 0.5)


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_twins_are_on_the_same_side(classifier, monkeypatch):
    """The number of the source is the only feature: no source of the training is ever tested."""
    seen = []
    made = telling_apart._classifier

    class Spy:
        def __init__(self, inner):
            self.inner = inner

        def fit(self, features, kinds):
            self.trained = set(features[:, 0])
            self.inner.fit(features, kinds)
            return self

        def predict_proba(self, features):
            assert not self.trained & set(features[:, 0])
            seen.extend(features[:, 0])
            return self.inner.predict_proba(features)

    monkeypatch.setattr(telling_apart, "_classifier", lambda *options: Spy(made(*options)))
    numbers = np.arange(23.0)[:, np.newaxis]
    found = tell_apart(numbers, numbers, classifier=classifier, folds=4)
    assert sorted(seen) == sorted([*range(23), *range(23)])
    np.testing.assert_array_equal(found.folds[:23], found.folds[23:])
    # Several of a source, in any order, and one source that has the first kind only.
    owners = (np.array([3, 3, 7, 7, 9, 1, 5, 5]), np.array([9, 7, 1, 3, 1, 5]))
    found = tell_apart(*(1.0 * one[:, np.newaxis] for one in owners), sources=owners, classifier=classifier, folds=2)
    folds = dict(zip(np.concatenate(owners), found.folds))
    np.testing.assert_array_equal([folds[owner] for owner in np.concatenate(owners)], found.folds)


def test_memory_of_sources_would_be_seen():
    """Labels at random by source: what a classifier remembers of a twin must not help. A leak gives an AUC near 1."""
    owners = np.arange(120)
    looks = RNG.normal(size=(120, 6))
    first = owners % 2 == 0
    pair = (np.repeat(owners[first], 2), np.repeat(owners[~first], 2))
    mixed = [np.append(one, other[:20]) for one, other in zip(pair, pair[::-1])]
    found = tell_apart(looks[mixed[0]], looks[mixed[1]], sources=mixed, classifier="forest")
    assert found.auc.value < 0.7


def test_numbers_are_those_of_scikit_learn():
    first, second = RNG.normal(size=(60, 3)), RNG.normal(size=(80, 3)) + 0.5
    sources = (RNG.integers(0, 30, 60), RNG.integers(0, 30, 80))
    found = tell_apart(first, second, sources, bootstraps=50, seed=3)
    assert found.auc.value == pytest.approx(metrics.roc_auc_score(found.second, found.scores))
    guesses = found.scores > 0.5
    assert found.accuracy.value == pytest.approx(metrics.balanced_accuracy_score(found.second, guesses))
    # The interval, resample by resample with the weights of the sources.
    count = len(np.unique(np.concatenate(sources)))
    owners = np.unique(np.concatenate(sources), return_inverse=True)[1]
    draws = np.random.default_rng([3, 1]).multinomial(count, np.full(count, 1 / count), size=50)
    areas = [metrics.roc_auc_score(found.second, found.scores, sample_weight=draw[owners]) for draw in draws]
    rates = [metrics.balanced_accuracy_score(found.second, guesses, sample_weight=draw[owners]) for draw in draws]
    wider = np.sqrt(1 + 5 / 4)
    for estimate, measured in ((found.auc, areas), (found.accuracy, rates)):
        ends = estimate.value + wider * (np.percentile(measured, [2.5, 97.5]) - estimate.value)
        np.testing.assert_allclose((estimate.low, estimate.high), ends, rtol=1e-9)


def test_the_seed_fixes_everything():
    pair = RNG.normal(size=(2, 30, 3))
    one, same, other = (
        tell_apart(*pair, seed=seed, bootstraps=100, classifier="forest", folds=2) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.scores, same.scores)
    assert one.auc == same.auc and not np.array_equal(one.folds, other.folds)


def test_wrong_arguments_are_named():
    pair = RNG.normal(size=(2, 10, 3))
    for options in ({"classifier": "tree"}, {"folds": 1}, {"bootstraps": 0}, {"seed": -1}):
        with pytest.raises(ValueError, match=f"{next(iter(options))}="):
            tell_apart(*pair, **options)
    with pytest.raises(ValueError, match="say by sources which belong together"):
        tell_apart(pair[0], pair[1][:4])
    with pytest.raises(ValueError, match="folds=5 is not accepted: 3 sources have examples of both kinds"):
        tell_apart(pair[0][:3], pair[1][:3])
    with pytest.raises(ValueError, match=r"sources of \(10, 9\) examples"):
        tell_apart(*pair, sources=(np.arange(10), np.arange(9)))
    with pytest.raises(ValueError, match="3 and 2 features"):
        tell_apart(pair[0], pair[1][:, :2])
    with pytest.raises(ValueError, match="second of shape"):
        tell_apart(pair[0], pair[1] * np.nan)
