"""A lock holds others back, is shared when asked, and ends with its holder."""

import os
import signal
import subprocess
import sys

import pytest

from keras_repvis.zoo import locks

_HOLDER = """
import sys, time
from keras_repvis.zoo import locks
with locks.hold(sys.argv[1], shared=sys.argv[2] == "shared"):
    print("holds", flush=True)
    time.sleep(600)
"""


def _start(directory, kind):
    holder = subprocess.Popen([sys.executable, "-c", _HOLDER, str(directory), kind], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"holds\n"
    return holder


def test_one_holder_alone_or_several_that_share(tmp_path):
    with _start(tmp_path, "shared") as holder:
        with locks.hold(tmp_path, shared=True, wait=False):
            pass
        with pytest.raises(BlockingIOError, match=tmp_path.name), locks.hold(tmp_path, wait=False):
            pass
        holder.kill()
    with locks.hold(tmp_path, wait=False):
        with pytest.raises(BlockingIOError), locks.hold(tmp_path, shared=True, wait=False):
            pass


def test_a_killed_holder_holds_nothing(tmp_path):
    with _start(tmp_path, "alone") as holder:
        with pytest.raises(BlockingIOError), locks.hold(tmp_path, wait=False):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with locks.hold(tmp_path, wait=False):
            pass


def test_a_directory_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError), locks.hold(tmp_path / "none"):
        pass


def test_a_directory_that_was_moved_while_waiting(tmp_path, monkeypatch):
    directory = tmp_path / "here"
    directory.mkdir()
    flock = locks.fcntl.flock

    def move_then_lock(*arguments):
        directory.rename(tmp_path / "there")
        directory.mkdir()
        flock(*arguments)

    monkeypatch.setattr(locks.fcntl, "flock", move_then_lock)
    with pytest.raises(FileNotFoundError, match="moved away"), locks.hold(directory):
        pass
    assert os.listdir(tmp_path) != []


def test_a_directory_one_may_only_read(tmp_path):
    directory = tmp_path / "here"
    directory.mkdir(mode=0o555)
    with locks.hold(directory, shared=True, wait=False):
        pass
