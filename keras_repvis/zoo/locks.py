"""Locks on directories, which the system takes back when their holder dies: there is no stale lock.

The lock of a model's directory is held while its versions, aliases or history change; the lock of a version, shared,
while it is read; the lock of a directory under way by whoever writes or removes it. The directories themselves are
locked (`flock`), so that readers need no right to write and no file of ours lies about.
"""

import contextlib
import errno
import fcntl
import os

_BUSY = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)


@contextlib.contextmanager
def hold(directory, shared=False, wait=True):
    """Hold the lock of `directory` in the block.

    Args:
        directory: Path of an existing directory.
        shared: Whether others may hold it too, who share it. Default False.
        wait: Whether to wait for others; if not, and they hold it, raises `BlockingIOError`. Default True.

    Raises:
        FileNotFoundError: If the directory is not there, or was moved away while this waited.
        BlockingIOError: See `wait`.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            if error.errno in _BUSY:
                raise BlockingIOError(error.errno, "is in use", str(directory)) from None
            raise
        # The name may mean another directory by now, or none.
        if not os.path.samestat(os.fstat(descriptor), os.stat(directory)):
            raise FileNotFoundError(errno.ENOENT, "was moved away", str(directory))
        yield
    finally:
        os.close(descriptor)
