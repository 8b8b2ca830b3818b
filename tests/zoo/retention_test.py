"""What is kept is what the policy says and all that is referred to."""

import os

import pytest

from keras_repvis import zoo
from keras_repvis.zoo import layout, retention, transaction


@pytest.fixture(name="root")
def root_fixture(put, tmp_path):
    """Versions 1 to 5 of a/b: 4 was made from 2, 2 from 1. One of c/d, made from a/b/3."""
    parents = {2: "a/b/1", 4: "a/b/2"}
    for number in range(1, 6):
        put(tmp_path, "a/b", str(number), parent=parents.get(number))
    put(tmp_path, "c/d", parent="a/b/3")
    return tmp_path


def _numbers(root, model="a/b"):
    return layout.version_numbers(root / model)


@pytest.mark.parametrize(
    "words, kept",
    [
        (["all"], [1, 2, 3, 4, 5]),
        (["latest"], [5]),
        (["latest:2"], [4, 5]),
        (["latest:9"], [1, 2, 3, 4, 5]),
        (["specific:1,3,9"], [1, 3]),
        (["latest:1", "specific:2"], [2, 5]),
        (["latest:1", "latest:3"], [3, 4, 5]),
    ],
)
def test_policies(words, kept):
    assert sorted(retention.parse_policy(words).reasons([1, 2, 3, 4, 5])) == kept


@pytest.mark.parametrize("words", [[], ["none"], ["latest:0"], ["latest:-1"], ["specific:"], ["specific:01"], ["all "]])
def test_odd_policies(words, root):
    with pytest.raises(ValueError, match="keep="):
        zoo.gc(words, root)
    assert _numbers(root) == [1, 2, 3, 4, 5]


def test_keeps_the_ancestors_of_what_is_kept(root):
    collection = zoo.gc(["specific:4", "specific:1"], root)
    assert collection.deleted == ("a/b/5",)
    assert collection.kept == {
        "a/b/1": "specific",
        "a/b/4": "specific",
        "c/d/1": "specific",
        "a/b/2": "parent of a/b/4",
        "a/b/3": "parent of c/d/1",
    }
    assert _numbers(root) == [1, 2, 3, 4]


def test_a_line_that_nobody_keeps_goes_as_a_whole(root):
    collection = zoo.gc(["latest:1"], root, model="a/b")
    assert collection.deleted == ("a/b/1", "a/b/2", "a/b/4")
    assert collection.kept["c/d/1"] == "another model"
    assert _numbers(root) == [3, 5]
    assert sorted(os.listdir(root / "a" / "b")) == ["3", "5", "history.jsonl"]


def test_a_signature_goes_with_its_version(root):
    for number in (2, 5):
        (root / "a" / "b" / f"{number}.sig").write_text("{}")
    zoo.gc(["latest"], root)
    assert sorted(os.listdir(root / "a" / "b")) == ["3", "5", "5.sig", "history.jsonl"]


def test_keeps_what_an_alias_means(root):
    zoo.set_alias("a/b/2", "champion", root)
    zoo.set_alias("a/b/2", "stable", root)
    collection = zoo.gc(["latest"], root)
    assert collection.kept["a/b/2"] == "alias champion, stable"
    assert _numbers(root) == [1, 2, 3, 5]


def test_keeps_what_is_being_read(root):
    with zoo.reading("a/b/4", root):
        collection = zoo.gc(["latest"], root)
        assert collection.kept["a/b/4"] == "in use"
        assert _numbers(root) == [1, 2, 3, 4, 5], "2 and 1 are its ancestors"
    assert zoo.gc(["latest"], root).deleted == ("a/b/1", "a/b/2", "a/b/4")


def test_a_dry_run_tells_what_would_be_deleted(root):
    zoo.set_alias("a/b/2", "champion", root)
    planned = zoo.gc(["latest"], root, dry_run=True)
    assert _numbers(root) == [1, 2, 3, 4, 5]
    assert zoo.gc(["latest"], root) == planned
    assert planned.deleted == ("a/b/4",)


def test_an_alias_set_at_the_last_moment_counts(root, monkeypatch):
    changing = transaction.changing

    def alias_then_change(model):
        monkeypatch.setattr(transaction, "changing", changing)
        zoo.set_alias("a/b/1", "champion", root)
        return changing(model)

    monkeypatch.setattr(transaction, "changing", alias_then_change)
    collection = zoo.gc(["latest"], root, model="a/b")
    assert collection.kept["a/b/1"] == "alias champion" and "a/b/1" not in collection.deleted


def test_a_deleted_number_is_never_given_again(root, put):
    zoo.gc(["specific:1"], root, model="a/b")
    assert _numbers(root) == [1, 3]
    assert put(root, "a/b", "new") == "a/b/6"
    with pytest.raises(zoo.VersionExistsError, match="a/b/5 was published before"):
        put(root, "a/b/5", "other")
    assert put(root, "a/b/5", "5") == "a/b/5", "the same content may come back, from an archive"


def test_a_model_that_is_none(root):
    for model in ("a", "a/b/1", "a/b@champion"):
        with pytest.raises(ValueError, match="model=|handle="):
            zoo.gc(["latest"], root, model=model)


def test_a_damaged_version_is_collected_like_any(root):
    (root / "a" / "b" / "4" / "manifest.json").write_text("{}")
    assert "a/b/4" in zoo.gc(["latest"], root).deleted
