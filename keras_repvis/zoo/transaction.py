"""A numbered directory that appears complete, by one rename, or not at all.

What is written goes to `<model>/.incoming-<uuid>`, a name no reader takes for a version, on the file system of the
target. Publishers may write side by side; numbers are given one at a time, under the lock of the model's directory. A
number is never given twice, not even when its version was deleted: whoever keeps a handle keeps the same bytes.
"""

import contextlib
import errno
import os
import shutil
import uuid

from keras_repvis.zoo import alias_file, history, layout, locks

_ATTEMPTS = 10


class VersionExistsError(ValueError):
    """The number was given before, to a version of other content."""


@contextlib.contextmanager
def incoming(model_directory):
    """Make a directory to write to, and remove it (and parents made for it) when the block ends without `commit`.

    What killed processes left in the model's directory is removed first.

    Args:
        model_directory: `pathlib.Path` of the model's directory; it need not exist.

    Yields:
        `pathlib.Path` of the new, empty directory.
    """
    missing = [path for path in (model_directory, *model_directory.parents) if not path.exists()]
    sweep(model_directory)
    directory = model_directory / f"{layout.INCOMING}{uuid.uuid4().hex}"
    with contextlib.ExitStack() as stack:
        try:
            _make_locked(directory, stack)
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)
            for path in missing:
                # Someone else may have begun to publish there: then it is not empty, and stays.
                with contextlib.suppress(OSError):
                    path.rmdir()


@contextlib.contextmanager
def changing(model_directory):
    """Hold the model's directory in the block, its history brought up to date."""
    with locks.hold(model_directory):
        alias_file.sweep(model_directory)
        history.repair(model_directory, alias_file.read(model_directory))
        yield


def commit(directory, seal, digest, number=None, event="published", above=0):
    """Give `directory` the next free number of its model, durably.

    Args:
        directory: What `incoming` yielded, complete but for what depends on the number.
        seal: Function of the number that writes the rest.
        digest: String that stands for the content. If a version of that digest is there, it is the result.
        number: Integer to take instead of the next free one, or None.
        event: "published" or "imported", for the history.
        above: Integer; the next free number is greater. Default 0.

    Returns:
        The pair (`pathlib.Path` of the published directory, its number).

    Raises:
        VersionExistsError: If `number` was given before, with another digest.
    """
    model = directory.parent
    flush_tree(directory)
    with changing(model):
        known = history.published(model)
        present = layout.version_numbers(model)
        same = [found for found in present if known[found] == digest and number in (None, found)]
        if same:
            return model / str(same[-1]), same[-1]
        if number is None:
            number = 1 + max([above, *known])
        elif known.get(number, digest) != digest:
            raise VersionExistsError(f"{model.parent.name}/{model.name}/{number} was published before, and is another.")
        seal(number)
        flush_tree(directory)
        target = model / str(number)
        if target.exists():  # Not a version: onto an empty directory the rename would succeed.
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        os.rename(directory, target)
        try:
            flush(model)
            history.append(model, event, version=number, digest=digest)
        except OSError:
            os.rename(target, directory)
            raise
    return target, number


def remove(model_directory, number):
    """Take version `number` away by one rename, then delete its files; the caller holds model and version."""
    trash = model_directory / f"{layout.TRASH}{uuid.uuid4().hex}"
    os.rename(model_directory / str(number), trash)
    flush(model_directory)
    (model_directory / f"{number}{layout.SIGNATURE}").unlink(missing_ok=True)
    history.append(model_directory, "deleted", version=number)
    shutil.rmtree(trash, ignore_errors=True)


def sweep(model_directory):
    """Remove what killed processes left: directories being written or removed whose lock nobody holds."""
    for name in layout.leftovers(model_directory):
        with contextlib.suppress(OSError), locks.hold(model_directory / name, wait=False):
            shutil.rmtree(model_directory / name, ignore_errors=True)


def flush_tree(directory):
    """Wait until every file and directory in `directory` is on the disk."""
    for parent, _, names in os.walk(directory):
        for name in names:
            flush(os.path.join(parent, name))
        flush(parent)


def flush(path):
    """Wait until the file or directory `path` is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_locked(directory, stack):
    """Make `directory`, and hold its lock until `stack` closes."""
    for attempt in range(_ATTEMPTS):
        try:
            directory.parent.mkdir(parents=True, exist_ok=True)
            directory.mkdir()
            stack.enter_context(locks.hold(directory))
            return
        except FileNotFoundError:
            # Another publisher tidied away what it took for a leftover, between two of our steps.
            if attempt == _ATTEMPTS - 1:
                raise
