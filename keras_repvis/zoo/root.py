"""Where the zoo is: an argument, an environment variable, or the user's data directory; and what ships with us."""

import functools
import importlib.util
import os
import pathlib

import platformdirs

VARIABLE = "KERAS_REPVIS_ZOO"
_SHIPPED_PACKAGE = "keras_repvis_zoo"


def find_root(root=None):
    """Return the directory that holds the zoo; it need not exist yet.

    Args:
        root: Path of the root. When None, the environment variable `KERAS_REPVIS_ZOO`, and when that is unset or empty
            the directory `zoo` in the user's data directory.

    Returns:
        An absolute `pathlib.Path`.

    Raises:
        ValueError: If the path is empty or is a file.

    Example:
        >>> from keras_repvis import zoo
        >>> zoo.find_root("/srv/models")
        PosixPath('/srv/models')
    """
    given, origin = root, "root"
    if root is None:
        given, origin = os.environ.get(VARIABLE) or None, VARIABLE
    if given is None:
        given, origin = pathlib.Path(platformdirs.user_data_dir("keras_repvis", appauthor=False)) / "zoo", "root"
    if not isinstance(given, (str, os.PathLike)) or not os.fspath(given) or "\0" in os.fspath(given):
        raise ValueError(f"{origin}={given!r} is not accepted: expected the path of a directory.")
    path = pathlib.Path(os.path.abspath(os.path.expanduser(given)))
    if path.exists() and not path.is_dir():
        raise ValueError(f"{origin}={os.fspath(given)!r} is not accepted: it is a file, expected a directory.")
    return path


@functools.cache
def shipped_root():
    """Return the directory of the models that ship with this package, read only, or None if they are not installed."""
    spec = importlib.util.find_spec(_SHIPPED_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    return pathlib.Path(next(iter(spec.submodule_search_locations))).resolve()


def roots(root=None):
    """Return the tuple of directories that are searched for models: the user's zoo, then what ships with us."""
    user, shipped = find_root(root), shipped_root()
    return (user,) if shipped is None or shipped == user else (user, shipped)
