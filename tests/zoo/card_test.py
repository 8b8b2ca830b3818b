"""The card says what the manifest says, in the form TensorFlow Hub reads."""

import re

import keras
import numpy as np
import pytest

from keras_repvis import zoo
from keras_repvis.analysis import calibration
from keras_repvis.zoo import card, provenance


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
        "```\n--epochs=2\n--seed=3\n```",
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
    for title in ("Limits", "Data", "Training"):
        assert f"## {title}\n\nNot stated by the publisher.\n" in text
    assert "## Metrics\n\nNone were given.\n" in text
    assert "dataset:" not in text
    for title in ("Calibration", "depend on", "Variants", "saliency.png", "LiteRT"):
        assert title not in text


@pytest.fixture(name="full", scope="module")
def full_fixture(shared_root):
    """The entries of a version with everything, made up but for the calibration."""
    logits = np.log([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]])
    measured = calibration.measure_calibration(logits, np.array([0, 1, 1]), bins=5)
    data = {"name": "digits", "split": "test[:3]", "num_examples": 3, "fingerprint": "feed", "seed": 7}
    facts = {"tolerance": 1e-2, "agreement": 0.985, "examples": 200}
    return {
        **zoo.resolve("test/small", shared_root).manifest,
        "parent": "test/small/0",
        "metrics": {"accuracy": 2 / 3, "loss": 0.97},
        "calibration": {**provenance.plain("calibration", measured), "data": data},
        "variants": {
            "folded": {**facts, "file": "folded", "bytes": 1234567, "difference": 2e-7, "agreement": None},
            "float16": {**facts, "file": "float16.tflite", "bytes": 98, "difference": 3.14e-4},
        },
        "variants_refused": {"int8": "its outputs differ | by 0.5"},
    }


def _section(text, title):
    return text.split(f"## {title}\n\n")[1].split("\n\n## ")[0]


def test_evidence(full):
    text = card.render(full)
    metrics = _section(text, "Metrics")
    assert "| accuracy | 0.666667 |" in metrics
    assert "3 examples of `digits`, split `test[:3]`, with the SHA-256 `feed`" in metrics
    measured = _section(text, "Calibration")
    assert "| expected calibration error | 0.4000 |" in measured
    assert "| measure | with 5 bins of equal width |" in measured
    rows = re.findall(r"^\| (0\.\d+ to .*) \|$", measured, re.MULTILINE)
    assert rows == ["0.400 to 0.600 | 1 | 0.600 | 1.000", "0.800 to 1.000 | 2 | 0.900 | 0.500"]
    picture = _section(text, "What its answers depend on")
    assert picture.startswith("![Images of digits and their saliency maps](saliency.png)\n")
    assert "seed 7" in picture


def test_variants(full):
    section = _section(card.render(full), "Variants")
    assert "| float16 | `float16.tflite` | 98 | 3.1e-04 | 1.0e-02 | 98.5% of 200 |" in section
    assert "| folded | `folded` | 1,234,567 | 2.0e-07 | 1.0e-02 |  |" in section
    assert "Not published, `int8`: its outputs differ | by 0.5." in section
    loading = _section(card.render(full), "How to load")
    assert 'zoo.load_saved_model("test/small/1", variant="folded")' in loading
    assert 'zoo.LiteRT("test/small/1", variant="float16")' in loading
    assert "int8" not in loading


def test_lineage_and_cost(full):
    text = card.render(full)
    assert "| parent | test/small/0 |" in _section(text, "Provenance")
    cost = full["cost"]
    assert f"| weights, bytes | {cost['bytes']:,} |" in _section(text, "Cost")


def test_cost_of_a_model(classifier):
    found = card.measure_cost(classifier)
    # The statistics of the normalisation, 6 means and 6 variances, do not train.
    assert found["parameters"] == classifier.count_params() == found["trainable"] + 12
    assert found["bytes"] == 4 * found["parameters"]
    half = keras.layers.Dense(3, dtype="bfloat16")
    half.build((None, 5))
    assert card.measure_cost(keras.Sequential([keras.Input((5,)), half]))["bytes"] == 2 * 18


@pytest.mark.parametrize(
    "training, lines",
    [
        ({"learning_rate": 8e-3, "flip": False, "data_dir": None, "model": "v2"},
         ["--flip=false", "--learning_rate=0.008", "--model=v2"]),
        ({"milestones": [0.5, 0.75], "freeze": (), "flags": {"seeds": [0, 1]}},
         ["--seeds=0,1", "--freeze=", "--milestones=0.5,0.75"]),
        ({"optimizer": {"name": "sgd"}}, ["--optimizer.name=sgd"]),
        ({"flagfile": ["--seed=3", "--model=a\nb"]}, ["--seed=3", "--model=a b"]),
    ],
)
def test_settings_are_a_flagfile(full, training, lines):
    section = _section(card.render({**full, "training": training}), "Training")
    assert section == "\n".join(["```", *lines, "```"])


def test_what_is_beside_a_flagfile_is_a_table(full):
    training = {"flagfile": ["--seed=3"], "program": "repvis-train"}
    section = _section(card.render({**full, "training": training}), "Training")
    assert section.startswith("```\n--seed=3\n```\n\n| setting |")
    assert "| program | repvis-train |" in section


def test_no_value_ends_the_flagfile(full):
    section = _section(card.render({**full, "training": {"note": "a```b"}}), "Training")
    assert section == "````\n--note=a```b\n````"


def test_values_cannot_break_out_of_their_place(version):
    facts = {**version.manifest, "licence": "MIT --> <script>", "metrics": {"a|b\nc": 1}}
    text = card.render(facts)
    assert "<!-- license: MIT <script> -->" in text
    for licence in ("MIT ---->> x", "MIT --!> x", "MIT ---> x"):
        line = next(line for line in card.render({**facts, "licence": licence}).splitlines() if "license" in line)
        assert re.fullmatch(r"<!-- license: MIT >? ?x -->", line)
    assert "| a\\|b c | 1 |" in text


def test_flatten():
    assert card.flatten({"b": 1 / 3, "a": {"y": [1, 2], "x": {}}}) == [("a.y", "[1, 2]"), ("b", "0.333333")]
