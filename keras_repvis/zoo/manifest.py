"""The manifest of a version: what it consists of, byte for byte, and where it came from.

`manifest.json` lists every other file of the version directory with its size and SHA-256. It guards itself by `seal`,
the SHA-256 of all its other entries, and is accepted only in the exact bytes this module writes, so that no byte of a
version can change unnoticed.

`digest` is the SHA-256 of what was published, without what belongs to one publication: its moment, its number, and the
evidence measured on the way. The same weights and code published again have the same digest.
"""

import hashlib
import json
import os
import pathlib
import stat

from keras_repvis.zoo.layout import CARD_FILE, CHECK_FILE, SALIENCY_FILE

FILE = "manifest.json"
FORMAT = 2
# Files that tell of the model rather than being it: made from numbers that are right up to rounding.
EVIDENCE = (CARD_FILE, CHECK_FILE, SALIENCY_FILE)
_OF_ONE_PUBLICATION = ("check", "created", "digest", "handle", "seal", "variants", "variants_refused")
_CHUNK = 1 << 20
# Versions whose bytes this process has compared, with what tells whether a file changed since.
_verified = {}


class IntegrityError(ValueError):
    """A version is not what its manifest says; the message names the file."""


def write(directory, facts):
    """Write `manifest.json` for the files that are in `directory` now.

    Args:
        directory: Path of the version directory, complete but for the manifest.
        facts: Mapping of further entries; plain JSON values.

    Returns:
        The manifest as a dict.
    """
    directory = pathlib.Path(directory)
    record = {"format": FORMAT, **facts, "files": list_files(directory)}
    record["digest"] = digest(record)
    record["seal"] = _seal(record)
    (directory / FILE).write_bytes(_encode(record))
    return record


def digest(record):
    """Return the SHA-256 of what `record`, a manifest, says of the model but not of one publication, as hexadecimal."""
    content = {name: value for name, value in record.items() if name not in _OF_ONE_PUBLICATION}
    content["files"] = {name: entry for name, entry in record["files"].items() if name not in EVIDENCE}
    return hashlib.sha256(_encode(content)).hexdigest()


def list_files(directory):
    """Return {name: {"sha256", "size"}} of every file in `directory` but the manifest; names relative, with slashes."""
    return {
        name: {"sha256": _sha256(path), "size": path.stat().st_size}
        for name, path in _regular_files(pathlib.Path(directory))
        if name != FILE
    }


def read(directory):
    """Return the manifest of the version in `directory` as a dict, checked against its own digest only.

    Raises:
        IntegrityError: If it is missing, not a manifest, or changed since it was written.
    """
    path = pathlib.Path(directory) / FILE
    if path.is_symlink():
        raise IntegrityError(f"{path}: is a symbolic link.")
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise IntegrityError(f"{path}: is missing.") from None
    try:
        record = json.loads(text)
        if record["format"] != FORMAT:
            raise IntegrityError(f"{path}: has format {record['format']!r}; this package reads format {FORMAT}.")
        intact = record["seal"] == _seal(record) and record["digest"] == digest(record) and text == _encode(record)
    except IntegrityError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise IntegrityError(f"{path}: is not a manifest.") from None
    if not intact:
        raise IntegrityError(f"{path}: was changed after publication.")
    return record


def verify(directory, hashes=True):
    """Check that the files in `directory` are exactly those of its manifest.

    Args:
        directory: Path of the version directory.
        hashes: Whether to compare the SHA-256 of every file too, not only names and sizes: True, False, or "once" to do
            so unless this process did already and no file was written since. Default True.

    Returns:
        The manifest as a dict.

    Raises:
        IntegrityError: If a file is missing, extra, of another size or content, or not a regular file; the message
            names the first such file.

    Example:
        >>> import tempfile
        >>> from keras_repvis import zoo
        >>> zoo.verify(tempfile.mkdtemp())
        Traceback (most recent call last):
        ...
        keras_repvis.zoo.manifest.IntegrityError: ...manifest.json: is missing.
    """
    directory = pathlib.Path(directory)
    record = read(directory)
    found = dict(_regular_files(directory))
    found.pop(FILE, None)
    expected = record["files"]
    states = [record["seal"]]
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            raise IntegrityError(f"{directory / name}: is missing.")
        if name not in expected:
            raise IntegrityError(f"{found[name]}: is not in the manifest.")
        state = found[name].stat()
        size = expected[name]["size"]
        if state.st_size != size:
            raise IntegrityError(f"{found[name]}: has {state.st_size} bytes, the manifest says {size}.")
        states.append((name, state.st_dev, state.st_ino, state.st_mtime_ns, state.st_ctime_ns))
    place = os.path.realpath(directory)
    if not hashes or (hashes == "once" and _verified.get(place) == states):
        return record
    for name in sorted(expected):
        if _sha256(found[name]) != expected[name]["sha256"]:
            raise IntegrityError(f"{found[name]}: its SHA-256 differs from the manifest.")
    _verified[place] = states
    return record


def _regular_files(directory):
    """Yield (relative name with slashes, path) of every file below `directory`, sorted; refuse links and devices."""
    for parent, directories, names in os.walk(directory, onerror=_raise):
        directories.sort()
        for name in sorted(directories + names):
            path = pathlib.Path(parent, name)
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                raise IntegrityError(f"{path}: is a symbolic link.")
            if stat.S_ISREG(mode):
                yield path.relative_to(directory).as_posix(), path
            elif not stat.S_ISDIR(mode):
                raise IntegrityError(f"{path}: is neither a file nor a directory.")


def _raise(error):
    raise error


def _sha256(path):
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()


def _seal(record):
    return hashlib.sha256(_encode({name: value for name, value in record.items() if name != "seal"})).hexdigest()


def _encode(record):
    text = json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()
