"""What a claim is: a sentence of a talk, how it is measured, and what would settle it, all fixed beforehand."""

import dataclasses
import typing

from keras_repvis import checks

DIRECTIONS = ("greater", "less", "near")


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a claim is made.

    Args:
        talk: Speaker, title and year of the talk.
        place: Section, slide or figure; the paper, if the talk relies on one.
        sentence: The words or the formula in question, briefly.
    """

    talk: str
    place: str
    sentence: str

    def __post_init__(self):
        for field in dataclasses.fields(self):
            _text(f"source.{field.name}", getattr(self, field.name))


@dataclasses.dataclass(frozen=True)
class Rule:
    """When the measured effect counts as what was claimed; see `decision.decide`.

    Args:
        direction: "greater" or "less" than `threshold`, or "near" it.
        threshold: The effect at which the claim turns from right to wrong.
        margin: For "near", how far from the threshold still counts as near, > 0. Otherwise the smallest effect beyond
            the threshold that would matter, >= 0: a measurement that excludes even that is a negative result, one
            that does not is undecided.
    """

    direction: str
    threshold: float
    margin: float

    def __post_init__(self):
        checks.one_of("rule.direction", self.direction, DIRECTIONS)
        checks.number("rule.threshold", self.threshold)
        if self.direction == "near":
            checks.number("rule.margin", self.margin, above=0)
        else:
            checks.number("rule.margin", self.margin, low=0)

    def __str__(self):
        if self.direction == "near":
            return f"within {self.margin:g} of {self.threshold:g}"
        beyond = f"; {self.margin:g} beyond it is the smallest effect that matters" if self.margin else ""
        return f"{self.direction} than {self.threshold:g}{beyond}"


@dataclasses.dataclass(frozen=True)
class Claim:
    """A published claim as an experiment.

    Args:
        id: Name of the claim, equal to the name of the file that holds it.
        source: `Source`.
        statement: The claim in our words.
        effect: What number is measured, with its unit.
        rule: `Rule`, fixed before the experiment is run.
        budget: Data, models, steps: all that is spent on one seed.
        measure: Function of an integer seed that returns a dict of name to finite number, "effect" among them. It
            imports what is heavy itself, so that claims can be listed in an instant.
        seconds_per_seed: Rough time of one seed on two cores, for the progress bar. > 0.
        exact: Whether the effect follows without chance from the definition; it is then measured once. Default False.
        limits: What the verdict does not say, for the reader of the page. Default "", nothing to add.

    Raises:
        ValueError: If a field is empty or of the wrong kind.

    Example:
        >>> from keras_repvis.claims import Claim, Rule, Source
        >>> claim = Claim(
        ...     id="doubling",
        ...     source=Source("A. Speaker, On Numbers, 2020", "slide 2", "2 x is larger than x"),
        ...     statement="Doubling a positive number makes it larger.",
        ...     effect="2 x - x for a random x in (0, 1]",
        ...     rule=Rule("greater", threshold=0.0, margin=0.0),
        ...     budget="one number",
        ...     measure=lambda seed: {"effect": 1.0 / (1 + seed)},
        ...     seconds_per_seed=0.001,
        ... )
        >>> claim.measure(1)
        {'effect': 0.5}
    """

    id: str
    source: Source
    statement: str
    effect: str
    rule: Rule
    budget: str
    measure: typing.Callable[[int], dict]
    seconds_per_seed: float
    exact: bool = False
    limits: str = ""

    def __post_init__(self):
        for name in ("id", "statement", "effect", "budget"):
            _text(name, getattr(self, name))
        for name, kind in (("source", Source), ("rule", Rule)):
            if not isinstance(getattr(self, name), kind):
                raise ValueError(f"{name}={getattr(self, name)!r} is not accepted: expected a {kind.__name__}.")
        if not callable(self.measure):
            raise ValueError(f"measure={self.measure!r} is not accepted: expected a function of a seed.")
        checks.number("seconds_per_seed", self.seconds_per_seed, above=0)
        checks.one_of("exact", self.exact, (True, False))
        if not isinstance(self.limits, str):
            raise ValueError(f"limits={self.limits!r} is not accepted: expected a text.")


def _text(argument, value):
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{argument}={value!r} is not accepted: expected a text that is not empty.")
