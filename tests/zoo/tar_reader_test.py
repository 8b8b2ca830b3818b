"""The reader understands a tar archive completely or refuses it; what it refuses is named."""

import io
import tarfile

import pytest

from keras_repvis import zoo
from keras_repvis.zoo import tar_reader

_END = b"\0" * 1024


def _header(name="a", size=0, kind=tarfile.REGTYPE, **attributes):
    entry = tarfile.TarInfo(name)
    entry.size, entry.type = size, kind
    for attribute, value in attributes.items():
        setattr(entry, attribute, value)
    return entry.tobuf(tarfile.GNU_FORMAT)


def _padded(content):
    return content + b"\0" * (-len(content) % 512)


def _pax(**records):
    lines = b""
    for key, value in records.items():
        line = b" " + key.replace("__", ".").encode() + b"=" + value + b"\n"
        length = len(line) + 1
        while len(str(length)) + len(line) != length:
            length += 1
        lines += str(length).encode() + line
    return _header("x", len(lines), tarfile.XHDTYPE) + _padded(lines)


def _read(data):
    found = []
    for member, content in tar_reader.members(io.BytesIO(data), "a.tar"):
        found.append((member.name, member.kind, b"".join(content)))
    return found


def test_reads_members_in_order():
    data = _header("a", 3) + _padded(b"abc") + _header("d/", kind=tarfile.DIRTYPE) + _header("d/e", 512) + b"x" * 512
    assert _read(data + _END) == [("a", b"0", b"abc"), ("d", b"5", b""), ("d/e", b"0", b"x" * 512)]


def test_content_that_is_not_asked_for_is_skipped():
    data = _header("a", 700) + _padded(b"a" * 700) + _header("b", 1) + _padded(b"b") + _END
    members = tar_reader.members(io.BytesIO(data), "a.tar")
    assert [member.name for member, _ in members] == ["a", "b"]


def test_an_empty_archive_has_no_members():
    assert _read(_END) == []


def test_extended_headers():
    long = "n" * 300
    data = _pax(path=long.encode(), size=b"3", mtime=b"1.5") + _header("short", 0) + _padded(b"abc") + _END
    assert _read(data) == [(long, b"0", b"abc")]
    name = long.encode() + b"\0"
    data = _header("././@LongLink", len(name), tarfile.GNUTYPE_LONGNAME) + _padded(name) + _header("short") + _END
    assert _read(data) == [(long, b"0", b"")]


@pytest.mark.parametrize("left", [1, 100, 511, 512, 600, 1024, 1030, 1535])
def test_every_truncation_is_found(left):
    # tarfile itself takes the first of these for complete archives.
    data = _header("a", 3) + _padded(b"abc") + _END
    with pytest.raises(zoo.IntegrityError, match="a.tar: .*(is cut off)|(not a tar archive)"):
        _read(data[: len(data) - left])


_DAMAGED = {
    "first header": (b"\1" * 512 + _END, "is not a tar archive"),
    "header": (_header("a") + b"\1" * 512 + _END, "the header after 'a' is damaged"),
    "checksum": (_header("a") + _header("b").replace(b"b\0", b"c\0", 1) + _END, "the header after 'a' is damaged"),
    "one zero block": (_header("a") + b"\0" * 512 + _header("b") + _END, "something follows after its end"),
    "after the end": (_header("a") + _END + _header("b") + _END, "something follows after its end"),
    "endless end": (_header("a") + b"\0" * (3 << 20), "something follows after its end"),
    "negative size": (_header("a", -512) + _END, "'a' has a size below zero"),
    "negative extended size": (_pax(size=b"-512") + _header("a") + _END, "'a' has holes or a size below zero"),
    "size is no number": (_pax(size=b"x") + _header("a") + _END, "the extended header of 'a' is damaged"),
    "sparse": (_pax(GNU__sparse__major=b"1") + _header("a") + _END, "'a' has holes"),
    "record": (_header("x", 9, tarfile.XHDTYPE) + _padded(b"4 path=aa") + _header("a") + _END, "of 'a' is damaged"),
    "record too short": (_header("x", 6, tarfile.XHDTYPE) + _padded(b"0 a=b\n") + _header("a") + _END, "is damaged"),
    "large header": (_header("x", 1 << 30, tarfile.XHDTYPE) + _END, "has 1073741824 bytes, more than any name needs"),
    "header of nothing": (_pax(path=b"a") + _END, "the first header belongs to no member"),
}


@pytest.mark.parametrize("kind", _DAMAGED)
def test_damaged_archives(kind):
    data, message = _DAMAGED[kind]
    with pytest.raises(zoo.IntegrityError, match=message) as raised:
        _read(data)
    assert str(raised.value).startswith("a.tar: ")


def test_a_name_that_is_no_text_is_left_to_the_caller():
    assert _read(_pax(path=b"\xff") + _header("a") + _END)[0][0] == "\udcff"


def test_headers_that_are_no_member_are_left_to_the_caller():
    # A second extended header, one for the whole archive: reported as members of their own kind, which nobody accepts.
    kinds = [kind for _, kind, _ in _read(_pax(path=b"a") + _pax(path=b"b") + _header("c") + _END)]
    assert kinds == [tarfile.XHDTYPE, tarfile.REGTYPE]
    assert _read(_header("g", 0, tarfile.XGLTYPE) + _END)[0][1] == tarfile.XGLTYPE
