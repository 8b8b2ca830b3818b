"""A handle means one directory, or an error that says what there is."""

import shutil

import pytest

from keras_repvis import zoo
from keras_repvis.zoo import manifest, resolving
from keras_repvis.zoo import root as roots
from keras_repvis.zoo.root import shipped_root


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


def test_a_version_may_hold_a_directory_that_is_called_as_a_number(root):
    (root / "a" / "b" / "2" / "5").mkdir()
    assert zoo.resolve(root / "a" / "b" / "2").handle == "a/b/2"


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


def test_of_many_versions_the_last_are_named(root):
    for number in range(11, 41):
        (root / "a" / "c" / str(number)).mkdir(parents=True)
    with pytest.raises(ValueError, match="version of a/c=7 is not known. Accepted: 21, 22, .*, 39, 40.$"):
        zoo.resolve("a/c/7", root)


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


def test_an_alias(root):
    zoo.set_alias("a/b/2", "stable", root)
    assert zoo.resolve("a/b@stable", root).handle == "a/b/2"
    assert str(zoo.resolve("a/b@stable", root).path) == str(root / "a" / "b" / "2")


def test_what_ships_with_the_package_is_found_in_every_zoo(tmp_path):
    version = zoo.resolve("repvis/mobilenet_v2_digits", tmp_path / "none")
    assert version.path == shipped_root() / version.handle
    assert version.handle in [entry.handle for entry in zoo.list_versions(tmp_path)]
    assert zoo.list_versions(tmp_path, shipped=False) == ()
    assert version.verify()["handle"] == version.handle


def test_a_shipped_number_is_not_given_again(put, tmp_path):
    number = zoo.resolve("repvis/mobilenet_v2_digits", tmp_path).version
    zoo.set_alias(f"repvis/mobilenet_v2_digits/{number}", "champion", tmp_path)
    own = put(tmp_path, f"repvis/mobilenet_v2_digits/{number + 1}")
    assert zoo.resolve("repvis/mobilenet_v2_digits", tmp_path).path == tmp_path / own
    assert zoo.resolve("repvis/mobilenet_v2_digits@champion", tmp_path).version == number
    assert zoo.resolve(f"repvis/mobilenet_v2_digits/{number}", tmp_path).path.is_relative_to(shipped_root())


def test_what_one_has_stands_for_what_ships_under_the_same_number(put, tmp_path, monkeypatch):
    put(tmp_path / "mine", "a/b")
    for text in "xy":
        put(tmp_path / "shipped", "a/b", text)
    monkeypatch.setattr(roots, "shipped_root", lambda: tmp_path / "shipped")
    assert zoo.resolve("a/b", tmp_path / "mine").path == tmp_path / "shipped" / "a" / "b" / "2"
    put(tmp_path / "mine", "a/b", "z")
    for handle in ("a/b", "a/b/2"):
        assert zoo.resolve(handle, tmp_path / "mine").path == tmp_path / "mine" / "a" / "b" / "2"


def test_a_version_is_kept_while_it_is_read(put, tmp_path):
    for text in "xy":
        put(tmp_path, "c/d", text)
    with zoo.reading("c/d/1", tmp_path) as version:
        assert zoo.gc(["latest"], tmp_path).kept["c/d/1"] == "in use"
        assert version.path.is_dir()
    assert zoo.gc(["latest"], tmp_path).deleted == ("c/d/1",)


def test_a_version_collected_while_it_was_looked_up(put, tmp_path, monkeypatch):
    for text in "xy":
        put(tmp_path, "c/d", text)
    hold, calls = resolving.locks.hold, []

    def collect_then_hold(path, **options):
        if not calls:
            calls.append(path)
            zoo.remove_alias("c/d", "old", tmp_path)
            zoo.set_alias("c/d/2", "old", tmp_path)
            monkeypatch.setattr(resolving.locks, "hold", hold)
            zoo.gc(["latest"], tmp_path)
        return hold(path, **options)

    zoo.set_alias("c/d/1", "old", tmp_path)
    monkeypatch.setattr(resolving.locks, "hold", collect_then_hold)
    with zoo.reading("c/d@old", tmp_path) as version:
        assert version.handle == "c/d/2"
    assert calls and not (tmp_path / "c" / "d" / "1").exists()
