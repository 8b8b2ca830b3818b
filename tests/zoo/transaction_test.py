"""A numbered directory appears whole or not at all, whoever else publishes and whatever stops us."""

import errno
import os
import random
import subprocess
import sys
import time

import pytest

from keras_repvis import zoo
from keras_repvis.zoo import manifest, transaction

# Publishes COUNT versions of three files each, and says so.
_PUBLISHER = """
import pathlib, sys
from keras_repvis.zoo import manifest, transaction

model, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
for _ in range(count):
    with transaction.incoming(model) as directory:
        for name in ("a", "b", "c"):
            (directory / name).write_bytes(name.encode() * 20000)
        transaction.commit(directory, lambda number: manifest.write(directory, {"handle": f"a/b/{number}"}))
    print("published", flush=True)
"""


def _start(model, count):
    command = [sys.executable, "-c", _PUBLISHER, str(model), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _put(model, text="x"):
    with transaction.incoming(model) as directory:
        (directory / "file").write_text(text)
        return transaction.commit(directory, lambda number: (directory / "number").write_text(str(number)))


def test_numbers_follow_each_other(tmp_path):
    model = tmp_path / "a" / "b"
    assert _put(model) == (model / "1", 1)
    assert _put(model) == (model / "2", 2)
    (model / "7").mkdir()
    (model / "011").mkdir()
    assert _put(model) == (model / "12", 12)
    assert (model / "12" / "number").read_text() == "12"
    assert sorted(os.listdir(model)) == ["011", "1", "12", "2", "7"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), ValueError()])
def test_failure_leaves_nothing(tmp_path, error):
    with pytest.raises(type(error)):
        with transaction.incoming(tmp_path / "a" / "b") as directory:
            (directory / "sub").mkdir()
            (directory / "sub" / "file").write_text("x")
            raise error
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("function", ["fsync", "rename"])
def test_a_disk_error_leaves_the_old_state(tmp_path, monkeypatch, function):
    model = tmp_path / "a" / "b"
    _put(model)

    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, function, fail)
        with pytest.raises(OSError, match="Input/output error"):
            _put(model)
    assert os.listdir(model) == ["1"]
    assert _put(model)[1] == 2


def test_a_number_taken_meanwhile_is_left_alone(tmp_path, monkeypatch):
    _put(tmp_path, "first")
    numbers = iter([1, 1, 2])
    monkeypatch.setattr(transaction, "next_number", lambda _: next(numbers))
    assert _put(tmp_path, "second") == (tmp_path / "2", 2)
    assert (tmp_path / "1" / "file").read_text() == "first"
    assert (tmp_path / "2" / "number").read_text() == "2"


def test_everything_is_flushed_before_the_rename(tmp_path, monkeypatch):
    events = []
    fsync, rename = os.fsync, os.rename
    monkeypatch.setattr(os, "fsync", lambda fd: (events.append(os.readlink(f"/proc/self/fd/{fd}")), fsync(fd)))
    monkeypatch.setattr(os, "rename", lambda *paths: (events.append("rename"), rename(*paths)))
    _put(tmp_path)
    names = [os.path.basename(event) for event in events]
    before, after = names[: names.index("rename")], names[names.index("rename") + 1 :]
    assert {"file", "number"} < set(before)
    assert any(name.startswith(transaction.INCOMING) for name in before)
    assert after == [tmp_path.name]


def test_many_publishers_at_once_lose_nothing(tmp_path):
    model = tmp_path / "a" / "b"
    publishers = [_start(model, 15) for _ in range(6)]
    for publisher in publishers:
        publisher.communicate(timeout=100)
        assert publisher.returncode == 0
    assert sorted(map(int, os.listdir(model))) == list(range(1, 91))
    for version in zoo.list_versions(tmp_path):
        manifest.verify(version.path)
        assert version.manifest["handle"] == version.handle


def test_a_kill_leaves_the_old_or_the_new_state(tmp_path):
    model = tmp_path / "a" / "b"
    chance = random.Random(5)
    acknowledged = 0
    for _ in range(25):
        publisher = _start(model, 1000)
        publisher.stdout.readline()
        time.sleep(chance.random() * 0.02)
        publisher.kill()
        acknowledged += 1 + publisher.stdout.read().count("published")
        publisher.wait()
        publisher.stdout.close()
    versions = zoo.list_versions(tmp_path)
    # A version may have appeared whose publisher died before it could say so, one a kill at most.
    assert acknowledged <= len(versions) <= acknowledged + 25
    assert [version.version for version in versions] == list(range(1, len(versions) + 1))
    for version in versions:
        manifest.verify(version.path, hashes=False)
    # The kills did hit publications under way, else this test says nothing.
    assert any(name.startswith(transaction.INCOMING) for name in os.listdir(model))
    assert _put(model)[1] == len(versions) + 1
