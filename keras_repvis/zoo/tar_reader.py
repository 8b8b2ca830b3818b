"""Reads a tar archive as a stream, member by member, and refuses what it does not fully understand.

Python's `tarfile` reads on where it can: a damaged header in the middle counts as the end of the archive, and an
extended header of any size is held in memory. Here each is an error, so that an archive that was cut off or made to
exhaust the machine is noticed. Known are the formats ustar and pax of POSIX and that of GNU tar, with long names.

A plain archive holds no checksum of its contents: that they are the right ones is for the manifest to say.
"""

import contextlib
import dataclasses
import gzip
import tarfile
import zlib

from keras_repvis.zoo.manifest import IntegrityError

_BLOCK = 512
_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"
# Longer than any path a system accepts.
_MAX_EXTENDED = 1 << 16
# A pax header and a GNU long name may precede a member, one of each.
_EXTENDED_TYPES = (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME)
# Programs fill the last record up with zeros: 10 kB usually, 1 MB on tapes.
_MAX_PADDING = 1 << 20


@dataclasses.dataclass(frozen=True)
class Member:
    """One entry of an archive.

    Attributes:
        name: String as the archive has it, but for the slash at the end of a directory.
        size: Bytes of content.
        kind: One byte, the type of entry in the words of `tarfile`, such as `tarfile.REGTYPE`.
    """

    name: str
    size: int
    kind: bytes

    @property
    def is_file(self):
        return self.kind in (tarfile.REGTYPE, tarfile.AREGTYPE)

    @property
    def is_directory(self):
        return self.kind == tarfile.DIRTYPE


@contextlib.contextmanager
def open_archive(path):
    """Open the tar archive `path`, plain or compressed with gzip, for the block; yields a binary stream.

    Raises:
        IntegrityError: If what is read in the block is not what gzip wrote.
    """
    with open(path, "rb") as file:
        compressed = file.read(len(_GZIP)) == _GZIP
        file.seek(0)
        try:
            yield gzip.GzipFile(fileobj=file, mode="rb") if compressed else file
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise IntegrityError(f"{path}: is damaged: {error}.") from None


def members(stream, archive):
    """Yield (`Member`, iterator over its content in chunks) for every entry; a content not asked for is skipped.

    Args:
        stream: Binary stream at the beginning of a tar archive.
        archive: Name of the archive for messages.

    Raises:
        IntegrityError: If the stream is no tar archive, ends too early, or goes on after its end.
    """
    before = None
    while True:
        member = _next_member(stream, archive, before)
        if member is None:
            break
        content = _content(stream, member, archive)
        yield member, content
        for _ in content:
            pass
        before = member.name
    _check_end(stream, archive)


def _next_member(stream, archive, before):
    """Return the next `Member`, or None at the first block of the end."""
    extended = {}
    while True:
        place = f"the header after {before!r}" if before else "the first header"
        block = _read(stream, _BLOCK, f"{archive}: {place}")
        if not any(block):
            if extended:
                raise IntegrityError(f"{archive}: {place} belongs to no member.")
            return None
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.HeaderError, ValueError):
            raise IntegrityError(
                f"{archive}: {place} is damaged." if before else f"{archive}: is not a tar archive."
            ) from None
        if header.size < 0:
            raise IntegrityError(f"{archive}: {header.name!r} has a size below zero.")
        if header.type not in _EXTENDED_TYPES or header.type in extended:
            return _member(header, extended, archive)
        if header.size > _MAX_EXTENDED:
            raise IntegrityError(f"{archive}: {place} has {header.size} bytes, more than any name needs.")
        extended[header.type] = _read(stream, header.size, f"{archive}: {place}")
        _read(stream, -header.size % _BLOCK, f"{archive}: {place}")


def _member(header, extended, archive):
    """Return the `Member` of a header and the extended headers before it."""
    name, size = header.name, header.size
    if tarfile.GNUTYPE_LONGNAME in extended:
        name = extended[tarfile.GNUTYPE_LONGNAME].split(b"\0")[0].decode("utf-8", "surrogateescape")
    try:
        records = _pax_records(extended.get(tarfile.XHDTYPE, b""))
        name, size = records.get("path", name), int(records.get("size", size))
    except ValueError:
        raise IntegrityError(f"{archive}: the extended header of {name!r} is damaged.") from None
    if size < 0 or any(key.startswith("GNU.sparse") for key in records):
        raise IntegrityError(f"{archive}: {name!r} has holes or a size below zero, which is not read.")
    return Member(name.rstrip("/") if header.type == tarfile.DIRTYPE else name, size, header.type)


def _pax_records(data):
    """Return the dict that an extended header of POSIX holds, lines of `<length> <key>=<value>`."""
    records = {}
    while data:
        digits = data.split(b" ", 1)[0]
        length = int(digits)
        line = data[len(digits) + 1 : length]
        if length <= len(digits) or not line.endswith(b"\n") or b"=" not in line:
            raise ValueError("not a record")
        key, _, value = line[:-1].decode("utf-8", "surrogateescape").partition("=")
        records[key] = value
        data = data[length:]
    return records


def _content(stream, member, archive):
    left = member.size
    while left:
        chunk = _read(stream, min(left, _CHUNK), f"{archive}: {member.name!r}")
        left -= len(chunk)
        yield chunk
    _read(stream, -member.size % _BLOCK, f"{archive}: {member.name!r}")


def _check_end(stream, archive):
    """Read what follows the first block of zeros: at least one more, and nothing else."""
    rest = _read(stream, _BLOCK, f"{archive}: its end")
    size = 0
    while rest:
        size += len(rest)
        if any(rest) or size > _MAX_PADDING:
            raise IntegrityError(f"{archive}: something follows after its end.")
        rest = stream.read(_BLOCK)


def _read(stream, size, place):
    """Return exactly `size` bytes."""
    parts = []
    while size:
        part = stream.read(size)
        if not part:
            raise IntegrityError(f"{place} is cut off.")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
