"""The card says what the manifest says, in the form TensorFlow Hub reads."""

import re

import pytest

from keras_repvis import zoo
from keras_repvis.zoo import card


@pytest.fixture(name="version")
def version_fixture(shared_root):
    return zoo.resolve("test/small", shared_root)


def test_form_of_tensorflow_hub(version):
    lines = (version.path / "card.md").read_text().splitlines()
    assert lines[0] == "# Module test/small/1"
    assert lines[2] == "A small classifier of noise."
    metadata = dict(re.findall(r"^<!-- ([a-z-]+): (.*) -->$", "\n".join(lines), re.MULTILINE))
    assert metadata == {
        "asset-path": "test/small/1",
        "task": "image-classification",
        "fine-tunable": "true",
        "format": "saved_model_2",
        "network-architecture": "small",
        "dataset": "noise",
        "license": "MIT",
    }


def test_is_made_from_the_manifest(classifier, version):
    text = (version.path / "card.md").read_text()
    assert text == card.render(version.manifest)
    for part in (
        "| test_accuracy | 0.75 |",
        "| flags.epochs | 2 |",
        "| seed | 3 |",
        "| fingerprint | abc |",
        f"| parameters | {classifier.count_params():,} |",
        "| `serving_default` | inputs | `images` | float32 | (any, 8, 8, 3) |",
        "## Limits\n\nKnows nothing.",
        "## Intended use\n\nTests.",
        'zoo.load("test/small/1")',
        f"tensorflow {version.manifest['versions']['tensorflow']}",
    ):
        assert part in text


def test_what_was_not_given_is_said_to_be_missing(version):
    facts = {**version.manifest, "description": "", "limits": "", "metrics": {}, "data": {}, "training": {}}
    text = card.render(facts)
    assert "published without a description" in text
    assert "## Limits\n\nNot stated by the publisher." in text
    assert "## Metrics\n\nNone were given." in text
    assert "dataset:" not in text


def test_values_cannot_break_out_of_their_place(version):
    facts = {**version.manifest, "licence": "MIT --> <script>", "metrics": {"a|b\nc": 1}}
    text = card.render(facts)
    assert "<!-- license: MIT <script> -->" in text
    assert "| a\\|b c | 1 |" in text


def test_flatten():
    assert card.flatten({"b": 1 / 3, "a": {"y": [1, 2], "x": {}}}) == [("a.y", "[1, 2]"), ("b", "0.333333")]
