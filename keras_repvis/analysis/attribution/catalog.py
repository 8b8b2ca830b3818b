"""Names of the attribution methods, and what their maps say in plain words; reading them does not import TensorFlow."""

import dataclasses
import importlib

from keras_repvis import checks

_HERE = "keras_repvis.analysis.attribution"


@dataclasses.dataclass(frozen=True)
class Entry:
    """One method.

    Args:
        module: Name of its module.
        method: Name of its class.
        reading: What a strong place of its map means, in plain words.
        caution: What it does not mean, or when not to believe it.

    Example:
        >>> keras_repvis.analysis.attribution.catalog.ENTRIES["gradient"].method
        'Gradient'
    """

    module: str
    method: str
    reading: str
    caution: str


ENTRIES = {
    "deconvnet": Entry(
        "deconvnet",
        "DeConvNet",
        "Structure that excites the answer when only positive signals are sent back through the network.",
        "Much of it does not depend on the class: it tells what the network can see, not what it decided on.",
    ),
    "gradient": Entry(
        "gradient",
        "Gradient",
        "Pixels where a small change would change the answer most.",
        "Speaks of small changes only: evidence the network is already sure of may have no gradient.",
    ),
    "guided_backprop": Entry(
        "guided_backprop",
        "GuidedBackprop",
        "Sharp structure that excites the answer: positive signals through units that were active.",
        "Stays almost the same when the upper layers are replaced by random ones: do not read the class from it.",
    ),
}

# What the numbers beside the maps say.
DIAGNOSTICS = {
    "score": "the number that is explained, as the model gives it",
    "target": "index of the class that is explained",
}


def names():
    """Return the names that `get` accepts, in alphabetical order.

    Returns:
        Tuple of strings.

    Example:
        >>> "gradient" in keras_repvis.analysis.attribution.catalog.names()
        True
    """
    return tuple(sorted(ENTRIES))


def get(name):
    """Return the class of the method called `name`.

    Raises:
        ValueError: If there is none; the message suggests the nearest.

    Example:
        >>> keras_repvis.analysis.attribution.catalog.get("gradient").__name__
        'Gradient'
    """
    entry = ENTRIES[checks.one_of("method", name, names())]
    return getattr(importlib.import_module(f"{_HERE}.{entry.module}"), entry.method)
