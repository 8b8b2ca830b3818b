"""A numbered directory that appears complete, by one rename, or not at all.

What is written goes to `<model>/.incoming-<uuid>`, a name no reader takes for a version, on the file system of the
target. `rename` onto a directory that is not empty fails, so of several publishers exactly one gets a number, and the
others take the next. The target is never made beforehand: onto an *empty* directory the rename would succeed.
"""

import contextlib
import errno
import os
import shutil
import uuid


INCOMING = ".incoming-"
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST)


@contextlib.contextmanager
def incoming(model_directory):
    """Make a directory to write to, and remove it (and parents made for it) when the block ends without `commit`.

    Args:
        model_directory: `pathlib.Path` of the model's directory; it need not exist.

    Yields:
        `pathlib.Path` of the new, empty directory.
    """
    missing = [path for path in (model_directory, *model_directory.parents) if not path.exists()]
    directory = model_directory / f"{INCOMING}{uuid.uuid4().hex}"
    try:
        _make(directory)
        yield directory
    finally:
        if directory.exists():
            shutil.rmtree(directory, ignore_errors=True)
            for path in missing:
                # Someone else may have begun to publish there: then it is not empty, and stays.
                with contextlib.suppress(OSError):
                    path.rmdir()


def commit(directory, seal):
    """Give `directory` the next free number of its model, durably.

    Args:
        directory: What `incoming` yielded, complete but for what depends on the number.
        seal: Function of the number that writes the rest; called again if another publisher took the number.

    Returns:
        The pair (`pathlib.Path` of the published directory, its number).
    """
    while True:
        number = next_number(directory.parent)
        seal(number)
        _flush_tree(directory)
        target = directory.parent / str(number)
        try:
            os.rename(directory, target)
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
            continue
        _flush(directory.parent)
        return target, number


def next_number(model_directory):
    """Return one more than the greatest number among the names in `model_directory`, of versions or of anything."""
    return 1 + max([0, *(int(name) for name in os.listdir(model_directory) if name.isdecimal() and name.isascii())])


def _make(directory):
    attempts = 10
    for attempt in range(attempts):
        directory.parent.mkdir(parents=True, exist_ok=True)
        try:
            directory.mkdir()
            return
        except FileNotFoundError:
            # Another publisher failed and tidied the model's directory away between our two steps.
            if attempt == attempts - 1:
                raise


def _flush_tree(directory):
    for parent, _, names in os.walk(directory):
        for name in names:
            _flush(os.path.join(parent, name))
        _flush(parent)


def _flush(path):
    """Wait until the file or directory `path` is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
