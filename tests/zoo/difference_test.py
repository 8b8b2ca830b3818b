"""A difference tells itself as plain values and as tables."""

import dataclasses

from keras_repvis.zoo.difference import Behaviour, Change, Difference, WeightChange

_SHAPE = {"shape": [3, 4], "dtype": "float32", "trainable": True}
_EMPTY = Difference("p/m/1", "p/m/2", "", 5, (), (), (), (), (), (), ())


def _rows(difference, title, **arguments):
    return {name: rows for name, _, rows in difference.tables(**arguments)}.get(title)


def test_no_difference():
    assert _EMPTY.same_model
    assert _EMPTY.tables() == [
        ("", ("", ""), [("a", "p/m/1"), ("b", "p/m/2"), ("model", "the same"), ("weights", "5 equal")])
    ]
    assert _EMPTY.to_dict()["weights"] == []


def test_what_decides_an_answer():
    for part in ("weights", "configuration", "signatures", "operations"):
        assert not dataclasses.replace(_EMPTY, **{part: (Change("x", 1, 2),)}).same_model
    for part in ("metrics", "settings", "files"):
        assert dataclasses.replace(_EMPTY, **{part: (Change("x", 1, 2),)}).same_model


def test_change():
    assert Change("x", 1, 3.5).change == 2.5
    assert Change("x", True, 3).change is None
    assert Change("x", "1", "2").change is None
    assert Change("x", None, None, only="a").differs and Change("x", 1, 2).differs and not Change("x", 1, 1).differs


def test_weights_that_changed_most_come_first():
    frozen = {**_SHAPE, "trainable": False}
    weights = (
        WeightChange("small", _SHAPE, _SHAPE, 0.5, 1e-5),
        WeightChange("large", _SHAPE, frozen, 0.25, 0.125),
        WeightChange("new", None, _SHAPE),
    )
    found = dataclasses.replace(_EMPTY, weights=weights)
    assert _rows(found, "weights") == [
        ("new", "", "float32 (3, 4)", "", ""),
        ("large", "float32 (3, 4)", "float32 (3, 4) frozen", "0.25", "0.125"),
        ("small", "float32 (3, 4)", "float32 (3, 4)", "0.5", "1e-05"),
    ]
    assert _rows(found, "weights", limit=1)[1] == ("... and 2 more", "", "", "", "")
    assert _rows(found, "")[-2:] == [
        ("model", "not the same: weights differ"), ("weights", "5 equal, 2 changed, 1 only in b")
    ]


def test_values_as_text():
    found = dataclasses.replace(
        _EMPTY,
        settings=(
            Change("rate", 0.1 + 0.2, None),
            Change("layer", {"class_name": "Dense", "config": {}}, only="a"),
            Change("names", ["x", "y"], []),
            Change("file", {"sha256": "ab" * 32, "size": 12345}, only="a"),
        ),
        metrics=(Change("loss", 0.5, 0.25), Change("new", b=1.0, only="b")),
    )
    assert _rows(found, "settings") == [
        ("rate", "0.3", "None"),
        ("layer", "Dense", ""),
        ("names", "x, y", ""),
        ("file", "12,345 bytes, SHA-256 abababababab", ""),
    ]
    assert _rows(found, "metrics") == [("loss", "0.5", "0.25", "-0.25"), ("new", "", "1", "")]


def test_behaviour():
    runs = (Behaviour("a", 3, 0.00123, 2 / 3), Behaviour("b", 2, 0.5), Behaviour("b", 2, reason="why"))
    assert _rows(dataclasses.replace(_EMPTY, behaviour=runs), "behaviour") == [
        ("a", "3", "0.00123", "66.7%"),
        ("b", "2", "0.5", ""),
        ("b", "2", "not compared: why", ""),
    ]
