import numpy as np
import pytest
from PIL import Image

from keras_repvis.data import decode
from keras_repvis.data import folder_examples


def save(path, value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((5, 6, 3), value, np.uint8)).save(path)


def test_classes_are_sub_folders_and_order_is_alphabetical(tmp_path):
    for name in ("dog/b.png", "dog/a.JPG", "cat/z.bmp", "cat/.hidden.png", "cat/notes.txt", ".cache/x.png"):
        if name.endswith("txt"):
            (tmp_path / name).write_text("x")
        else:
            save(tmp_path / name)
    examples = folder_examples.FolderExamples(str(tmp_path))
    assert examples.class_names == ("cat", "dog")
    assert [examples.name(i).removeprefix(str(tmp_path)) for i in range(len(examples))] == [
        "/cat/z.bmp",
        "/dog/a.JPG",
        "/dog/b.png",
    ]
    np.testing.assert_array_equal(examples.labels, [0, 1, 1])
    assert examples.encoded(0) == (tmp_path / "cat/z.bmp").read_bytes()


def test_split_folders_share_their_classes(tmp_path):
    for name in ("train/a/1.png", "train/b/1.png", "train/c/1.png", "test/b/1.png", "test/c/1.png"):
        save(tmp_path / name)
    test = folder_examples.FolderExamples(str(tmp_path), "test")
    assert test.class_names == ("a", "b", "c")
    np.testing.assert_array_equal(test.labels, [1, 2])
    with pytest.raises(ValueError, match="split='validation'.*Accepted: train, test"):
        folder_examples.FolderExamples(str(tmp_path), "validation")


def test_a_class_may_be_called_train(tmp_path):
    for name in ("train/1.png", "plane/1.png"):
        save(tmp_path / name)
    assert folder_examples.FolderExamples(str(tmp_path)).class_names == ("plane", "train")


def test_bad_folders_are_errors(tmp_path):
    with pytest.raises(ValueError, match="no such folder"):
        folder_examples.FolderExamples(str(tmp_path / "none"))
    with pytest.raises(ValueError, match="no sub-folders"):
        folder_examples.FolderExamples(str(tmp_path))
    save(tmp_path / "cat/1.png")
    (tmp_path / "dog").mkdir()
    with pytest.raises(ValueError, match="dog' has no image"):
        folder_examples.FolderExamples(str(tmp_path))
    (tmp_path / "dog").rmdir()
    with pytest.raises(ValueError, match="split='test'.*Accepted: train"):
        folder_examples.FolderExamples(str(tmp_path), "test")


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path):
    save(tmp_path / "cat/1.png")
    examples = folder_examples.FolderExamples(str(tmp_path))
    (tmp_path / "cat/1.png").unlink()
    with pytest.raises(decode.CorruptImageError, match="cat/1.png' cannot be used: No such file"):
        examples.encoded(0)


def test_a_forbidden_file_is_named_with_the_reason(tmp_path, monkeypatch):
    """The permission is refused by hand, since it never is to an administrator."""
    save(tmp_path / "cat/1.png")
    examples = folder_examples.FolderExamples(str(tmp_path))

    def refuse(path, *_):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(decode.CorruptImageError, match="cat/1.png' cannot be used: Permission denied"):
        examples.encoded(0)
