"""Every recipe of the zoo says how its model is made, in one form."""

import dataclasses
import importlib.util
import pathlib
import re

import pytest

from keras_repvis.zoo import handle

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
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipe.handle = "me/other"
    assert recipe == module.get_config()
    assert handle.parse(recipe.handle).model == path.parent.name
    assert f"--handle={recipe.handle}" in lines["Command"]
    assert f"--seeds={','.join(map(str, recipe.seeds))}" in lines["Command"]
    assert lines["Number to reach"].startswith(f"{recipe.reach} ")
