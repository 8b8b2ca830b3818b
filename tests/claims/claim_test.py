import dataclasses

import pytest

from keras_repvis.claims import Claim, Rule, Source

FIELDS = {
    "id": "doubling",
    "source": Source("A. Speaker, On Numbers, 2020", "slide 2", "2 x > x"),
    "statement": "Doubling makes larger.",
    "effect": "2 x - x",
    "rule": Rule("greater", 0.0, 0.0),
    "budget": "one number",
    "measure": lambda seed: {"effect": 1.0},
    "seconds_per_seed": 1.0,
}


def test_a_complete_claim_is_accepted_and_frozen():
    claim = Claim(**FIELDS)
    assert not claim.exact
    with pytest.raises(dataclasses.FrozenInstanceError):
        claim.rule = Rule("less", 0.0, 0.0)


@pytest.mark.parametrize("field", FIELDS)
def test_a_claim_without_a_field_is_refused(field):
    with pytest.raises(TypeError, match=field):
        Claim(**{name: value for name, value in FIELDS.items() if name != field})


@pytest.mark.parametrize(
    "field,value",
    [
        ("id", ""),
        ("statement", " "),
        ("effect", None),
        ("budget", ""),
        ("source", "slide 2"),
        ("rule", "greater"),
        ("measure", 3),
        ("seconds_per_seed", 0),
        ("exact", "yes"),
        ("limits", None),
    ],
)
def test_an_empty_or_wrong_field_is_named(field, value):
    with pytest.raises(ValueError, match=f"{field}="):
        Claim(**{**FIELDS, field: value})


@pytest.mark.parametrize(
    "arguments,named",
    [
        (("larger", 0.0, 0.0), "rule.direction='larger'"),
        (("greater", None, 0.0), "rule.threshold=None"),
        (("greater", 0.0, -1.0), "rule.margin=-1.0"),
        (("near", 0.0, 0.0), "rule.margin=0.0"),
    ],
)
def test_rules_that_cannot_decide_are_refused(arguments, named):
    with pytest.raises(ValueError, match=named):
        Rule(*arguments)


def test_sources_are_complete():
    with pytest.raises(ValueError, match="source.place=''"):
        Source("talk", "", "sentence")


def test_rules_read_as_text():
    assert str(Rule("near", 8.0, 1.0)) == "within 1 of 8"
    assert str(Rule("less", 0.5, 0.0)) == "less than 0.5"
    assert str(Rule("greater", 0.0, 1.0)) == "greater than 0; 1 beyond it is the smallest effect that matters"
