"""Made by a recipe, reproduced from the manifest alone."""

import dataclasses
import os

import keras
import pytest

from keras_repvis import training, zoo
from keras_repvis.data import Source
from keras_repvis.zoo import recipe as recipes

_CONFIG = training.Classification(
    "mobilenet_v1",
    width_multiplier=0.1,
    image_size=16,
    stem_strides=1,
    epochs=4,
    learning_rate=1e-2,
    batch_norm_momentum=0.8,
)
_TEXTS = {"description": "Digits.", "intended_use": "Tests.", "limits": "Digits only."}
_RECIPE = zoo.Recipe("me/digits", _CONFIG, (1, 2), 0.3, variants=("folded", "int8"), **_TEXTS)


@pytest.fixture(scope="module", name="made")
def made_fixture(tmp_path_factory):
    root = tmp_path_factory.mktemp("made")
    return (root, *zoo.make(_RECIPE, root, progress=False))


def test_the_first_seed_is_published_with_its_evidence(made):
    root, version, accuracies = made
    record = version.manifest
    assert list(accuracies) == [1, 2]
    assert record["metrics"]["accuracy"] == accuracies[1]
    assert record["training"] == {**_CONFIG.settings(), "seed": 1, "test_split": "test"}
    assert record["data"]["split"] == "train" and record["calibration"]["data"]["split"] == "test"
    assert record["data"]["fingerprint"] != record["calibration"]["data"]["fingerprint"]
    assert record["description"] == "Digits." and "folded" in record["variants"]
    assert {"int8"} <= record["variants"].keys() | record["variants_refused"].keys()
    assert "no calibration images" not in str(record["variants_refused"])
    assert "--learning_rate=0.01" in (version.path / "card.md").read_text()
    assert (version.path / "saliency.png").read_bytes().startswith(b"\x89PNG")


def test_it_is_reproduced_from_the_manifest(made):
    root, version, accuracies = made
    found = zoo.reproduce("me/digits", root, progress=False)
    assert found.handle == "me/digits/1" and found.published == accuracies[1] and found.examples == 500
    assert found.agrees
    # Threads add in any order: the weights may be the same bytes or not, the accuracy is close.
    assert found.same_weights or abs(found.found - found.published) <= found.allowed


def test_the_same_weights_are_known_as_such(made, monkeypatch):
    root, version, _ = made
    model = zoo.load(version.handle, root)
    trained = training.TrainedClassifier(model, history=[], train=None)
    monkeypatch.setattr(recipes.training, "train", lambda config, **_: trained)
    assert zoo.reproduce("me/digits", root, progress=False).same_weights
    model.weights[0].assign(model.weights[0] * 1.0001)
    assert not zoo.reproduce("me/digits", root, progress=False).same_weights


def test_another_training_does_not_agree(made, monkeypatch):
    root, version, _ = made
    model = keras.models.clone_model(zoo.load(version.handle, root))
    monkeypatch.setattr(recipes.training, "train", lambda config, **_: training.TrainedClassifier(model, [], None))
    found = zoo.reproduce("me/digits", root, progress=False)
    assert not found.same_weights and not found.agrees


def test_other_data_are_refused(made, monkeypatch):
    root, _, _ = made
    monkeypatch.setattr(Source, "fingerprint", "other")
    with pytest.raises(ValueError, match="is not what it was trained on"):
        zoo.reproduce("me/digits", root, progress=False)


def test_a_recipe_that_does_not_reach_its_number_publishes_nothing(tmp_path):
    little = dataclasses.replace(_CONFIG, epochs=1, train_split="train[:64]")
    hopeless = dataclasses.replace(_RECIPE, training=little, seeds=(0,), reach=1.0)
    with pytest.raises(ValueError, match="below 1.0"):
        zoo.make(hopeless, tmp_path, progress=False)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    "published, found, allowed, same, agrees",
    [
        (0.9, 0.9, 0.0, False, True),
        (0.9, 0.8, 0.05, False, False),
        (0.8, 0.9, 0.11, False, True),
        (0.9, 0.1, 0.0, True, True),
    ],
)
def test_when_a_result_agrees(published, found, allowed, same, agrees):
    assert zoo.Reproduction("a/b/1", published, found, 500, allowed, same).agrees == agrees
