"""Finds the claims: every file in a folder of this package is one.

Names come from the files alone, so that listing them neither imports TensorFlow nor a claim.
"""

import functools
import importlib
import pathlib
import pkgutil

from keras_repvis import checks
from keras_repvis.claims import claim as claim_module

_HERE = pathlib.Path(__file__).parent


def names():
    """Return the names of all claims, sorted by folder and name.

    Returns:
        Tuple of `str`.

    Example:
        >>> from keras_repvis import claims
        >>> "linear_bottleneck" in claims.names()
        True
    """
    return tuple(_modules())


def get(name):
    """Return the claim called `name`.

    Args:
        name: One of `names()`.

    Returns:
        `Claim`.

    Raises:
        ValueError: If there is no such claim, or its file does not define one properly.

    Example:
        >>> from keras_repvis import claims
        >>> claims.get("relu_slide_bound").exact
        True
    """
    return load(_modules()[checks.one_of("claim", name, names())])


def family(name):
    """Return the folder that holds the claim `name`, that is the subject it belongs to."""
    return _modules()[checks.one_of("claim", name, names())].rpartition(".")[0].rpartition(".")[2]


def load(module_name):
    """Import the module `module_name` and return its `CLAIM`, checked against the file's name."""
    try:
        found = importlib.import_module(module_name).CLAIM
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{module_name} does not define a claim: {error}") from error
    expected = module_name.rpartition(".")[2]
    if not isinstance(found, claim_module.Claim):
        raise ValueError(f"{module_name}.CLAIM={found!r} is not accepted: expected a Claim.")
    if found.id != expected:
        raise ValueError(f"{module_name}.CLAIM has id={found.id!r}: expected the name of its file, {expected!r}.")
    return found


@functools.cache
def _modules():
    """Dict of claim name to dotted module name."""
    found = {}
    for folder in pkgutil.iter_modules([str(_HERE)]):
        if folder.ispkg:
            for module in pkgutil.iter_modules([str(_HERE / folder.name)]):
                if module.name in found:
                    raise ValueError(f"claim {module.name!r} exists twice: in {found[module.name]} and {folder.name}.")
                found[module.name] = f"keras_repvis.claims.{folder.name}.{module.name}"
    return found
