"""A file appears whole or not at all."""

import errno
import os
import threading

import pytest

from keras_repvis.zoo import whole_file


def test_appears_at_the_end(tmp_path):
    path = tmp_path / "a.tar"
    with whole_file.write(path) as file:
        file.write(b"content")
        file.flush()
        assert not path.exists()
    assert path.read_bytes() == b"content"
    assert os.listdir(tmp_path) == ["a.tar"]


def test_an_error_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), whole_file.write(tmp_path / "a.tar") as file:
        file.write(b"content")
        raise RuntimeError
    assert os.listdir(tmp_path) == []


def test_a_file_that_is_there_stays_unless_told(tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(b"old")
    with pytest.raises(FileExistsError, match="is not to be overwritten"), whole_file.write(path):
        raise AssertionError("nothing is written")
    with whole_file.write(path, overwrite=True) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.tar"]


def test_a_file_that_appeared_meanwhile_stays(tmp_path):
    path = tmp_path / "a.tar"
    with pytest.raises(FileExistsError), whole_file.write(path) as file:
        file.write(b"late")
        path.write_bytes(b"early")
    assert path.read_bytes() == b"early"
    assert os.listdir(tmp_path) == ["a.tar"]


def test_a_link_to_nowhere_counts_as_there(tmp_path):
    path = tmp_path / "a.tar"
    path.symlink_to(tmp_path / "absent")
    with pytest.raises(FileExistsError), whole_file.write(path):
        raise AssertionError("nothing is written")


def test_one_of_many_writers_wins(tmp_path):
    path, outcomes = tmp_path / "a.tar", []
    start = threading.Barrier(8)

    def write(index):
        start.wait()
        try:
            with whole_file.write(path) as file:
                file.write(bytes([index]) * 1000)
            outcomes.append(index)
        except FileExistsError:
            pass

    threads = [threading.Thread(target=write, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 1
    assert path.read_bytes() == bytes(outcomes) * 1000
    assert os.listdir(tmp_path) == ["a.tar"]


@pytest.mark.parametrize("taken", [False, True])
def test_a_file_system_without_links(tmp_path, monkeypatch, taken):
    path = tmp_path / "a.tar"

    def link(*_):
        raise OSError(errno.EPERM, "not here")

    def write():
        with whole_file.write(path) as file:
            file.write(b"content")
            if taken:
                path.write_bytes(b"early")

    monkeypatch.setattr(os, "link", link)
    if taken:
        with pytest.raises(FileExistsError):
            write()
    else:
        write()
    assert path.read_bytes() == (b"early" if taken else b"content")
    assert os.listdir(tmp_path) == ["a.tar"]
