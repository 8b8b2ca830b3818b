"""The aliases of a model, one small file that is replaced by one rename: no reader sees half a change."""

import contextlib
import json
import os
import pathlib

from keras_repvis.zoo import handle as handles
from keras_repvis.zoo.manifest import IntegrityError

FILE = "aliases.json"
_TEMPORARY = ".aliases.json"
# Handles without alias and version mean it already.
_RESERVED = ("latest",)


def check_name(name):
    """Return the alias `name`.

    Raises:
        ValueError: If it cannot be one.
    """
    if not isinstance(name, str) or not handles.is_alias(name) or name in _RESERVED:
        raise ValueError(
            f"alias={name!r} is not accepted: expected a name of lower-case letters, digits, '-' and '_' that starts "
            "with a letter; 'latest' is taken."
        )
    return name


def read(model_directory):
    """Return the dict of alias -> version number of the model in `model_directory`; empty if there are none.

    Raises:
        IntegrityError: If the file is not one of aliases.
    """
    path = pathlib.Path(model_directory, FILE)
    try:
        aliases = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except ValueError:
        aliases = None
    if not isinstance(aliases, dict) or not all(isinstance(number, int) and number > 0 for number in aliases.values()):
        raise IntegrityError(f"{path}: is not a file of aliases.")
    return aliases


@contextlib.contextmanager
def replacing(model_directory, aliases):
    """Replace the aliases of the model in `model_directory` when the block ends without error.

    What needs room on the disk is done before the block; the caller holds the directory.
    """
    temporary = pathlib.Path(model_directory, _TEMPORARY)
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(json.dumps(aliases, sort_keys=True) + "\n")
            file.flush()
            os.fsync(file.fileno())
        yield
        os.replace(temporary, pathlib.Path(model_directory, FILE))
    finally:
        temporary.unlink(missing_ok=True)


def sweep(model_directory):
    """Remove what a killed process left; the caller holds the directory."""
    pathlib.Path(model_directory, _TEMPORARY).unlink(missing_ok=True)
