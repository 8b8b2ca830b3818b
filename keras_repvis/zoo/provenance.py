"""What a manifest says about a version's origin, as plain JSON values."""

import dataclasses
import datetime
import math
import numbers
import os
import platform
from collections import abc

from keras_repvis.version import VERSION


def plain(argument, value):
    """Return the mapping `value` (None: empty) with everything in it as plain JSON values.

    Tuples become lists, paths strings, NumPy numbers Python's, dataclasses mappings.

    Raises:
        ValueError: If it is no mapping, or holds something else or a number that is not finite; the message names the
            place.

    Example:
        >>> from keras_repvis.zoo import provenance
        >>> provenance.plain("metrics", {"accuracy": float("nan")})
        Traceback (most recent call last):
        ...
        ValueError: metrics['accuracy']=nan is not accepted: expected a finite number.
    """
    if value is None:
        return {}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if not isinstance(value, abc.Mapping):
        raise ValueError(f"{argument}={value!r} is not accepted: expected a mapping of names to values.")
    return _plain(argument, value)


def text(argument, value, required=False):
    """Return the string `value` without surrounding space.

    Raises:
        ValueError: If it is not a string, or is blank although `required`.
    """
    if not isinstance(value, str) or (required and not value.strip()):
        raise ValueError(f"{argument}={value!r} is not accepted: expected a {'non-empty ' * required}string.")
    return value.strip()


def describe_data(data):
    """Return the mapping that tells which data a model was made from.

    Args:
        data: Mapping, None, or an object with a `fingerprint`, such as a `data.Source`.
    """
    if hasattr(data, "fingerprint"):
        names = ("name", "split", "num_examples", "fingerprint")
        data = {name: getattr(data, name) for name in names if hasattr(data, name)}
    return plain("data", data)


def environment(**libraries):
    """Return the entries on the moment and the software: creation time in UTC and versions.

    Args:
        **libraries: Modules with a `__version__`, under the names to list them by.
    """
    versions = {name: module.__version__ for name, module in libraries.items()}
    return {
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "versions": {"keras_repvis": VERSION, "python": platform.python_version(), **versions},
    }


def _plain(place, value):
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        if not math.isfinite(value):
            raise ValueError(f"{place}={value!r} is not accepted: expected a finite number.")
        return float(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, abc.Mapping):
        return {str(name): _plain(f"{place}[{name!r}]", item) for name, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value, key=repr) if isinstance(value, (set, frozenset)) else value
        return [_plain(f"{place}[{index}]", item) for index, item in enumerate(items)]
    if getattr(value, "shape", None) == () or type(value).__module__ == "numpy":
        return _plain(place, value.tolist())
    raise ValueError(f"{place}={value!r} is not accepted: expected text, numbers, lists and mappings.")
