"""What is in a zoo, read from directory names and manifests alone, without TensorFlow."""

import os

from keras_repvis.zoo import handle as handles
from keras_repvis.zoo.resolving import Version, version_numbers
from keras_repvis.zoo.root import find_root


def list_versions(root=None):
    """Return every published version, ordered by publisher, model and number.

    Unfinished and foreign directories are not versions and are left out: a version appears by one rename, complete.

    Args:
        root: Root of the zoo; see `find_root`.

    Returns:
        Tuple of `Version`; empty when nothing is published or the root does not exist.

    Example:
        >>> import tempfile
        >>> from keras_repvis import zoo
        >>> zoo.list_versions(tempfile.mkdtemp())
        ()
    """
    root = find_root(root)
    return tuple(
        Version(f"{publisher}/{model}/{number}", root / publisher / model / str(number), number)
        for publisher in _directories(root)
        for model in _directories(root / publisher)
        for number in version_numbers(root / publisher / model)
    )


def _directories(parent):
    """Return the sorted names of the directories in `parent` that can be part of a handle."""
    if not parent.is_dir():
        return []
    with os.scandir(parent) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and handles.is_name(entry.name))
