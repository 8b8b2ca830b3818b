"""The list shows what is published, and only that."""

import pytest

from keras_repvis import zoo
from keras_repvis.zoo import manifest


def test_order_and_leftovers(tmp_path):
    for handle in ("b/net/1", "a/net/10", "a/net/9", "a/mini/1"):
        (tmp_path / handle).mkdir(parents=True)
        manifest.write(tmp_path / handle, {"handle": handle})
    for name in (".incoming-0", "01", "draft", "0"):
        (tmp_path / "a" / "net" / name).mkdir()
    (tmp_path / "a" / ".cache" / "1").mkdir(parents=True)
    (tmp_path / ".git" / "x" / "1").mkdir(parents=True)
    (tmp_path / "README.md").write_text("")
    (tmp_path / "a" / "net" / "11").write_text("")
    versions = zoo.list_versions(tmp_path, shipped=False)
    assert [version.handle for version in versions] == ["a/mini/1", "a/net/9", "a/net/10", "b/net/1"]
    assert [version.manifest["handle"] for version in versions] == [version.handle for version in versions]


def test_no_zoo_yet(tmp_path):
    assert zoo.list_versions(tmp_path / "none", shipped=False) == ()


def test_a_damaged_version_does_not_hide_the_others(tmp_path):
    for handle in ("a/net/1", "a/net/2"):
        (tmp_path / handle).mkdir(parents=True)
    manifest.write(tmp_path / "a/net/1", {"handle": "a/net/1"})
    first, second = zoo.list_versions(tmp_path, shipped=False)
    assert first.manifest["handle"] == "a/net/1"
    with pytest.raises(zoo.IntegrityError, match="2/manifest.json: is missing"):
        second.manifest


def test_what_ships_is_listed_and_what_one_has_stands_for_it(tmp_path):
    shipped = zoo.list_versions(tmp_path)
    assert {version.handle.split("/")[0] for version in shipped} == {"repvis"}
    (tmp_path / shipped[0].handle).mkdir(parents=True)
    (tmp_path / "a" / "net" / "1").mkdir(parents=True)
    versions = zoo.list_versions(tmp_path)
    assert [version.handle for version in versions] == ["a/net/1", *(version.handle for version in shipped)]
    assert versions[1].path == tmp_path / shipped[0].handle and versions[2] == shipped[1]
