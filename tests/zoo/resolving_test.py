"""A handle means one directory, or an error that says what there is."""

import shutil

import pytest

from keras_repvis import zoo
from keras_repvis.zoo import manifest


@pytest.fixture(name="root")
def root_fixture(tmp_path):
    root = tmp_path / "root"
    for version in (1, 2, 10):
        directory = root / "a" / "b" / str(version)
        directory.mkdir(parents=True)
        manifest.write(directory, {"handle": f"a/b/{version}"})
    for name in (".incoming-5", "notes", "011"):
        (root / "a" / "b" / name).mkdir()
    (root / "a" / "b" / "12").write_text("a file is no version")
    return root


def test_latest_is_the_greatest_number(root):
    version = zoo.resolve("a/b", root)
    assert (version.handle, version.path, version.version) == ("a/b/10", root / "a" / "b" / "10", 10)


def test_one_version(root):
    assert zoo.resolve("a/b/2", root).path == root / "a" / "b" / "2"
    assert zoo.read_manifest("a/b/2", root)["handle"] == "a/b/2"


@pytest.mark.parametrize("pick", [str, lambda path: path])
def test_paths_of_a_version_and_of_a_model(root, pick):
    assert zoo.resolve(pick(root / "a" / "b" / "2")).handle == "a/b/2"
    assert zoo.resolve(pick(root / "a" / "b")).handle == "a/b/10"


def test_a_version_copied_elsewhere_keeps_its_handle(root, tmp_path):
    shutil.copytree(root / "a" / "b" / "2", tmp_path / "copy")
    version = zoo.resolve(tmp_path / "copy")
    assert (version.handle, version.version) == ("a/b/2", 2)


def test_a_version_copied_over_another_is_found(root):
    shutil.copytree(root / "a" / "b" / "2", root / "a" / "b" / "3")
    with pytest.raises(zoo.IntegrityError, match="is the manifest of 'a/b/2', not of 'a/b/3'"):
        zoo.read_manifest("a/b/3", root)


def test_unknown(root):
    with pytest.raises(ValueError, match="handle='a/c' is not published in .*repvis-zoo list"):
        zoo.resolve("a/c", root)
    with pytest.raises(ValueError, match="version of a/b=3 is not known. Accepted: 1, 2, 10"):
        zoo.resolve("a/b/3", root)
    with pytest.raises(ValueError, match="no such directory"):
        zoo.resolve(root / "nothing")
    with pytest.raises(zoo.IntegrityError, match="manifest.json: is missing"):
        zoo.resolve(root)


@pytest.mark.parametrize("link", ["a", "a/b", "a/b/2"])
def test_links_inside_the_root_are_refused(root, tmp_path, link):
    (root / link).rename(tmp_path / "outside")
    (root / link).symlink_to(tmp_path / "outside")
    with pytest.raises(zoo.IntegrityError, match="symbolic link"):
        zoo.resolve("a/b/2", root)


def test_the_root_itself_may_be_a_link(root, tmp_path):
    (tmp_path / "link").symlink_to(root)
    assert zoo.resolve("a/b", tmp_path / "link").version == 10


def test_a_path_with_a_manifest_of_nothing(root):
    manifest.write(root / "a" / "b" / "2", {"handle": "../../etc"})
    with pytest.raises(zoo.IntegrityError, match="is not a name"):
        zoo.resolve(root / "a" / "b" / "2")
