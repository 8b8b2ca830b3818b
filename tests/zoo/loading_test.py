"""What is loaded is what was published, trains, and is refused when a byte of it changed."""

import shutil

import keras
import numpy as np
import pytest

from keras_repvis import zoo


@pytest.fixture(scope="module", name="images")
def images_fixture():
    return np.random.default_rng(1).random((16, 8, 8, 3), "float32")


@pytest.fixture(name="root")
def root_fixture(shared_root, tmp_path):
    """A copy of the zoo that a test may damage."""
    return shutil.copytree(shared_root, tmp_path / "zoo")


@pytest.mark.parametrize("handle", ["test/small", "test/small/1"])
def test_gives_the_model_back(classifier, shared_root, images, handle):
    loaded = zoo.load(handle, shared_root)
    assert isinstance(loaded, keras.Model) and not loaded.compiled
    assert [weight.path for weight in loaded.weights] == [weight.path for weight in classifier.weights]
    np.testing.assert_allclose(loaded(images), classifier(images), rtol=0, atol=1e-6)
    graph = zoo.load_saved_model(handle, shared_root)
    np.testing.assert_allclose(graph(images), classifier(images), rtol=0, atol=1e-6)


def test_by_path_and_by_environment(classifier, shared_root, images, monkeypatch):
    monkeypatch.setenv("KERAS_REPVIS_ZOO", str(shared_root))
    for handle in ("test/small", shared_root / "test" / "small" / "1", str(shared_root / "test" / "small")):
        np.testing.assert_allclose(zoo.load(handle)(images), classifier(images), rtol=0, atol=1e-6)


def _files():
    return ["card.md", "check.npz", "fingerprint.pb", "model.keras", "saved_model.pb", "manifest.json",
            "variables/variables.index", "variables/variables.data-00000-of-00001"]


@pytest.mark.parametrize("load", [zoo.load, zoo.load_saved_model])
def test_a_flipped_bit_in_any_file_is_refused(root, load):
    for name in _files():
        path = root / "test" / "small" / "1" / name
        content = path.read_bytes()
        place = len(content) // 2
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(zoo.IntegrityError, match=path.name):
            load("test/small", root)
        path.write_bytes(content)
    load("test/small", root)


@pytest.mark.parametrize("load", [zoo.load, zoo.load_saved_model])
def test_a_missing_an_extra_and_a_linked_file_are_refused(root, tmp_path, load):
    version = root / "test" / "small" / "1"
    (version / "variables" / "more.txt").write_text("x")
    with pytest.raises(zoo.IntegrityError, match="more.txt"):
        load("test/small", root)
    (version / "variables" / "more.txt").unlink()
    (version / "model.keras").rename(tmp_path / "model.keras")
    with pytest.raises(zoo.IntegrityError, match="model.keras: is missing"):
        load("test/small", root)
    (version / "model.keras").symlink_to(tmp_path / "model.keras")
    with pytest.raises(zoo.IntegrityError, match="model.keras: is a symbolic link"):
        load("test/small", root)


@pytest.mark.parametrize("load", [zoo.load, zoo.load_saved_model])
def test_a_version_copied_over_another_is_refused(root, load):
    shutil.copytree(root / "test" / "small" / "1", root / "test" / "small" / "2")
    with pytest.raises(zoo.IntegrityError, match="is the manifest of 'test/small/1', not of 'test/small/2'"):
        load("test/small", root)


@pytest.mark.parametrize("load", [zoo.load, zoo.load_saved_model])
@pytest.mark.parametrize("handle", ["test/none", "small", "test/../test/small", "test/small/01", None])
def test_bad_handles(shared_root, load, handle):
    with pytest.raises(ValueError, match="handle="):
        load(handle, shared_root)
