"""What is said about a version's origin is plain JSON or refused."""

import dataclasses
import datetime
import json
import pathlib
import types

import numpy as np
import pytest

from keras_repvis.zoo import provenance


@dataclasses.dataclass
class _Flags:
    model: str
    sizes: tuple


def test_values_become_plain():
    given = {
        "number": np.float32(0.5),
        "count": np.int64(3),
        "array": np.arange(3),
        "flag": True,
        "nothing": None,
        "path": pathlib.PurePosixPath("/a/b"),
        "nested": {"tuple": (1, 2.5), 7: "seven"},
    }
    found = provenance.plain("training", given)
    assert json.loads(json.dumps(found)) == found == {
        "number": 0.5,
        "count": 3,
        "array": [0, 1, 2],
        "flag": True,
        "nothing": None,
        "path": "/a/b",
        "nested": {"tuple": [1, 2.5], "7": "seven"},
    }
    assert isinstance(found["flag"], bool) and isinstance(found["count"], int)


def test_nothing_and_dataclasses():
    assert provenance.plain("metrics", None) == {}
    assert provenance.plain("training", _Flags("net", (1, 2))) == {"model": "net", "sizes": [1, 2]}


@pytest.mark.parametrize(
    "value, place",
    [
        ({"a": float("nan")}, r"metrics\['a'\]=nan"),
        ({"a": {"b": [1, np.inf]}}, r"metrics\['a'\]\['b'\]\[1\]=inf|metrics\['a'\]\['b'\]\[1\]=np.float64\(inf\)"),
        ({"a": object()}, r"metrics\['a'\]=<object"),
        ([1], r"metrics=\[1\]"),
        ("accuracy", "metrics='accuracy'"),
        (0.98, "metrics=0.98"),
    ],
)
def test_refused(value, place):
    with pytest.raises(ValueError, match=place):
        provenance.plain("metrics", value)


def test_text():
    assert provenance.text("description", " Digits.\n") == "Digits."
    with pytest.raises(ValueError, match="licence=None is not accepted"):
        provenance.text("licence", None)


def test_a_source_is_described_by_its_fingerprint():
    source = types.SimpleNamespace(name="digits", split="train", num_examples=5, fingerprint="ab", other=object())
    assert provenance.describe_data(source) == {
        "name": "digits",
        "split": "train",
        "num_examples": 5,
        "fingerprint": "ab",
    }
    assert provenance.describe_data(None) == {}
    assert provenance.describe_data({"name": "mine"}) == {"name": "mine"}


def test_environment_names_the_moment_and_the_software():
    before = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    found = provenance.environment(numpy=np)
    assert before <= datetime.datetime.fromisoformat(found["created"]) <= datetime.datetime.now(datetime.timezone.utc)
    assert found["versions"]["numpy"] == np.__version__
    assert set(found["versions"]) == {"keras_repvis", "numpy", "python"}
