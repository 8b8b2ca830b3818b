"""A directory as one tar file and back, to carry a version from one zoo to another.

Writing is reproducible: the same directory gives the same bytes. Reading trusts nothing: what is written to the disk is
regular files and directories below one directory, and no more than asked for.
"""

import contextlib
import errno
import gzip
import os
import pathlib
import shutil
import stat
import tarfile

from keras_repvis import checks
from keras_repvis.zoo import tar_reader, whole_file
from keras_repvis.zoo.manifest import IntegrityError

SUFFIXES = (".tar", ".tar.gz")
# The frozen graph among the variants holds all weights and, as every protocol buffer, at most 2 GiB. A version holds
# its weights about four times: variables, model.keras, the frozen graph, and the smaller variants together.
MAX_BYTES = 8 << 30
# A version has some twenty files; each costs an inode and a flush however small it is.
MAX_MEMBERS = 10_000
_CHUNK = 1 << 20
_MAX_DEPTH = 20
_FILE_MODE, _DIRECTORY_MODE = 0o644, 0o755
_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
}
_OTHER = "neither a file nor a directory"


def pack(directory, name_inside, file, overwrite=False):
    """Write `directory` to the tar archive `file`, the same bytes for the same content.

    Members are sorted, belong to user and group 0, date from 1970 and have mode 0644 or 0755, in the pax format of
    POSIX; the header of gzip holds no name and no time. (Another version of zlib may compress to other bytes.) The
    archive is written under another name beside `file`, flushed, and then appears whole by one step or, if anything
    fails, not at all.

    Args:
        directory: Path of a directory of regular files and directories.
        name_inside: Name of the one top directory of the archive.
        file: Path to write to, which ends in `.tar` or `.tar.gz`.
        overwrite: Whether to replace `file` if it exists. Default False.

    Returns:
        `pathlib.Path` of the archive.

    Raises:
        ValueError: If an argument is not accepted.
        IntegrityError: If `directory` holds a link or anything else that is no file or directory.
        FileExistsError: If `file` exists and is not to be replaced.

    Example:
        >>> import pathlib, tarfile, tempfile
        >>> from keras_repvis.zoo import archive
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     directory = pathlib.Path(parent, "3")
        ...     directory.mkdir()
        ...     _ = (directory / "manifest.json").write_text("{}")
        ...     file = archive.pack(directory, "digits-3", pathlib.Path(parent, "digits.tar.gz"))
        ...     names = tarfile.open(file).getnames()
        >>> names
        ['digits-3', 'digits-3/manifest.json']
    """
    directory, file = pathlib.Path(directory), pathlib.Path(file)
    if not directory.is_dir():
        raise ValueError(f"directory='{directory}' is not accepted: there is no such directory.")
    if _fault_of_name(name_inside) or "/" in name_inside:
        raise ValueError(f"name_inside={name_inside!r} is not accepted: expected the name of one directory.")
    if not file.name.endswith(SUFFIXES):
        raise ValueError(f"file='{file}' is not accepted: expected a name that ends in {' or '.join(SUFFIXES)}.")
    if pathlib.Path(os.path.realpath(file)).is_relative_to(os.path.realpath(directory)):
        raise ValueError(f"file='{file}' is not accepted: it lies in the directory to pack.")
    with whole_file.write(file, overwrite) as raw, contextlib.ExitStack() as stack:
        stream = raw
        if file.name.endswith(".gz"):
            stream = stack.enter_context(gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0))
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8") as archive:
            for name, path in sorted({name_inside: directory, **dict(_walk(directory, name_inside))}.items()):
                _add(archive, name, path)
    return file


def unpack(file, directory, max_bytes=MAX_BYTES):
    """Write what the tar archive `file` holds below its one top directory to `directory`.

    The archive is read once, from beginning to end. What is written are regular files with mode 0644 and directories
    with mode 0755. Refused are absolute names, `..` and other odd names, names that occur twice, links, devices, pipes,
    members beside the top directory, too much content or too many members, and archives that are damaged or go on after
    their end. Whatever fails, `directory` is empty again afterwards.

    This says nothing about the content: verify its manifest next.

    Args:
        file: Path of the archive, plain or compressed with gzip.
        directory: Path of an existing, empty directory.
        max_bytes: Most bytes that the files may have together, so that a small archive does not fill the disk. Default
            8 GiB: a version holds its weights about four times, and they have 2 GiB at most. None: no limit.

    Returns:
        The name of the top directory.

    Raises:
        ValueError: If `directory` is not an empty directory.
        IntegrityError: If the archive is refused; the message names the archive and the member.

    Example:
        >>> import pathlib, tempfile
        >>> from keras_repvis.zoo import archive
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     before, after = pathlib.Path(parent, "before"), pathlib.Path(parent, "after")
        ...     before.mkdir(), after.mkdir()
        ...     _ = (before / "card.md").write_text("A model.")
        ...     file = archive.pack(before, "digits-3", pathlib.Path(parent, "digits.tar"))
        ...     archive.unpack(file, after), (after / "card.md").read_text()
        (None, None)
        ('digits-3', 'A model.')
    """
    file, directory = pathlib.Path(file), pathlib.Path(directory)
    if max_bytes is not None:
        checks.number("max_bytes", max_bytes, low=0, integer=True)
    if not directory.is_dir() or any(directory.iterdir()):
        raise ValueError(f"directory='{directory}' is not accepted: expected an existing, empty directory.")
    try:
        with tar_reader.open_archive(file) as stream:
            return _unpack(stream, file, directory, max_bytes)
    except BaseException:
        _empty(directory)
        raise


def _unpack(stream, file, directory, max_bytes):
    kinds, total = {}, 0  # Kind of every path made so far; "implied" if only something below it was named.
    for number, (member, content) in enumerate(tar_reader.members(stream, file)):
        place = f"{file}: {member.name!r}"
        path, top = _check_member(member, kinds, place)
        total += member.size
        if max_bytes is not None and total > max_bytes:
            raise IntegrityError(f"{place} makes more than {max_bytes} bytes in all, the most that is accepted.")
        if number >= MAX_MEMBERS:
            raise IntegrityError(f"{place} is one of more than {MAX_MEMBERS} members, the most that is accepted.")
        try:
            _write(directory, path, member, content)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP):
                raise
            # For instance two names that this file system takes for one.
            raise IntegrityError(f"{place} cannot be written here: {error.strerror}.") from None
    if not kinds:
        raise IntegrityError(f"{file}: holds nothing.")
    return top


def _check_member(member, kinds, place):
    """Return (path below the top directory as a tuple of names, name of the top directory), or raise."""
    fault = _fault_of_name(member.name)
    if fault:
        raise IntegrityError(f"{place} {fault}.")
    if not member.is_file and not member.is_directory:
        raise IntegrityError(f"{place} is {_KINDS.get(member.kind, _OTHER)}.")
    if member.is_directory and member.size:
        raise IntegrityError(f"{place} is a directory with content.")
    parts = tuple(member.name.split("/"))
    if (len(parts) == 1 and member.is_file) or (kinds and parts[:1] not in kinds):
        raise IntegrityError(f"{place} lies outside the one top directory.")
    for length in range(1, len(parts)):
        if kinds.setdefault(parts[:length], "implied") == "file":
            raise IntegrityError(f"{place} lies below a file.")
    # A directory may be named after what is in it.
    if kinds.get(parts) == "implied" and member.is_directory:
        kinds.pop(parts)
    if parts in kinds:
        raise IntegrityError(f"{place} occurs twice.")
    kinds[parts] = "directory" if member.is_directory else "file"
    return parts[1:], parts[0]


def _fault_of_name(name):
    """Return what is wrong with a member's name, or None."""
    if not isinstance(name, str) or not name:
        return "has no name"
    if name.startswith("/"):
        return "is an absolute path"
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return "has an empty part, '.' or '..' in its path"
    if len(parts) > _MAX_DEPTH:
        return f"lies more than {_MAX_DEPTH} directories deep"
    if "\\" in name or not name.isprintable():
        # Not printable are control characters, bytes that are no UTF-8, and marks that make a name look like another.
        return "has a backslash or a character that cannot be printed in its name"
    return None


def _write(directory, path, member, content):
    target = directory.joinpath(*path)
    parents = [directory.joinpath(*path[:length]) for length in range(1, len(path))]
    for made in [*parents, target] if member.is_directory else parents:
        if not made.is_dir():
            made.mkdir()
            made.chmod(_DIRECTORY_MODE)
    if member.is_file:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "wb") as file:
            for chunk in content:
                file.write(chunk)
            os.fchmod(file.fileno(), _FILE_MODE)


def _walk(directory, name):
    """Yield (name in the archive, path) of everything below `directory`."""
    with os.scandir(directory) as entries:
        for entry in entries:
            inside = f"{name}/{entry.name}"
            if _fault_of_name(inside):
                raise IntegrityError(f"{entry.path!r}: {_fault_of_name(inside)}.")
            yield inside, pathlib.Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, inside)


def _add(archive, name, path):
    """Add the file or directory `path`; a link, even one that was put there a moment ago, is not followed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise IntegrityError(f"{path}: is {_OTHER}.") from None
        raise
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, descriptor)
        status = os.fstat(descriptor)
        entry = tarfile.TarInfo(name)  # User and group 0, no names, time 0.
        if stat.S_ISDIR(status.st_mode):
            entry.type, entry.mode = tarfile.DIRTYPE, _DIRECTORY_MODE
            archive.addfile(entry)
        elif stat.S_ISREG(status.st_mode):
            entry.size, entry.mode = status.st_size, _FILE_MODE
            archive.addfile(entry, stack.enter_context(open(descriptor, "rb", buffering=_CHUNK, closefd=False)))
        else:
            raise IntegrityError(f"{path}: is {_OTHER}.")


def _empty(directory):
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                os.unlink(entry.path)
