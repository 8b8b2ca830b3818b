"""A version goes into an archive and comes out the same; a hostile archive writes nothing."""

import gzip
import hashlib
import io
import os
import random
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tarfile

import pytest

from keras_repvis import zoo
from keras_repvis.zoo import archive, manifest

_LONG = "variables/" + "long" * 60 + "/" + "name" * 50
_FILES = {"saved_model.pb": b"graph" * 3000, "variables/data": b"\0" * 513, _LONG: b"1", "naïve": b"x", "empty": b""}
_KILLED = """
import os, pathlib, signal, sys
from keras_repvis.zoo import archive
name = sys.argv[1]
original = getattr(os, name)
def stop(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(os, name, stop)
archive.pack(pathlib.Path("3"), "model-3", "model.tar", overwrite=sys.argv[2] == "over")
"""


@pytest.fixture(name="directory")
def directory_fixture(tmp_path):
    directory = tmp_path / "3"
    for name, content in _FILES.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (directory / "assets").mkdir()
    return directory


@pytest.fixture(name="target")
def target_fixture(tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    return target


def _contents(directory):
    return {
        path.relative_to(directory).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in directory.rglob("*")
    }


def _entry(name, kind=tarfile.REGTYPE, size=0, linkname="", **attributes):
    entry = tarfile.TarInfo(name)
    entry.type, entry.size, entry.linkname = kind, size, linkname
    for attribute, value in attributes.items():
        setattr(entry, attribute, value)
    return entry


def _tar(path, *entries, form=tarfile.PAX_FORMAT):
    """Write an archive of (entry, content) pairs, or entries without content."""
    with tarfile.open(path, "w", format=form) as file:
        for entry in entries:
            entry, content = entry if isinstance(entry, tuple) else (entry, b"\0" * entry.size)
            file.addfile(entry, io.BytesIO(content))
    return path


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_round_trip(directory, target, tmp_path, suffix):
    file = archive.pack(directory, "small-3", tmp_path / f"small{suffix}")
    assert archive.unpack(file, target) == "small-3"
    assert _contents(target) == _contents(directory)
    modes = {path.is_dir(): stat.S_IMODE(path.stat().st_mode) for path in target.rglob("*")}
    assert modes == {True: 0o755, False: 0o644}


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_the_same_content_gives_the_same_bytes(directory, tmp_path, suffix):
    # Another place, times, modes and order of making; another name of the archive.
    other = tmp_path / "elsewhere" / "4"
    for name in reversed(_FILES):
        path = other / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_FILES[name])
        path.chmod(0o600)
        os.utime(path, (5, 1e9))
    (other / "assets").mkdir(mode=0o700)
    first = archive.pack(directory, "x", tmp_path / f"first{suffix}").read_bytes()
    # The header of gzip: magic number, method, and neither flags nor time.
    assert suffix == ".tar" or first[:8] == b"\x1f\x8b\x08" + b"\0" * 5
    assert archive.pack(other, "x", tmp_path / f"second{suffix}").read_bytes() == first


def test_what_other_programs_see(directory, tmp_path):
    file = archive.pack(directory, "small-3", tmp_path / "small.tar")
    with tarfile.open(file) as opened:
        entries = opened.getmembers()
    names = [entry.name for entry in entries]
    assert names == sorted(names)
    assert set(names) == {"small-3", *(f"small-3/{name}" for name in _contents(directory))}
    assert {(entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname) for entry in entries} == {(0, 0, 0, "", "")}
    assert {entry.isdir(): oct(entry.mode) for entry in entries} == {True: "0o755", False: "0o644"}


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_reads_what_other_programs_wrote(directory, target, tmp_path, form):
    # With times, owners, and no entry for directories.
    file = tmp_path / "small.tgz"
    names = [name for name in _FILES if form != tarfile.USTAR_FORMAT or name != _LONG]
    with tarfile.open(file, "w:gz", format=form) as opened:
        for name in names:
            opened.add(directory / name, f"top/{name}")
    assert archive.unpack(file, target) == "top"
    found = {name: content for name, content in _contents(target).items() if content is not None}
    assert found == {name: _FILES[name] for name in names}


@pytest.mark.skipif(shutil.which("tar") is None, reason="there is no program `tar` here")
@pytest.mark.parametrize("form", ["gnu", "pax"])
def test_reads_what_tar_wrote_and_tar_reads_ours(directory, target, tmp_path, form):
    file = tmp_path / "theirs.tar"
    subprocess.run(["tar", f"--format={form}", "-cf", file, "-C", tmp_path, "3"], check=True)
    assert archive.unpack(file, target) == "3"
    assert _contents(target) == _contents(directory)
    ours = archive.pack(directory, "ours", tmp_path / "ours.tar.gz")
    subprocess.run(["tar", "-xzf", ours, "-C", tmp_path], check=True)
    assert _contents(tmp_path / "ours") == _contents(directory)


_TOP = _entry("top", tarfile.DIRTYPE)
_HOSTILE = {
    "absolute": ([_entry("/etc/passwd", size=3)], "'/etc/passwd' is an absolute path"),
    "absolute directory": ([_entry("/tmp", tarfile.DIRTYPE)], "'/tmp' is an absolute path"),
    "parent": ([_entry("top/../../evil", size=3)], "'top/../../evil' has an empty part"),
    "only parent": ([_entry("..", tarfile.DIRTYPE)], "'..' has an empty part"),
    "here": ([_entry("./top/a", size=3)], "'./top/a' has an empty part"),
    "empty part": ([_entry("top//a", size=3)], "'top//a' has an empty part"),
    "backslash": ([_entry("top/..\\evil", size=3)], r"evil' has a backslash"),
    "newline": ([_entry("top/a\nb", size=3)], r"'top/a\\nb' has a backslash or a character"),
    "escape": ([_entry("top/\x1b[31m", size=3)], r"x1b\[31m' has a backslash or a character"),
    "reversed text": ([_entry("top/\u202eb.txt", size=3)], r"u202eb.txt' has a backslash or a character"),
    "no UTF-8": ([_entry("top/\udcff", size=3)], r"udcff' has a backslash or a character"),
    "symbolic link": ([_TOP, _entry("top/a", tarfile.SYMTYPE, linkname="/etc")], "'top/a' is a symbolic link"),
    "through a link": (
        [_entry("top/a", tarfile.SYMTYPE, linkname="/tmp"), _entry("top/a/evil", size=3)],
        "'top/a' is a symbolic link",
    ),
    "hard link": ([_entry("top/a", size=3), _entry("top/b", tarfile.LNKTYPE, linkname="top/a")], "'top/b' is a hard"),
    "character device": ([_entry("top/a", tarfile.CHRTYPE, devmajor=1, devminor=5)], "'top/a' is a device"),
    "block device": ([_entry("top/a", tarfile.BLKTYPE)], "'top/a' is a device"),
    "pipe": ([_entry("top/a", tarfile.FIFOTYPE)], "'top/a' is a pipe"),
    "contiguous file": ([_entry("top/a", tarfile.CONTTYPE, size=3)], "'top/a' is neither a file nor a directory"),
    "unknown type": ([_entry("top/a", b"Z")], "'top/a' is neither a file nor a directory"),
    "twice": ([_entry("top/a", size=3), _entry("top/a", size=3)], "'top/a' occurs twice"),
    "directory twice": ([_TOP, _entry("top/a", size=3), _TOP], "'top' occurs twice"),
    "file over directory": ([_entry("top/a/b", size=3), _entry("top/a", size=3)], "'top/a' occurs twice"),
    "below a file": ([_entry("top/a", size=3), _entry("top/a/b", size=3)], "'top/a/b' lies below a file"),
    "beside the top": ([_TOP, _entry("other/a", size=3)], "'other/a' lies outside the one top directory"),
    "top is a file": ([_entry("a", size=3)], "'a' lies outside the one top directory"),
    "file for the top": ([_TOP, _entry("top", size=3)], "'top' lies outside the one top directory"),
    "directory with content": ([_entry("top/a", tarfile.DIRTYPE, size=3)], "'top/a' is a directory with content"),
    "deep": ([_entry("top/" + "a/" * 2000 + "b", size=3)], "b' lies more than 20 directories deep"),
    "long": ([_entry("top/" + "a" * 300, size=3)], "a' cannot be written here"),
    "nothing": ([], "is not|holds nothing"),
}


@pytest.mark.parametrize("kind", _HOSTILE)
def test_hostile_archives_write_nothing(target, tmp_path, kind):
    entries, message = _HOSTILE[kind]
    # A harmless member first, so that there is something to take back.
    before = [] if kind in ("nothing", "top is a file") else [_entry("top/first/b", size=700)]
    file = _tar(tmp_path / "hostile.tar", *before, *entries)
    outside = _contents(tmp_path)
    with pytest.raises(zoo.IntegrityError, match=message) as raised:
        archive.unpack(file, target)
    assert str(raised.value).startswith(f"{file}: ")
    assert _contents(tmp_path) == outside
    assert list(target.iterdir()) == []


def test_nul_in_a_name(target, tmp_path):
    # tarfile ends names at NUL, so the name is smuggled in by an extended header.
    header = _entry("top/a", size=3)
    header.pax_headers = {"path": "top/a\0.txt"}
    file = _tar(tmp_path / "hostile.tar", header)
    with pytest.raises(zoo.IntegrityError, match=r"'top/a\\x00.txt' has a backslash or a character"):
        archive.unpack(file, target)


def test_an_extended_header_does_not_smuggle_a_name(target, tmp_path):
    header = _entry("top/harmless", size=3)
    header.pax_headers = {"path": "../evil"}
    file = _tar(tmp_path / "hostile.tar", header)
    with pytest.raises(zoo.IntegrityError, match=r"'../evil' has an empty part"):
        archive.unpack(file, target)


def test_a_bomb_is_refused_by_its_header(target, tmp_path):
    file = tmp_path / "bomb.tar.gz"
    with gzip.open(file, "wb", compresslevel=1) as stream:
        stream.write(_entry("top/a", size=1 << 33).tobuf() + b"\0" * 4096)
    with pytest.raises(zoo.IntegrityError, match="'top/a' is cut off"):
        archive.unpack(file, target)
    with pytest.raises(zoo.IntegrityError, match="'top/a' makes more than 8589934591 bytes in all"):
        archive.unpack(file, target, max_bytes=(1 << 33) - 1)


def test_bytes_are_counted_over_all_members(target, tmp_path):
    file = _tar(tmp_path / "many.tar", *(_entry(f"top/{index}", size=600) for index in range(5)))
    with pytest.raises(zoo.IntegrityError, match="'top/3' makes more than 1999 bytes in all"):
        archive.unpack(file, target, max_bytes=1999)
    assert archive.unpack(file, target, max_bytes=3000) == "top"


def test_members_are_counted(target, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_MEMBERS", 4)
    file = _tar(tmp_path / "many.tar", *(_entry(f"top/{index}") for index in range(5)))
    with pytest.raises(zoo.IntegrityError, match="'top/4' is one of more than 4 members"):
        archive.unpack(file, target)


def test_a_seeded_corruption_is_found_by_the_archive_or_the_manifest(directory, tmp_path):
    manifest.write(directory, {"handle": "me/small/3"})
    plain = archive.pack(directory, "small-3", tmp_path / "small.tar").read_bytes()
    zipped = archive.pack(directory, "small-3", tmp_path / "small.tar.gz").read_bytes()
    expected = _contents(directory)
    chance = random.Random(11)
    damaged, target = tmp_path / "damaged", tmp_path / "target"
    for trial in range(200):
        content = bytearray(chance.choice([plain, zipped]))
        kind = ("flip", "truncate", "extend", "drop")[trial % 4]
        place = chance.randrange(len(content))
        if kind == "flip":
            content[place] ^= 1 << chance.randrange(8)
        elif kind == "truncate":
            content = content[:place]
        elif kind == "extend":
            content += b"x" * chance.randrange(1, 2000)
        else:
            del content[place : place + 512 * chance.randrange(1, 5)]
        damaged.write_bytes(content)
        target.mkdir()
        try:
            archive.unpack(damaged, target)
        except zoo.IntegrityError as error:
            assert str(damaged) in str(error)
            assert list(target.iterdir()) == []
        else:
            # A plain archive holds no checksum of a content: what is wrong with one, the manifest tells.
            assert kind != "extend"
            if _contents(target) != expected:
                assert kind in ("flip", "drop")
                with pytest.raises(zoo.IntegrityError, match=str(target)):
                    manifest.verify(target)
        shutil.rmtree(target)


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b", b"\x1f\x8b\x08" + b"x" * 600, b"PK\3\4" * 300])
def test_not_an_archive(target, tmp_path, content):
    file = tmp_path / "file.tar"
    file.write_bytes(content)
    with pytest.raises(zoo.IntegrityError, match="file.tar"):
        archive.unpack(file, target)


def test_only_an_empty_directory_is_filled(directory, tmp_path):
    file = archive.pack(directory, "x", tmp_path / "x.tar")
    before = _contents(directory)
    with pytest.raises(ValueError, match="expected an existing, empty directory"):
        archive.unpack(file, directory)
    with pytest.raises(ValueError, match="expected an existing, empty directory"):
        archive.unpack(file, tmp_path / "absent")
    assert _contents(directory) == before
    with pytest.raises(FileNotFoundError):
        (tmp_path / "empty").mkdir()
        archive.unpack(tmp_path / "absent.tar", tmp_path / "empty")


@pytest.mark.parametrize("max_bytes", [-1, 1.5, "1"])
def test_max_bytes_is_a_number(target, tmp_path, max_bytes):
    with pytest.raises(ValueError, match="max_bytes="):
        archive.unpack(tmp_path / "x.tar", target, max_bytes=max_bytes)


@pytest.mark.parametrize("name", ["", "a/b", "..", ".", "/a", "a\nb", "a\\b", None, 3])
def test_the_name_inside_is_one_directory(directory, tmp_path, name):
    with pytest.raises(ValueError, match="name_inside="):
        archive.pack(directory, name, tmp_path / "x.tar")


def test_arguments_of_pack(directory, tmp_path):
    with pytest.raises(ValueError, match=r"expected a name that ends in .tar or .tar.gz"):
        archive.pack(directory, "x", tmp_path / "x.zip")
    with pytest.raises(ValueError, match="it lies in the directory to pack"):
        archive.pack(directory, "x", directory / "x.tar")
    with pytest.raises(ValueError, match="there is no such directory"):
        archive.pack(directory / "empty", "x", tmp_path / "x.tar")
    assert not list(tmp_path.glob("*x.*"))


@pytest.mark.parametrize("kind", ["link", "link to a directory", "pipe", "name"])
def test_only_files_and_directories_are_packed(directory, tmp_path, kind):
    if kind == "pipe":
        os.mkfifo(directory / "odd")
    elif kind == "name":
        (directory / "odd\n").write_bytes(b"")
    else:
        (directory / "odd").symlink_to("variables" if kind != "link" else "empty")
    with pytest.raises(zoo.IntegrityError, match="odd"):
        archive.pack(directory, "x", tmp_path / "x.tar")
    assert sorted(os.listdir(tmp_path)) == ["3"]


def test_an_existing_file_stays(directory, tmp_path):
    file = tmp_path / "x.tar"
    file.write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        archive.pack(directory, "x", file)
    assert file.read_bytes() == b"mine"
    archive.pack(directory, "x", file, overwrite=True)
    assert tarfile.is_tarfile(file)
    assert sorted(os.listdir(tmp_path)) == ["3", "x.tar"]


@pytest.mark.parametrize("step, existing", [("fsync", False), ("link", False), ("fsync", True), ("replace", True)])
def test_a_killed_export_leaves_the_old_file_or_none(directory, tmp_path, step, existing):
    file = tmp_path / "model.tar"
    if existing:
        file.write_bytes(b"old")
    command = [sys.executable, "-c", _KILLED, step, "over" if existing else "new"]
    assert subprocess.run(command, cwd=tmp_path, check=False).returncode == -signal.SIGKILL
    assert file.read_bytes() == b"old" if existing else not file.exists()


def test_a_full_disk_leaves_nothing(directory, tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))

    code = (
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from keras_repvis.zoo import archive\n"
        "try:\n    archive.pack('3', 'x', 'x.tar')\nexcept OSError as error:\n    print(error.errno)"
    )
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, cwd=tmp_path, preexec_fn=limit, capture_output=True, text=True, check=True)
    assert answer.stdout.strip().isdigit()
    assert sorted(os.listdir(tmp_path)) == ["3"]


def test_packing_reads_and_unpacking_writes_in_pieces(tmp_path, target):
    # 64 MB through a process that may come to hold 30 MB more than it did at its largest before.
    directory = tmp_path / "3"
    directory.mkdir()
    with open(directory / "weights", "wb") as file:
        for index in range(64):
            file.write(bytes([index]) * (1 << 20))
    code = (
        "import resource, sys\nfrom keras_repvis.zoo import archive, manifest\n"
        "unit = 1 << (20 if sys.platform == 'darwin' else 10)\n"  # Of one system it tells bytes, of others kilobytes.
        "largest = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit\n"
        "before = largest()\n"
        "archive.unpack(archive.pack('3', 'x', 'x.tar'), 'target')\n"
        "print(largest() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert int(done.stdout) < 30
    digests = [hashlib.sha256((path / "weights").read_bytes()).digest() for path in (directory, target)]
    assert digests[0] == digests[1]
