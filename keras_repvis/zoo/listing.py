"""What is in a zoo, read from directory names and manifests alone, without TensorFlow."""

import os

from keras_repvis.zoo import handle as handles
from keras_repvis.zoo.layout import version_numbers
from keras_repvis.zoo.resolving import Version
from keras_repvis.zoo.root import find_root, roots


def list_versions(root=None, shipped=True):
    """Return every published version, ordered by publisher, model and number.

    Unfinished and foreign directories are not versions and are left out: a version appears by one rename, complete.

    Args:
        root: Root of the zoo; see `find_root`.
        shipped: Whether to list the models that ship with this package too. Default True.

    Returns:
        Tuple of `Version`; empty when nothing is published or the root does not exist.

    Example:
        >>> import tempfile
        >>> from keras_repvis import zoo
        >>> zoo.list_versions(tempfile.mkdtemp(), shipped=False)
        ()
    """
    found = {}
    # What the user has comes last, and stands for a shipped version of the same handle.
    for place in reversed(roots(root) if shipped else (find_root(root),)):
        found.update({version.handle: version for version in _versions(place)})
    return tuple(sorted(found.values(), key=lambda version: (*version.handle.split("/")[:2], version.version)))


def _versions(root):
    for publisher in _directories(root):
        for model in _directories(root / publisher):
            for number in version_numbers(root / publisher / model):
                path = root / publisher / model / str(number)
                if path.is_dir():
                    yield Version(f"{publisher}/{model}/{number}", path, number)


def _directories(parent):
    """Return the sorted names of the directories in `parent` that can be part of a handle."""
    if not parent.is_dir():
        return []
    with os.scandir(parent) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and handles.is_name(entry.name))
