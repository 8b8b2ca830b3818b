"""A file that appears whole, or not at all."""

import contextlib
import errno
import os
import uuid

# What a file system says that has no hard links.
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)


@contextlib.contextmanager
def write(path, overwrite=False):
    """Yield a binary file that is there under the name `path`, complete and on the disk, once the block has ended well.

    Until then it has another, hidden name beside `path`. If the block raises, neither name is left; if the process is
    killed, the hidden one may be.

    Args:
        path: `pathlib.Path` to write.
        overwrite: Whether to replace `path` if it exists. Default False.

    Raises:
        FileExistsError: If `path` exists and is not to be replaced. Of several writers at once one gets the name.
    """
    if not overwrite and os.path.lexists(path):
        raise _exists(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        put(temporary, path, overwrite)
    finally:
        temporary.unlink(missing_ok=True)


def put(temporary, path, overwrite=False):
    """Give the file `temporary` the name `path` on the same file system, durably; the old name may be left.

    Raises:
        FileExistsError: If `path` exists and is not to be replaced.
    """
    try:
        if overwrite:
            os.replace(temporary, path)
        else:
            os.link(temporary, path)  # Unlike a rename, this fails when the name is taken.
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        if overwrite or error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(path):
            raise _exists(path) from None
        os.replace(temporary, path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _exists(path):
    return FileExistsError(errno.EEXIST, "exists, and is not to be overwritten", str(path))
