"""Names in the directory of a model: what is a version, and what no reader takes for one."""

import os

from keras_repvis.zoo import handle as handles

KERAS_FILE = "model.keras"
INCOMING = ".incoming-"
TRASH = ".trash-"


def version_numbers(model_directory):
    """Return the sorted version numbers of the model in `model_directory`; empty if there are none."""
    try:
        names = os.listdir(model_directory)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(int(name) for name in names if handles.is_version(name))


def latest(model_directory):
    """Return the greatest number that a directory in `model_directory` has, or None."""
    # From the greatest down: of ten thousand versions one is asked whether it is a directory.
    numbers = reversed(version_numbers(model_directory))
    return next((number for number in numbers if os.path.isdir(os.path.join(model_directory, str(number)))), None)


def leftovers(model_directory):
    """Return the names of directories in `model_directory` that are being written or removed, or were left so."""
    try:
        names = os.listdir(model_directory)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(name for name in names if name.startswith((INCOMING, TRASH)))
