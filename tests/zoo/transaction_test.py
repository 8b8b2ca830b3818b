"""A numbered directory appears whole or not at all, whoever else publishes and whatever stops us."""

import errno
import os
import random
import subprocess
import sys
import time

import pytest

from keras_repvis import zoo
from keras_repvis.zoo import history, layout, manifest, transaction

# Publishes COUNT versions of three files each, and says so.
_PUBLISHER = """
import pathlib, sys, uuid
from keras_repvis.zoo import manifest, transaction

model, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
for _ in range(count):
    with transaction.incoming(model) as directory:
        for name in ("a", "b", "c"):
            (directory / name).write_bytes(name.encode() * 20000)
        (directory / "own").write_text(f"{uuid.uuid4()}")
        seal = lambda number: manifest.write(directory, {"handle": f"a/b/{number}"})
        transaction.commit(directory, seal, (directory / "own").read_text())
    print("published", flush=True)
"""


def _start(model, count):
    command = [sys.executable, "-c", _PUBLISHER, str(model), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _put(model, text="x"):
    with transaction.incoming(model) as directory:
        (directory / "file").write_text(text)
        return transaction.commit(directory, lambda number: (directory / "number").write_text(str(number)), text)


def test_numbers_follow_each_other(tmp_path):
    model = tmp_path / "a" / "b"
    assert _put(model, "x") == (model / "1", 1)
    assert _put(model, "y") == (model / "2", 2)
    (model / "7").mkdir()
    (model / "011").mkdir()
    assert _put(model, "z") == (model / "8", 8)
    assert (model / "8" / "number").read_text() == "8"
    assert sorted(os.listdir(model)) == ["011", "1", "2", "7", "8", "history.jsonl"]


def test_the_same_content_is_the_same_version(tmp_path):
    assert [_put(tmp_path, text)[1] for text in "xyx"] == [1, 2, 1]
    assert sorted(os.listdir(tmp_path)) == ["1", "2", "history.jsonl"]


def test_a_number_may_be_asked_for(tmp_path):
    def put(text, number, above=0):
        with transaction.incoming(tmp_path) as directory:
            return transaction.commit(directory, lambda _: None, text, number=number, above=above)[1]

    assert put("x", 5) == 5
    assert put("x", 5) == 5
    assert put("y", None) == 6
    assert put("x", 2) == 2, "the same content under another number is another version"
    assert put("z", None, above=10) == 11
    with pytest.raises(transaction.VersionExistsError):
        put("z", 5)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), ValueError()])
def test_failure_leaves_nothing(tmp_path, error):
    with pytest.raises(type(error)):
        with transaction.incoming(tmp_path / "a" / "b") as directory:
            (directory / "sub").mkdir()
            (directory / "sub" / "file").write_text("x")
            raise error
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("function", ["fsync", "rename", "write", "ftruncate"])
def test_a_disk_error_leaves_the_old_state(tmp_path, monkeypatch, function):
    model = tmp_path / "a" / "b"
    _put(model, "x")
    before = (model / history.FILE).read_bytes()

    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write" if function == "ftruncate" else function, fail)
        if function == "ftruncate":
            patch.setattr(os, function, fail)
        with pytest.raises(OSError, match="Input/output error"):
            _put(model, "y")
    assert sorted(os.listdir(model)) == ["1", "history.jsonl"]
    assert (model / history.FILE).read_bytes() == before
    assert _put(model, "y")[1] == 2


def test_what_is_there_and_no_version_is_left_alone(tmp_path, monkeypatch):
    _put(tmp_path, "x")
    (tmp_path / "2").write_text("a file")
    assert _put(tmp_path, "y")[1] == 3
    monkeypatch.setattr(history, "repair", lambda *_: None)
    monkeypatch.setattr(transaction.layout, "version_numbers", lambda _: [])
    (tmp_path / "4").mkdir()
    with pytest.raises(FileExistsError, match="4"):
        _put(tmp_path, "z")
    assert not os.listdir(tmp_path / "4")


def test_leftovers_of_killed_processes_are_removed_and_no_others(tmp_path):
    _put(tmp_path)
    for name in (".incoming-dead", ".trash-dead", ".notes"):
        (tmp_path / name / "sub").mkdir(parents=True)
    with transaction.incoming(tmp_path) as mine:
        _put(tmp_path, "y")
        assert mine.exists()
    assert sorted(os.listdir(tmp_path)) == [".notes", "1", "2", "history.jsonl"]


def test_everything_is_flushed_before_the_rename(tmp_path, monkeypatch):
    events = []
    fsync, rename = os.fsync, os.rename
    monkeypatch.setattr(os, "fsync", lambda fd: (events.append(os.readlink(f"/proc/self/fd/{fd}")), fsync(fd)))
    monkeypatch.setattr(os, "rename", lambda *paths: (events.append("rename"), rename(*paths)))
    _put(tmp_path)
    names = [os.path.basename(event) for event in events]
    before, after = names[: names.index("rename")], names[names.index("rename") + 1 :]
    assert {"file", "number"} < set(before)
    assert any(name.startswith(layout.INCOMING) for name in before)
    assert after[0] == tmp_path.name


def test_many_publishers_at_once_lose_nothing(tmp_path):
    model = tmp_path / "a" / "b"
    publishers = [_start(model, 15) for _ in range(6)]
    for publisher in publishers:
        publisher.communicate(timeout=100)
        assert publisher.returncode == 0
    assert layout.version_numbers(model) == list(range(1, 91))
    assert len(os.listdir(model)) == 91
    assert sorted(history.published(model)) == list(range(1, 91))
    for version in zoo.list_versions(tmp_path, shipped=False):
        manifest.verify(version.path)
        assert version.manifest["handle"] == version.handle


def test_a_kill_leaves_the_old_or_the_new_state(tmp_path):
    model = tmp_path / "a" / "b"
    chance = random.Random(5)
    acknowledged, hit = 0, False
    for _ in range(25):
        publisher = _start(model, 1000)
        publisher.stdout.readline()
        time.sleep(chance.random() * 0.02)
        publisher.kill()
        acknowledged += 1 + publisher.stdout.read().count("published")
        publisher.wait()
        publisher.stdout.close()
        hit = hit or bool(layout.leftovers(model))
    versions = zoo.list_versions(tmp_path, shipped=False)
    # A version may have appeared whose publisher died before it could say so, one a kill at most.
    assert acknowledged <= len(versions) <= acknowledged + 25
    assert [version.version for version in versions] == list(range(1, len(versions) + 1))
    for version in versions:
        manifest.verify(version.path, hashes=False)
    # The kills did hit publications under way, else this test says nothing; the next publisher cleans up.
    assert hit
    assert _put(model)[1] == len(versions) + 1
    assert not [name for name in os.listdir(model) if name.startswith(".")]
    assert sorted(history.published(model)) == layout.version_numbers(model)
