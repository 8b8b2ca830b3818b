"""Where recipes are: a file of one's own, or one that ships with this package."""

import importlib.util
import pathlib

from keras_repvis.zoo import handle as handles
from keras_repvis.zoo.root import shipped_root

FILE = "recipe.py"


def find_recipe(name):
    """Return the path of a recipe.

    Args:
        name: Path of a Python file, or "publisher/model" of a model that ships with this package.

    Returns:
        `pathlib.Path`.

    Raises:
        ValueError: If there is no such recipe.

    Example:
        >>> from keras_repvis import zoo
        >>> zoo.find_recipe("repvis/mobilenet_v2_digits").name
        'recipe.py'
    """
    if str(name).endswith(".py"):
        if not pathlib.Path(name).is_file():
            raise ValueError(f"recipe='{name}' is not accepted: there is no such file.")
        return pathlib.Path(name)
    parsed = handles.parse(name)
    recipes = {} if shipped_root() is None else {path.parent.name: path for path in shipped_root().glob(f"*/*/{FILE}")}
    if parsed.publisher != "repvis" or parsed.model not in recipes:
        known = ", ".join(f"repvis/{model}" for model in sorted(recipes))
        raise ValueError(f"recipe={name!r} is not known. Accepted: the path of a {FILE}, or {known}.")
    return recipes[parsed.model]


def load_recipe(path):
    """Return the `Recipe` that a recipe's file makes by `get_config()`. The file is a program: it is run.

    Args:
        path: Path of the file.

    Returns:
        `Recipe`.

    Raises:
        ValueError: If the file has no `get_config`.

    Example:
        >>> from keras_repvis import zoo
        >>> zoo.load_recipe(zoo.find_recipe("repvis/mobilenet_v2_digits")).training.model
        'mobilenet_v2'
    """
    path = pathlib.Path(path)
    spec = importlib.util.spec_from_file_location(f"recipe_of_{path.parent.name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "get_config"):
        raise ValueError(f"recipe='{path}' is not accepted: it has no function get_config.")
    return module.get_config()
