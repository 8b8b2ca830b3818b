"""From a handle to the one version directory it means."""

import dataclasses
import functools
import os
import pathlib

from keras_repvis import checks
from keras_repvis.zoo import handle as handles
from keras_repvis.zoo import manifest
from keras_repvis.zoo.root import find_root


@dataclasses.dataclass(frozen=True)
class Version:
    """A published version.

    Attributes:
        handle: String, `publisher/model/version`.
        path: `pathlib.Path` of the version directory, a SavedModel.
        version: Positive integer.
    """

    handle: str
    path: pathlib.Path
    version: int

    @functools.cached_property
    def manifest(self):
        """The manifest as a dict, read when first asked for.

        Raises:
            IntegrityError: If it is missing, changed, or that of another version.
        """
        record = manifest.read(self.path)
        if record.get("handle") != self.handle:
            raise manifest.IntegrityError(
                f"{self.path / manifest.FILE}: is the manifest of {record.get('handle')!r}, not of {self.handle!r}."
            )
        return record


def resolve(handle, root=None):
    """Find the version a handle means. A handle without version means the greatest number there is now.

    A caller resolves once and uses the path of the result, so that a version published meanwhile never mixes in.

    Args:
        handle: `publisher/model`, `publisher/model/3`, or the path of a version directory or of a model's directory
            (a path object, or a string that starts with `/`, `./` or `~`).
        root: Root of the zoo; see `find_root`. Unused when `handle` is a path.

    Returns:
        A `Version`.

    Raises:
        ValueError: If the handle is malformed or nothing is published under it.
        IntegrityError: If the directory lies outside the root through a symbolic link, or a path holds no manifest.

    Example:
        >>> import tempfile
        >>> from keras_repvis import zoo
        >>> zoo.resolve("me/my_model", tempfile.mkdtemp())
        Traceback (most recent call last):
        ...
        ValueError: handle='me/my_model' is not published in ...
    """
    path = handles.as_path(handle)
    if path is not None:
        return _resolve_path(path)
    parsed = handles.parse(handle)
    root = find_root(root)
    directory = root / parsed.publisher / parsed.model
    numbers = version_numbers(directory)
    if not numbers:
        raise ValueError(
            f"handle={handle!r} is not published in {root}. Run `repvis-zoo list` to see what is; another zoo is "
            "chosen by root, --zoo_root or KERAS_REPVIS_ZOO."
        )
    number = numbers[-1]
    if parsed.version is not None:
        number = checks.one_of(f"version of {parsed.publisher}/{parsed.model}", parsed.version, numbers)
    return _inside(root, dataclasses.replace(parsed, version=number))


def version_numbers(directory):
    """Return the sorted version numbers of the model in `directory`; empty if there are none."""
    try:
        names = os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(int(name) for name in names if handles.is_version(name) and os.path.isdir(directory / name))


def read_manifest(handle, root=None):
    """Return the manifest of a published version as a dict, without importing TensorFlow.

    Args:
        handle: As in `resolve`.
        root: Root of the zoo; see `find_root`.

    Returns:
        Dict of plain JSON values; among them "handle", "files", "metrics", "training", "data", "signatures", "weights".

    Raises:
        ValueError: If nothing is published under the handle.
        IntegrityError: If the manifest is missing or was changed.

    Example:
        >>> import tempfile
        >>> import keras
        >>> from keras_repvis import zoo
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> with tempfile.TemporaryDirectory() as root:
        ...     _ = zoo.publish(model, "me/tiny", root, metrics={"test_accuracy": 0.5}, training={"seed": 0})
        ...     manifest = zoo.read_manifest("me/tiny", root)
        >>> manifest["handle"], manifest["metrics"], manifest["training"]
        ('me/tiny/1', {'test_accuracy': 0.5}, {'seed': 0})
    """
    return resolve(handle, root).manifest


def _inside(root, parsed):
    path = root / parsed.publisher / parsed.model / str(parsed.version)
    real = pathlib.Path(os.path.realpath(path))
    if real != pathlib.Path(os.path.realpath(root)) / parsed.publisher / parsed.model / str(parsed.version):
        raise manifest.IntegrityError(f"{path}: is reached through a symbolic link.")
    return Version(str(parsed), path, parsed.version)


def _resolve_path(path):
    path = pathlib.Path(os.path.abspath(path))
    if not path.is_dir():
        raise ValueError(f"handle='{path}' is not accepted: there is no such directory.")
    numbers = version_numbers(path)
    if numbers and not (path / manifest.FILE).exists():
        path = path / str(numbers[-1])
    record = manifest.read(path)
    try:
        number = handles.parse(record.get("handle")).version
    except ValueError as error:
        raise manifest.IntegrityError(f"{path / manifest.FILE}: {error}") from None
    return Version(record["handle"], path, number)
