"""The manifest of a version: what it consists of, byte for byte, and where it came from.

`manifest.json` lists every other file of the version directory with its size and SHA-256. Its own last line of defence
is `digest`, the SHA-256 of its content without that entry; and it is accepted only in the exact bytes this module
writes, so that no byte of a version can change unnoticed.
"""

import hashlib
import json
import os
import pathlib
import stat

FILE = "manifest.json"
FORMAT = 1
_CHUNK = 1 << 20


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
    record = {"format": FORMAT, **facts, "files": {}}
    for name, path in _regular_files(directory):
        if name != FILE:
            record["files"][name] = {"sha256": _sha256(path), "size": path.stat().st_size}
    record["digest"] = _digest(record)
    (directory / FILE).write_bytes(_encode(record))
    return record


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
        intact = record["digest"] == _digest(record) and text == _encode(record)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise IntegrityError(f"{path}: is not a manifest.") from None
    if not intact:
        raise IntegrityError(f"{path}: was changed after publication.")
    if record.get("format") != FORMAT:
        raise IntegrityError(f"{path}: has format {record.get('format')!r}; this package reads format {FORMAT}.")
    return record


def verify(directory, hashes=True):
    """Check that the files in `directory` are exactly those of its manifest.

    Args:
        directory: Path of the version directory.
        hashes: Whether to compare the SHA-256 of every file too, not only names and sizes. Default True.

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
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            raise IntegrityError(f"{directory / name}: is missing.")
        if name not in expected:
            raise IntegrityError(f"{found[name]}: is not in the manifest.")
        size = found[name].stat().st_size
        if size != expected[name]["size"]:
            raise IntegrityError(f"{found[name]}: has {size} bytes, the manifest says {expected[name]['size']}.")
    for name in sorted(expected) if hashes else ():
        if _sha256(found[name]) != expected[name]["sha256"]:
            raise IntegrityError(f"{found[name]}: its SHA-256 differs from the manifest.")
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
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _digest(record):
    return hashlib.sha256(_encode({key: value for key, value in record.items() if key != "digest"})).hexdigest()


def _encode(record):
    text = json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()
