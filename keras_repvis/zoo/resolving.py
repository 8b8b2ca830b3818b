"""From a handle to the one version directory it means."""

import contextlib
import dataclasses
import functools
import os
import pathlib

from keras_repvis.zoo import alias_file, layout, locks, manifest
from keras_repvis.zoo import handle as handles
from keras_repvis.zoo.root import find_root, roots

_MOST_NAMED = 20


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
        return self._own(manifest.read(self.path))

    def verify(self, hashes=True):
        """Check every file against the manifest, and that it is this version's; return the manifest.

        Args:
            hashes: See `keras_repvis.zoo.verify`.

        Raises:
            IntegrityError: If a file is missing, extra, changed or a link; the message names it.
        """
        return self._own(manifest.verify(self.path, hashes))

    def _own(self, record):
        if record.get("handle") != self.handle:
            raise manifest.IntegrityError(
                f"{self.path / manifest.FILE}: is the manifest of {record.get('handle')!r}, not of {self.handle!r}."
            )
        return record


def resolve(handle, root=None):
    """Find the version a handle means: in the zoo, or among the models that ship with this package.

    A handle without version means the greatest number there is now; `publisher/model@champion` the version that the
    alias means now. A caller resolves once and uses the path of the result, so that a version published meanwhile
    never mixes in.

    Args:
        handle: `publisher/model`, `publisher/model/3`, `publisher/model@alias`, or the path of a version directory or
            of a model's directory (a path object, or a string that starts with `/`, `./` or `~`).
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
    places = [place for place in roots(root) if (place / parsed.publisher / parsed.model).is_dir()]
    if parsed.alias is not None:
        parsed = dataclasses.replace(parsed, alias=None, version=_version_of_alias(parsed, places))
    if parsed.version is None:
        found = {layout.latest(place / parsed.publisher / parsed.model): place for place in reversed(places)}
        found.pop(None, None)
        if not found:
            raise _not_published(handle, root)
        number = max(found)
        return _inside(found[number], dataclasses.replace(parsed, version=number))
    for place in places:
        if os.path.isdir(place / str(parsed)):
            return _inside(place, parsed)
    numbers = sorted({n for place in places for n in layout.version_numbers(place / parsed.publisher / parsed.model)})
    if not numbers:
        raise _not_published(handle, root)
    raise _unknown(f"version of {parsed.publisher}/{parsed.model}", parsed.version, numbers)


@contextlib.contextmanager
def reading(handle, root=None):
    """Resolve `handle`, and keep the version from being collected while the block reads it.

    Args:
        handle: As in `resolve`.
        root: Root of the zoo; see `find_root`.

    Yields:
        A `Version`.

    Raises:
        ValueError, IntegrityError: See `resolve`.

    Example:
        >>> import tempfile
        >>> import keras
        >>> from keras_repvis import zoo
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> with tempfile.TemporaryDirectory() as root:
        ...     _ = zoo.publish(model, "me/tiny", root)
        ...     with zoo.reading("me/tiny", root) as version:
        ...         print(version.handle, (version.path / "saved_model.pb").exists())
        me/tiny/1 True
    """
    with contextlib.ExitStack() as stack:
        while True:
            version = resolve(handle, root)
            # Collected between the two steps: what the handle means now is another version, or an error.
            with contextlib.suppress(FileNotFoundError):
                stack.enter_context(locks.hold(version.path, shared=True))
                break
        yield version


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


def _version_of_alias(parsed, places):
    for place in places:
        aliases = alias_file.read(place / parsed.publisher / parsed.model)
        if parsed.alias in aliases:
            return aliases[parsed.alias]
    known = sorted({name for place in places for name in alias_file.read(place / parsed.publisher / parsed.model)})
    raise _unknown(f"alias of {parsed.publisher}/{parsed.model}", parsed.alias, known)


def _unknown(argument, value, known):
    shown = [str(name) for name in known[-_MOST_NAMED:]]
    return ValueError(f"{argument}={value!r} is not known. Accepted: {', '.join(shown) or 'none yet'}.")


def _not_published(handle, root):
    return ValueError(
        f"handle={handle!r} is not published in {find_root(root)}. Run `repvis-zoo list` to see what is; another zoo "
        "is chosen by root, --zoo_root or KERAS_REPVIS_ZOO."
    )


def _inside(root, parsed):
    path = root / str(parsed)
    if os.path.realpath(path) != os.path.join(os.path.realpath(root), str(parsed)):
        raise manifest.IntegrityError(f"{path}: is reached through a symbolic link.")
    return Version(str(parsed), path, parsed.version)


def _resolve_path(path):
    path = pathlib.Path(os.path.abspath(path))
    if not path.is_dir():
        raise ValueError(f"handle='{path}' is not accepted: there is no such directory.")
    number = layout.latest(path)
    if number is not None and not (path / manifest.FILE).exists():
        path = path / str(number)
    record = manifest.read(path)
    try:
        number = handles.parse(record.get("handle")).version
    except ValueError as error:
        raise manifest.IntegrityError(f"{path / manifest.FILE}: {error}") from None
    return Version(record["handle"], path, number)
