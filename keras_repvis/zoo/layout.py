"""Names in the directory of a model: what is a version, what is in one, and what no reader takes for one."""

import os

from keras_repvis.zoo import handle as handles

KERAS_FILE = "model.keras"
CARD_FILE = "card.md"
CHECK_FILE = "check.npz"
SALIENCY_FILE = "saliency.png"
FOLDED = "folded"
LITERT_VARIANTS = ("float16", "int8")
VARIANTS = (FOLDED, *LITERT_VARIANTS)
# Types of whole numbers that an image-to-image model may have a signature on.
SIGNATURE_TYPES = ("uint8", "uint16")
# What a training run of two generators leaves in its directory.
GENERATOR_FILES = ("generator_ab.keras", "generator_ba.keras")
SIGNATURE = ".sig"
INCOMING = ".incoming-"
TRASH = ".trash-"


def version_numbers(model_directory):
    """Return the sorted version numbers of the model in `model_directory`; empty if there are none."""
    return sorted(int(name) for name in _names(model_directory) if handles.is_version(name))


def latest(model_directory):
    """Return the greatest number that a directory in `model_directory` has, or None."""
    # At first glance, as there may be ten thousand: what looks like the greatest number mostly is a version.
    greatest = max(map(int, filter(str.isdecimal, _names(model_directory))), default=None)
    if greatest is None or _is_directory(model_directory, greatest):
        return greatest
    numbers = reversed(version_numbers(model_directory))
    return next((number for number in numbers if _is_directory(model_directory, number)), None)


def leftovers(model_directory):
    """Return the names of directories in `model_directory` that are being written or removed, or were left so."""
    return sorted(name for name in _names(model_directory) if name.startswith((INCOMING, TRASH)))


def _names(directory):
    try:
        return os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _is_directory(model_directory, number):
    return handles.is_version(str(number)) and os.path.isdir(os.path.join(model_directory, str(number)))
