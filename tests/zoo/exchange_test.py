"""A version carried elsewhere is the same version, or refused."""

import os
import tarfile

import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import zoo
from keras_repvis.zoo import history


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_there_and_back(shared_root, tmp_path, suffix):
    file = tmp_path / f"small{suffix}"
    assert zoo.export_version("test/small", file, shared_root).handle == "test/small/1"
    version = zoo.import_version(file, tmp_path / "zoo")
    assert (version.handle, version.path) == ("test/small/1", tmp_path / "zoo" / "test" / "small" / "1")
    assert version.verify() == zoo.read_manifest("test/small", shared_root)
    assert [event["event"] for event in history.read(version.path.parent)] == ["imported"]
    assert sorted(os.listdir(tmp_path / "zoo")) == ["test"]
    inputs = np.load(version.path / "check.npz")["inputs"]
    expected = zoo.load("test/small", shared_root)(inputs)
    np.testing.assert_array_equal(zoo.load("test/small", tmp_path / "zoo")(inputs), expected)
    assert zoo.import_version(file, tmp_path / "zoo") == version, "a second time there is nothing to do"


def test_the_same_version_gives_the_same_archive(put, tmp_path):
    put(tmp_path, "a/b")
    for name in ("one.tar.gz", "two.tar.gz"):
        zoo.export_version("a/b", tmp_path / name, tmp_path)
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()
    with pytest.raises(FileExistsError):
        zoo.export_version("a/b", tmp_path / "one.tar.gz", tmp_path)
    zoo.export_version("a/b", tmp_path / "one.tar.gz", tmp_path, overwrite=True)


def test_another_version_of_that_number_is_not_overwritten(put, tmp_path):
    put(tmp_path / "here", "a/b", "x")
    put(tmp_path / "there", "a/b", "y")
    zoo.export_version("a/b", tmp_path / "x.tar", tmp_path / "here")
    with pytest.raises(zoo.VersionExistsError, match="a/b/1"):
        zoo.import_version(tmp_path / "x.tar", tmp_path / "there")
    assert (tmp_path / "there" / "a" / "b" / "1" / "file").read_text() == "y"
    assert sorted(os.listdir(tmp_path / "there")) == ["a"]


def test_a_damaged_version_is_not_exported(put, tmp_path):
    put(tmp_path, "a/b")
    (tmp_path / "a" / "b" / "1" / "file").write_text("y")
    with pytest.raises(zoo.IntegrityError, match="file: its SHA-256 differs"):
        zoo.export_version("a/b", tmp_path / "x.tar", tmp_path)
    assert not (tmp_path / "x.tar").exists()


def _repacked(tmp_path, change):
    """Return an archive whose one top directory was unpacked, changed and packed by another program."""
    with tarfile.open(tmp_path / "x.tar") as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (top,) = (tmp_path / "unpacked").iterdir()
    change(top)
    with tarfile.open(tmp_path / "changed.tar", "w") as archive:
        archive.add(top, top.name)
    return tmp_path / "changed.tar"


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda top: (top / "file").write_text("y"), "file"),
        (lambda top: (top / "more").write_text("y"), "more"),
        (lambda top: (top / "file").unlink(), "file"),
        (lambda top: (top / "manifest.json").unlink(), "manifest.json"),
        (lambda top: (top / "link").symlink_to("/etc/passwd"), "link"),
    ],
)
def test_a_changed_archive_is_refused_and_leaves_nothing(put, tmp_path, change, message):
    put(tmp_path / "here", "a/b")
    zoo.export_version("a/b", tmp_path / "x.tar", tmp_path / "here")
    with pytest.raises(zoo.IntegrityError, match=message):
        zoo.import_version(_repacked(tmp_path, change), tmp_path / "there")
    assert not (tmp_path / "there").exists()


def test_an_archive_with_an_odd_handle(put, tmp_path):
    from keras_repvis.zoo import manifest

    put(tmp_path / "here", "a/b")
    zoo.export_version("a/b", tmp_path / "x.tar", tmp_path / "here")
    for handle in ("../../etc/1", "a/b", "a/b@champion", None):
        archive = _repacked(tmp_path, lambda top: manifest.write(top, {"handle": handle, "variants": {}}))
        with pytest.raises(zoo.IntegrityError, match="manifest.json"):
            zoo.import_version(archive, tmp_path / "there")
        assert not (tmp_path / "there").exists()
        (tmp_path / "changed.tar").unlink()
        for path in sorted((tmp_path / "unpacked").rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()


def test_a_folder_for_serving(classifier, tmp_path):
    zoo.publish(classifier, "test/small", tmp_path / "zoo", variants=("folded",))
    inputs = np.load(tmp_path / "zoo" / "test" / "small" / "1" / "check.npz")["inputs"]
    for variant, size in ((None, 0), ("reference", 8)):
        path = zoo.export_for_serving("test/small", tmp_path / f"serving{size}", tmp_path / "zoo", variant)
        assert path == tmp_path / f"serving{size}" / "small" / "1"
        assert os.listdir(path.parent) == ["1"]
        loaded = tf.saved_model.load(str(path))
        assert len(loaded.variables) == size
        found = loaded.signatures["serving_default"](images=tf.constant(inputs))["logits"]
        np.testing.assert_allclose(found, classifier(inputs), rtol=0, atol=1e-5)
    with pytest.raises(FileExistsError, match="serving0"):
        zoo.export_for_serving("test/small", tmp_path / "serving0", tmp_path / "zoo")
    with pytest.raises(ValueError, match="variant of test/small/1='int8' is not known"):
        zoo.export_for_serving("test/small", tmp_path / "other", tmp_path / "zoo", "int8")
