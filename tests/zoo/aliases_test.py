"""Aliases move at once, and find their way back."""

import contextlib
import os
import shutil

import pytest

from keras_repvis import zoo
from keras_repvis.zoo import alias_file, transaction
from keras_repvis.zoo import root as roots


@pytest.fixture(name="root")
def root_fixture(put, tmp_path):
    for text in "xyz":
        put(tmp_path, "a/b", text)
    return tmp_path


def test_an_alias_means_a_version(root):
    assert zoo.set_alias("a/b/2", "stable", root) == {"stable": 2}
    assert zoo.resolve("a/b@stable", root).path == root / "a" / "b" / "2"
    assert zoo.set_alias("a/b", "newest", root) == {"stable": 2, "newest": 3}
    assert zoo.set_alias("a/b@stable", "newest", root) == {"stable": 2, "newest": 2}
    assert zoo.list_aliases("a/b", root) == {"stable": 2, "newest": 2}
    assert zoo.remove_alias("a/b", "stable", root) == {"newest": 2}


def test_previous_follows_the_champion_and_rollback_exchanges_them(root):
    assert zoo.set_alias("a/b/1", "champion", root) == {"champion": 1}
    assert zoo.set_alias("a/b/1", "champion", root) == {"champion": 1}
    assert zoo.set_alias("a/b/3", "champion", root) == {"champion": 3, "previous": 1}
    assert zoo.set_alias("a/b/3", "champion", root) == {"champion": 3, "previous": 1}
    assert zoo.rollback("a/b", root) == {"champion": 1, "previous": 3}
    assert zoo.rollback("a/b", root) == {"champion": 3, "previous": 1}


def test_refusals(root):
    for alias in ("Champion", "", "3", "latest", "a/b", "../x", None, "a" * 51):
        with pytest.raises(ValueError, match="alias="):
            zoo.set_alias("a/b/1", alias, root)
    with pytest.raises(ValueError, match="version of a/b=9 is not known"):
        zoo.set_alias("a/b/9", "champion", root)
    with pytest.raises(ValueError, match="no 'champion'"):
        zoo.rollback("a/b", root)
    zoo.set_alias("a/b/1", "champion", root)
    with pytest.raises(ValueError, match="no 'previous'"):
        zoo.rollback("a/b", root)
    with pytest.raises(ValueError, match="alias='x' is not known. Accepted: champion"):
        zoo.remove_alias("a/b", "x", root)
    with pytest.raises(ValueError, match="alias of a/b='x' is not known. Accepted: champion"):
        zoo.resolve("a/b@x", root)
    with pytest.raises(ValueError, match="not published"):
        zoo.set_alias("a/none", "champion", root)
    assert not (root / "a" / "none").exists()


def test_a_failure_leaves_the_old_aliases(root, monkeypatch):
    zoo.set_alias("a/b/1", "champion", root)

    def fail(*_):
        raise OSError(28, "No space left on device")

    for function in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(alias_file.os, function, fail)
            with pytest.raises(OSError, match="No space"):
                zoo.set_alias("a/b/2", "champion", root)
        assert zoo.list_aliases("a/b", root) == {"champion": 1}
        assert not _hidden(root)
    assert zoo.set_alias("a/b/3", "champion", root) == {"champion": 3, "previous": 1}
    assert not _hidden(root)


def _hidden(root):
    return [path for path in (root / "a" / "b").iterdir() if path.name.startswith(".")]


def test_the_new_file_is_on_the_disk_before_it_takes_the_place_of_the_old(root, monkeypatch):
    model, fsync, replace, flushed = root / "a" / "b", os.fsync, os.replace, set()

    def told_fsync(descriptor):
        flushed.add(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    def checked_replace(source, target):
        assert os.stat(source).st_ino in flushed
        replace(source, target)
        flushed.add("replaced")

    monkeypatch.setattr(os, "fsync", told_fsync)
    monkeypatch.setattr(os, "replace", checked_replace)
    zoo.set_alias("a/b/1", "champion", root)
    assert "replaced" in flushed and model.stat().st_ino in flushed


@pytest.fixture(name="meanwhile")
def meanwhile_fixture(monkeypatch):
    """Return a function that sets what another process does just before the model is held."""
    changing = transaction.changing

    def set_meanwhile(function):
        @contextlib.contextmanager
        def late(model):
            function(model)
            with changing(model):
                yield

        monkeypatch.setattr(transaction, "changing", late)

    return set_meanwhile


def test_a_version_that_is_deleted_meanwhile_gets_no_alias(root, meanwhile):
    meanwhile(lambda model: shutil.rmtree(model / "2"))
    with pytest.raises(ValueError, match="version of a/b=2 is not known"):
        zoo.set_alias("a/b/2", "champion", root)
    assert zoo.list_aliases("a/b", root) == {}


def test_a_rollback_whose_way_back_is_removed_meanwhile_is_refused(root, meanwhile):
    for number in (1, 2):
        zoo.set_alias(f"a/b/{number}", "champion", root)
    meanwhile(lambda model: (model / alias_file.FILE).write_text('{"champion": 2}'))
    with pytest.raises(ValueError, match="no 'previous'"):
        zoo.rollback("a/b", root)
    assert zoo.list_aliases("a/b", root) == {"champion": 2}


def test_a_rollback_to_a_version_that_is_gone_is_refused(root):
    for number in (2, 3):
        zoo.set_alias(f"a/b/{number}", "champion", root)
    shutil.rmtree(root / "a" / "b" / "2")
    with pytest.raises(ValueError, match="version of a/b=2 is not known"):
        zoo.rollback("a/b", root)
    assert zoo.list_aliases("a/b", root) == {"champion": 3, "previous": 2}


def test_a_version_of_another_zoo_gets_no_alias_here(root, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    with pytest.raises(ValueError, match="handle='a/b' is not published"):
        zoo.set_alias(root / "a" / "b" / "1", "champion", other)
    assert not list(other.iterdir())


def test_the_user_s_aliases_stand_before_those_that_ship(put, root, tmp_path_factory, monkeypatch):
    shipped = tmp_path_factory.mktemp("shipped")
    for text in "xy":
        put(shipped, "a/b", text)
    for alias in ("champion", "stable"):
        zoo.set_alias("a/b/2", alias, shipped)
    zoo.set_alias("a/b/3", "champion", root)
    monkeypatch.setattr(roots, "shipped_root", lambda: shipped)
    assert zoo.list_aliases("a/b", root) == {"champion": 3, "stable": 2}
    assert [zoo.resolve(f"a/b@{alias}", root).version for alias in ("champion", "stable")] == [3, 2]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"champion": "3"}', '{"champion": 0}'])
def test_a_damaged_file_is_named(root, text):
    (root / "a" / "b" / alias_file.FILE).write_text(text)
    with pytest.raises(zoo.IntegrityError, match="aliases.json"):
        zoo.resolve("a/b@champion", root)
    assert zoo.resolve("a/b", root).version == 3
