"""Names of models in a zoo: `publisher/model` for the latest version, `publisher/model/3` for one version.

`publisher/model@champion` is the version that the alias `champion` of the model means now.
"""

import dataclasses
import os
import pathlib
import re

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_VERSION = re.compile(r"[1-9][0-9]*")
_MAX_NAME = 100
# TensorFlow Serving reads versions as signed 64-bit integers.
_MAX_VERSION = 2**63 - 1
_ALIAS = re.compile(r"[a-z][a-z0-9_-]{0,49}")
_ACCEPTED = (
    "'publisher/model', 'publisher/model/3', 'publisher/model@alias', or a path that starts with '/', './' or '~'"
)


@dataclasses.dataclass(frozen=True)
class Handle:
    """The parts of a handle.

    Attributes:
        publisher: Who publishes, the first directory below the root.
        model: Name of the model, the second directory.
        version: Positive integer, or None for the latest.
        alias: Name of an alias, or None.
    """

    publisher: str
    model: str
    version: int | None = None
    alias: str | None = None

    def __str__(self):
        version = "" if self.version is None else f"/{self.version}"
        alias = "" if self.alias is None else f"@{self.alias}"
        return f"{self.publisher}/{self.model}{version}{alias}"


def parse(text):
    """Split a handle into its parts.

    Names consist of ASCII letters, digits, `_`, `-` and `.`, start with a letter, a digit or `_` and are not a number;
    a version is a positive integer without leading zeros. Nothing else can be written, so a handle never leaves the
    root it is looked up in.

    Args:
        text: String, `publisher/model`, `publisher/model/version` or `publisher/model@alias`.

    Returns:
        A `Handle`.

    Raises:
        ValueError: If `text` is anything else.

    Example:
        >>> from keras_repvis.zoo import handle
        >>> handle.parse("repvis/mobilenet_v2_digits/3")
        Handle(publisher='repvis', model='mobilenet_v2_digits', version=3, alias=None)
        >>> handle.parse("repvis/mobilenet_v2_digits").version is None
        True
    """
    if not isinstance(text, str):
        raise _refusal(text, f"it is of type {type(text).__name__}")
    named, at, alias = text.partition("@")
    parts = named.split("/")
    if len(parts) not in (2, 3):
        raise _refusal(text, f"it has {len(parts)} part{'s' * (len(parts) != 1)}")
    for name in parts[:2]:
        _check_name(text, name)
    version = _parse_version(text, parts[2]) if len(parts) == 3 else None
    if at and (version is not None or not is_alias(alias)):
        raise _refusal(text, f"{alias!r} is not an alias" if version is None else "it has a version and an alias")
    return Handle(parts[0], parts[1], version, alias if at else None)


def is_name(name):
    """Return whether `name` can be a publisher or a model."""
    return bool(_NAME.fullmatch(name)) and not name.isdigit() and len(name) <= _MAX_NAME


def is_version(name):
    """Return whether the directory name `name` is a version number as TensorFlow Serving reads it."""
    return bool(_VERSION.fullmatch(name)) and int(name) <= _MAX_VERSION


def is_alias(name):
    """Return whether `name` can be an alias: lower-case letters, digits, `-` and `_`, a letter first."""
    return bool(_ALIAS.fullmatch(name))


def as_path(text):
    """Return the `pathlib.Path` that `text` writes, or None when it is to be read as a handle.

    Args:
        text: A path object, or a string; strings that start with `/`, `./` or `~` are paths.

    Raises:
        ValueError: If a string contains `..`: write such a path out, or pass a `pathlib.Path`.
    """
    if isinstance(text, os.PathLike):
        return pathlib.Path(text)
    if not isinstance(text, str) or not (text.startswith(("./", "~")) or text == "." or os.path.isabs(text)):
        return None
    if "\0" in text:
        raise _refusal(text, "a path contains no zero byte")
    path = pathlib.Path(text)
    if ".." in path.parts:
        raise _refusal(text, "'..' is not followed")
    return path.expanduser()


def _check_name(text, name):
    if not name:
        raise _refusal(text, "a part is empty")
    if not _NAME.fullmatch(name):
        raise _refusal(text, f"{name!r} is not a name")
    if name.isdigit():
        raise _refusal(text, f"{name!r} is a number where a name belongs")
    if len(name) > _MAX_NAME:
        raise _refusal(text, f"a name has more than {_MAX_NAME} characters")


def _parse_version(text, version):
    if not is_version(version):
        raise _refusal(text, f"{version!r} is not a positive integer without leading zeros")
    return int(version)


def _refusal(text, reason):
    return ValueError(f"handle={text!r} is not accepted: {reason}. Expected {_ACCEPTED}.")
