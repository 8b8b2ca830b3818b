"""Every recipe of the zoo says how its model is made, in one form."""

import dataclasses
import importlib.util
import pathlib
import re

import numpy as np
import pytest

from keras_repvis import training, zoo
from keras_repvis.zoo import handle, manifest

ZOO = pathlib.Path(__file__).resolve().parents[2] / "zoo"
RECIPES = sorted(ZOO.glob("*/*/recipe.py"))


def _load(path):
    spec = importlib.util.spec_from_file_location(f"recipe_{path.parent.name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_there_are_recipes_and_the_readme_names_each():
    readme = (ZOO / "README.md").read_text()
    assert RECIPES
    for path in RECIPES:
        assert f"({path.relative_to(ZOO).as_posix()})" in readme


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.parent.name)
def test_form(path):
    module = _load(path)
    lines = dict(re.findall(r"^(Command|Expected time|Number to reach): (.+)$", module.__doc__, re.MULTILINE))
    assert set(lines) == {"Command", "Expected time", "Number to reach"}
    recipe = module.get_config()
    assert recipe == zoo.load_recipe(zoo.find_recipe(recipe.handle))
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipe.handle = "me/other"
    assert recipe == module.get_config()
    assert handle.parse(recipe.handle).model == path.parent.name
    assert lines["Command"] == f"repvis-zoo make {recipe.handle}"
    assert lines["Number to reach"].startswith(f"{recipe.reach} ")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.parent.name)
def test_its_model_ships_and_is_what_the_recipe_says(path, tmp_path):
    recipe = _load(path).get_config()
    version = zoo.resolve(recipe.handle, tmp_path)
    record = version.verify()
    assert record == manifest.read(ZOO / version.handle), "what is installed is what is in the tree"
    assert record["training"] == {**recipe.training.settings(), "seed": recipe.seeds[0], "test_split": "test"}
    assert record["metrics"]["accuracy"] >= recipe.reach - 0.02
    assert set(record["variants"]) == set(recipe.variants)
    assert (record["description"], record["limits"]) == (recipe.description, recipe.limits)
    assert sum(entry["size"] for entry in record["files"].values()) < 5e6


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.parent.name)
def test_the_shipped_model_answers_as_its_card_says(path, tmp_path):
    recipe = _load(path).get_config()
    test = training.open_test_stream(recipe.training, recipe.test_split)
    metrics = zoo.read_manifest(recipe.handle, tmp_path)["metrics"]
    images, labels = (np.concatenate(parts) for parts in zip(*[(a.numpy(), b.numpy()) for a, b in test.dataset()]))
    models = [zoo.load(recipe.handle, tmp_path), zoo.load_saved_model(recipe.handle, tmp_path, variant="folded")]
    answers = [np.concatenate([model(images[start : start + 100]) for start in range(0, 500, 100)]) for model in models]
    for logits in answers:
        assert np.mean(logits.argmax(axis=-1) == labels) == pytest.approx(metrics["accuracy"], abs=0.0021)
    scale = np.abs(answers[0]).max()
    np.testing.assert_allclose(answers[1], answers[0], rtol=0, atol=1e-5 * scale)


def test_recipes_that_are_none(tmp_path):
    for name, message in (
        ("none.py", "there is no such file"),
        ("repvis/none", "Accepted: the path of a recipe.py, or repvis/mobilenet_v1_digits"),
        ("me/mobilenet_v1_digits", "is not known"),
        ("mobilenet", "handle='mobilenet'"),
    ):
        with pytest.raises(ValueError, match=message):
            zoo.find_recipe(name)
    (tmp_path / "recipe.py").write_text("")
    with pytest.raises(ValueError, match="no function get_config"):
        zoo.load_recipe(zoo.find_recipe(str(tmp_path / "recipe.py")))
