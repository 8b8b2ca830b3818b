import math

import numpy as np
import pytest
from scipy import stats

from keras_repvis.claims import Rule, decide

# Five effects with mean 0 and a standard error of 0.1: the 95 % interval is +-0.2776.
NOISE = np.array([-2.0, -1.0, 0.0, 1.0, 2.0]) * math.sqrt(0.02)
HALF = 0.27764


@pytest.mark.parametrize(
    "mean,verdict",
    [
        (0.28, "reproduced"),
        (0.27, "undecided"),
        (0.23, "undecided"),
        (0.22, "not reproduced"),
        (-0.27, "not reproduced"),
        (-0.28, "reversed"),
    ],
)
@pytest.mark.parametrize("sign,direction", [(1, "greater"), (-1, "less")])
def test_one_sided_verdicts(mean, verdict, sign, direction):
    rule = Rule(direction, threshold=3.0, margin=0.5)
    assert decide(rule, 3.0 + sign * (mean + NOISE)).verdict == verdict


@pytest.mark.parametrize(
    "mean,verdict",
    [
        (0.0, "reproduced"),
        (0.72, "reproduced"),
        (-0.72, "reproduced"),
        (0.73, "undecided"),
        (-1.27, "undecided"),
        (1.28, "not reproduced"),
        (-1.28, "not reproduced"),
    ],
)
def test_verdicts_about_nearness(mean, verdict):
    assert decide(Rule("near", threshold=8.0, margin=1.0), 8.0 + mean + NOISE).verdict == verdict


def test_interval_is_the_t_interval():
    effects = [1.3, 0.2, 2.9, 1.1, 0.8, 1.7]
    decision = decide(Rule("greater", 0.0, 0.0), effects)
    low, high = stats.t.interval(0.95, 5, loc=np.mean(effects), scale=stats.sem(effects))
    assert (decision.mean, decision.low, decision.high) == pytest.approx((np.mean(effects), low, high), rel=1e-12)
    assert decision.seeds == 6
    assert decide(Rule("greater", 0.0, 0.0), NOISE).high == pytest.approx(HALF, abs=1e-4)


def test_the_interval_covers_as_often_as_it_says():
    effects = np.random.default_rng(0).normal(2.0, 1.0, (2000, 5))
    covered = np.mean([one.low <= 2.0 <= one.high for one in (decide(Rule("greater", 0.0, 0.0), e) for e in effects)])
    assert abs(covered - 0.95) < 5 * math.sqrt(0.95 * 0.05 / 2000)


def test_fewer_than_five_seeds_never_decide():
    rule = Rule("greater", 0.0, 0.0)
    assert decide(rule, [5.0, 5.1, 4.9, 5.0]).verdict == "undecided"
    assert decide(rule, [5.0, 5.1, 4.9, 5.0, 5.0]).verdict == "reproduced"
    assert (decide(rule, [5.0]).low, decide(rule, [5.0]).high) == (-math.inf, math.inf)


def test_equal_effects_on_the_threshold_do_not_reproduce():
    assert decide(Rule("greater", 0.0, 0.1), [0.0] * 5).verdict == "not reproduced"
    assert decide(Rule("greater", 0.0, 0.0), [0.0] * 5).verdict == "undecided"


@pytest.mark.parametrize(
    "rule,effect,verdict",
    [
        (Rule("greater", 0.0, 0.0), 0.1, "reproduced"),
        (Rule("greater", 0.0, 0.0), 0.0, "not reproduced"),
        (Rule("greater", 0.0, 0.0), -0.1, "reversed"),
        (Rule("less", 0.0, 0.0), 0.1, "reversed"),
        (Rule("near", 8.0, 1.0), 8.558, "reproduced"),
        (Rule("near", 8.0, 1.0), 9.01, "not reproduced"),
    ],
)
def test_exact_claims_need_one_number(rule, effect, verdict):
    decision = decide(rule, [effect], exact=True)
    assert (decision.verdict, decision.low, decision.high) == (verdict, effect, effect)


@pytest.mark.parametrize("effects", [[], [1.0, math.nan], [math.inf]])
def test_effects_that_are_no_numbers_are_refused(effects):
    with pytest.raises(ValueError, match="effects="):
        decide(Rule("greater", 0.0, 0.0), effects)
