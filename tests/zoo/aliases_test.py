"""Aliases move at once, and find their way back."""

import pytest

from keras_repvis import zoo
from keras_repvis.zoo import alias_file


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
    assert zoo.set_alias("a/b/3", "champion", root) == {"champion": 3, "previous": 1}
    assert not [path for path in (root / "a" / "b").iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"champion": "3"}', '{"champion": 0}'])
def test_a_damaged_file_is_named(root, text):
    (root / "a" / "b" / alias_file.FILE).write_text(text)
    with pytest.raises(zoo.IntegrityError, match="aliases.json"):
        zoo.resolve("a/b@champion", root)
    assert zoo.resolve("a/b", root).version == 3
