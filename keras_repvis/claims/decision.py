"""From the effects of several seeds to a verdict, by a rule that was fixed beforehand."""

import dataclasses
import math

from scipy import stats

VERDICTS = ("reproduced", "not reproduced", "reversed", "undecided")
LEAST_SEEDS = 5
CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Decision:
    """The mean effect, its interval and the verdict.

    Attributes:
        mean: Mean effect over the seeds.
        low: Lower end of the two-sided 95 % t-interval of the mean; the mean itself for an exact claim.
        high: Its upper end.
        seeds: Number of seeds.
        verdict: One of `VERDICTS`.
    """

    mean: float
    low: float
    high: float
    seeds: int
    verdict: str


def decide(rule, effects, exact=False):
    """Decide a claim.

    With t the rule's threshold, d its margin and [a, b] the 95 % interval of the mean effect:

        greater   reproduced if a > t, reversed if b < t, not reproduced if b < t + d, else undecided;
        less      the same with the signs changed;
        near      reproduced if [a, b] lies in [t - d, t + d], not reproduced if it lies outside, else undecided.

    So "not reproduced" says that the claimed effect, at the size that matters, was looked for and is not there;
    "undecided" that the budget was too small to tell. Fewer than five seeds never decide.

    Args:
        rule: `Rule`.
        effects: Finite numbers, one per seed; one number for an exact claim.
        exact: Whether the effect is free of chance. Default False.

    Returns:
        `Decision`.

    Raises:
        ValueError: If there is no effect or one is not finite.

    Example:
        >>> from keras_repvis.claims import Rule, decide
        >>> decide(Rule("greater", 0.0, 1.0), [2.0, 2.5, 1.5, 2.2, 1.8]).verdict
        'reproduced'
    """
    effects = [float(effect) for effect in effects]
    if not effects or not all(math.isfinite(effect) for effect in effects):
        raise ValueError(f"effects={effects!r} is not accepted: expected at least one number, all of them finite.")
    mean = math.fsum(effects) / len(effects)
    if exact:
        return Decision(mean, mean, mean, len(effects), _verdict(rule, mean, mean, undecided="not reproduced"))
    low, high = _interval(mean, effects)
    verdict = _verdict(rule, low, high) if len(effects) >= LEAST_SEEDS else "undecided"
    return Decision(mean, low, high, len(effects), verdict)


def _interval(mean, effects):
    """Two-sided t-interval of the mean; unbounded for one effect, which says nothing about its spread."""
    if len(effects) == 1:
        return -math.inf, math.inf
    variance = math.fsum((effect - mean) ** 2 for effect in effects) / (len(effects) - 1)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(effects) - 1)) * math.sqrt(variance / len(effects))
    return mean - half, mean + half


def _verdict(rule, low, high, undecided="undecided"):
    threshold, margin = rule.threshold, rule.margin
    if rule.direction == "near":
        if threshold - margin <= low and high <= threshold + margin:
            return "reproduced"
        return "not reproduced" if high < threshold - margin or low > threshold + margin else undecided
    if rule.direction == "less":
        low, high, threshold = -high, -low, -threshold
    if low > threshold:
        return "reproduced"
    if high < threshold:
        return "reversed"
    return "not reproduced" if high < threshold + margin else undecided
