"""Every change has its line, whatever happened to the process that made it."""

import json

import pytest

from keras_repvis import zoo
from keras_repvis.zoo import alias_file, history, transaction


def _told(model):
    names = ("event", "version", "alias", "from", "to", "found")
    return [{name: event[name] for name in names if name in event} for event in history.read(model)]


def test_tells_who_when_and_what(put, tmp_path):
    put(tmp_path, "a/b")
    zoo.set_alias("a/b/1", "champion", tmp_path)
    put(tmp_path, "a/b", "y")
    zoo.set_alias("a/b/2", "champion", tmp_path)
    zoo.remove_alias("a/b", "previous", tmp_path)
    zoo.gc(["latest:1"], tmp_path)
    events = history.read(tmp_path / "a" / "b")
    assert all(event["time"].endswith("+00:00") and event["user"] for event in events)
    assert events[0]["digest"] == zoo.read_manifest("a/b/2", tmp_path)["digest"] or len(events[0]["digest"]) == 64
    assert _told(tmp_path / "a" / "b") == [
        {"event": "published", "version": 1},
        {"event": "alias", "alias": "champion", "from": None, "to": 1},
        {"event": "published", "version": 2},
        {"event": "alias", "alias": "champion", "from": 1, "to": 2},
        {"event": "alias", "alias": "previous", "from": None, "to": 1},
        {"event": "alias", "alias": "previous", "from": 1, "to": None},
        {"event": "deleted", "version": 1},
    ]


def test_lines_are_only_ever_added(put, tmp_path):
    path = tmp_path / "a" / "b" / history.FILE
    put(tmp_path, "a/b")
    before = path.read_bytes()
    for text in "yz":
        put(tmp_path, "a/b", text)
        assert path.read_bytes().startswith(before) and path.read_bytes().count(b"\n") == before.count(b"\n") + 1
        before = path.read_bytes()


def test_what_a_killed_process_could_not_say_is_added(put, tmp_path):
    model = tmp_path / "a" / "b"
    for text in "xyz":
        put(tmp_path, "a/b", text)
    lines = (model / history.FILE).read_bytes().splitlines(keepends=True)
    (model / history.FILE).write_bytes(b"".join(lines[:2]))
    (model / "1").rename(tmp_path / "gone")
    with alias_file.replacing(model, {"champion": 2}):
        pass
    with transaction.changing(model):
        pass
    assert _told(model)[2:] == [
        {"event": "published", "version": 3, "found": True},
        {"event": "deleted", "version": 1, "found": True},
        {"event": "alias", "alias": "champion", "from": None, "to": 2, "found": True},
    ]
    assert history.read(model)[2]["digest"] == json.loads(lines[2])["digest"]
    told = _told(model)
    with transaction.changing(model):
        pass
    assert _told(model) == told


def test_a_torn_line_is_passed_over_and_the_next_begins_anew(tmp_path):
    history.append(tmp_path, "published", version=1, digest="d")
    with open(tmp_path / history.FILE, "ab") as file:
        file.write(b'{"event": "publ')
    history.append(tmp_path, "published", version=2, digest="e")
    assert history.published(tmp_path) == {1: "d", 2: "e"}


@pytest.mark.parametrize("failing", ["write", "fsync"])
def test_a_line_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch, failing):
    history.append(tmp_path, "published", version=1, digest="d")
    before = (tmp_path / history.FILE).read_bytes()
    write = history.os.write

    def fail(descriptor, *text):
        if text:
            write(descriptor, text[0][:5])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(history.os, failing, fail)
        with pytest.raises(OSError, match="No space"):
            history.append(tmp_path, "deleted", version=1)
    assert (tmp_path / history.FILE).read_bytes() == before


def test_a_short_write_is_an_error_too(tmp_path, monkeypatch):
    write = history.os.write
    with monkeypatch.context() as patch:
        patch.setattr(history.os, "write", lambda descriptor, text: write(descriptor, text[:5]))
        with pytest.raises(OSError, match="disk full"):
            history.append(tmp_path, "deleted", version=1)
    assert (tmp_path / history.FILE).read_bytes() == b""
