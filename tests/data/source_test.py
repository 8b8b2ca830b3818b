import os
import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from keras_repvis import data
from keras_repvis.data import catalog
from keras_repvis.data import digits
from keras_repvis.data import digits_m
from keras_repvis.data import photo10
from keras_repvis.data import photographs

ENTRIES = [catalog.entry(name) for name in data.names()]
ORIGINALS = [entry.name for entry in ENTRIES if not entry.bundled and entry.one_label]
SEVERAL_LABELS = [entry.name for entry in ENTRIES if not entry.one_label]


def make_folder(root, classes=("cat", "dog"), each=4):
    rng = np.random.default_rng(0)
    for name in classes:
        (root / name).mkdir(parents=True)
        for i in range(each):
            pixels = rng.integers(0, 256, (rng.integers(20, 60), 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.jpg")


def damage(root):
    """Spoil four of the images; return their paths with a word of the reason."""
    whole = (root / "cat/0.jpg").read_bytes()
    (root / "cat/0.jpg").write_bytes(whole[: len(whole) // 2])
    (root / "cat/2.jpg").write_bytes(b"")
    (root / "dog/1.jpg").write_text("not an image")
    (root / "dog/3.jpg").unlink()
    (root / "dog/3.jpg").mkdir()
    return {"cat/0.jpg": "truncated", "cat/2.jpg": "empty", "dog/1.jpg": "JPEG, PNG", "dog/3.jpg": "directory"}


@pytest.mark.parametrize("split", digits.SPLITS)
@pytest.mark.parametrize("module", [digits, digits_m, photo10], ids=["digits", "digits_m", "photo10"])
def test_bundled_sets_have_the_generated_pixels_labels_and_fingerprint(module, split):
    source = data.Source("repvis_" + module.__name__.rpartition(".")[2], split)
    images, labels = module.generate(split)[:2]
    assert (source.num_examples, source.num_classes, source.image_shape) == (len(images), 10, images.shape[1:])
    np.testing.assert_array_equal(source.labels, labels)
    assert source.labels.dtype == np.int32
    np.testing.assert_array_equal(source.load(range(40)), images[:40])
    assert source.fingerprint == data.checksum.checksum(images, labels)


def test_photographs_have_their_own_sizes():
    source = data.Source("repvis_photos")
    assert source.image_shape == (None, None, 3)
    assert source.class_names == tuple(photograph.name for photograph in photographs.TABLE)
    np.testing.assert_array_equal(source.image(source.class_names.index("rocket")), photographs.load("rocket"))
    assert len(source.fingerprint) == 64


def test_part_of_a_split():
    part, whole = data.Source("repvis_digits", "train[10:20]"), data.Source("repvis_digits")
    np.testing.assert_array_equal(part.load(range(10)), whole.load(range(10, 20)))
    assert len(part) == 10


@pytest.mark.parametrize("name", ORIGINALS)
def test_originals_by_the_same_name(name):
    with tfds.testing.mock_data(num_examples=3):
        for split in data.catalog.entry(name).splits:
            source = data.Source(name, split)
            assert source.num_examples == 3 and source.num_classes >= (2 if catalog.entry(name).domains else 5)
            images, labels = next(iter(data.Stream(source, 3, image_size=16).dataset()))
            assert images.shape == (3, 16, 16, source.image_shape[-1])
            np.testing.assert_array_equal(np.sort(labels), np.sort(source.labels))


@pytest.mark.parametrize(
    "name, split, message",
    [
        ("cifar11", "train", "dataset='cifar11'.*Did you mean 'cifar10'"),
        ("repvis_digits", "tset", "split='tset'.*Did you mean 'test'"),
        ("folder:/no/such/place", "train", "no such folder"),
        ("/no/such/place", "train", "no such folder"),
    ],
)
def test_bad_names_are_errors(name, split, message):
    with pytest.raises(ValueError, match=message):
        len(data.Source(name, split))


@pytest.mark.parametrize("name", SEVERAL_LABELS)
def test_a_set_of_several_labels_an_image_is_refused(name):
    with pytest.raises(ValueError, match=f"dataset='{name}'.*several labels.*tfds.load"):
        data.Source(name)


def test_unknown_name_is_an_error_before_anything_is_read():
    with pytest.raises(ValueError, match="Did you mean 'mnist'"):
        data.Source("mnits")


def test_folder_by_prefix_and_by_path(tmp_path):
    make_folder(tmp_path / "pets")
    source = data.Source(f"folder:{tmp_path}/pets")
    assert (source.num_examples, source.class_names, source.image_shape) == (8, ("cat", "dog"), (None, None, 3))
    with Image.open(tmp_path / "pets/dog/1.jpg") as image:
        np.testing.assert_array_equal(source.image(5), np.asarray(image))
    assert source.example_name(5) == f"{tmp_path}/pets/dog/1.jpg"
    again = data.Source(str(tmp_path / "pets"))
    assert again.fingerprint == source.fingerprint
    # A moved folder keeps its label subsets.
    (tmp_path / "elsewhere").mkdir()
    subset = source.label_subset(4)
    (tmp_path / "pets").rename(tmp_path / "elsewhere/pets")
    assert data.Source(str(tmp_path / "elsewhere/pets"), labels=subset).num_examples == 4


def test_fingerprint_of_a_folder_changes_with_content_and_label(tmp_path):
    make_folder(tmp_path)
    before = data.Source(str(tmp_path)).fingerprint
    (tmp_path / "cat/3.jpg").rename(tmp_path / "dog/.3.jpg")
    (tmp_path / "dog/.3.jpg").rename(tmp_path / "dog/00.jpg")
    moved = data.Source(str(tmp_path)).fingerprint
    Image.new("RGB", (9, 9)).save(tmp_path / "dog/00.jpg")
    assert len({before, moved, data.Source(str(tmp_path)).fingerprint}) == 3


def test_a_corrupt_image_is_an_error_that_names_it(tmp_path):
    make_folder(tmp_path)
    source = data.Source(str(tmp_path))
    names = [source.example_name(i) for i in range(8)]
    for name, reason in damage(tmp_path).items():
        path = f"{tmp_path}/{name}"
        with pytest.raises(data.CorruptImageError, match=f"(?i){path}' cannot be used: .*{reason}"):
            source.image(names.index(path))


def test_skipped_images_are_counted_listed_and_warned_of(tmp_path):
    make_folder(tmp_path)
    damaged = damage(tmp_path)
    source = data.Source(str(tmp_path), skip_corrupt=True)
    with pytest.warns(UserWarning, match=f"4 of 8 images are left out.*{tmp_path}/cat/0.jpg: .*truncated"):
        assert source.num_examples == 4
    assert [skipped.name for skipped in source.skipped] == [f"{tmp_path}/{name}" for name in damaged]
    for skipped, reason in zip(source.skipped, damaged.values()):
        assert reason in skipped.reason.replace("Is a d", "d")
    np.testing.assert_array_equal(source.labels, [0, 0, 1, 1])
    assert source.load(range(4), size=(8, 8)).shape == (4, 8, 8, 3)


def test_nothing_skipped_is_no_warning(tmp_path, recwarn):
    make_folder(tmp_path)
    assert data.Source(str(tmp_path), skip_corrupt=True).skipped == []
    assert not [warning for warning in recwarn if "left out" in str(warning.message)]


def test_nothing_left_is_an_error(tmp_path):
    make_folder(tmp_path, classes=("cat",), each=1)
    (tmp_path / "cat/0.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="no usable image.*cat/0.jpg: the file is empty"):
        len(data.Source(str(tmp_path), skip_corrupt=True))


def test_a_corrupt_example_of_a_named_set_is_named(monkeypatch):
    source = data.Source("repvis_digits", "test")
    encoded = source._examples._encoded
    encoded[17] = encoded[17][:40]
    with pytest.raises(data.CorruptImageError, match="repvis_digits/1.0.0 split test, example 17"):
        source.image(17)
    skipping = data.Source("repvis_digits", "test", skip_corrupt=True)
    skipping._examples._encoded[17] = b""
    with pytest.warns(UserWarning, match="1 of 500"):
        assert skipping.num_examples == 499


@pytest.mark.parametrize("harm", ["cut", "altered", "missing"])
def test_damaged_record_files_are_an_error_that_says_what_to_do(tmp_path, harm):
    len(data.Source("repvis_digits"))
    shutil.copytree(os.path.join(os.environ["TFDS_DATA_DIR"], "repvis_digits"), tmp_path / "repvis_digits")
    (records,) = (tmp_path / "repvis_digits" / "1.0.0").glob("*test.tfrecord*")
    content = bytearray(records.read_bytes())
    content[5000] ^= 0xFF
    if harm == "missing":
        records.unlink()
    else:
        records.write_bytes(content[:5000] if harm == "cut" else content)
    with pytest.raises(OSError, match=f"files of 'repvis_digits/1.0.0' in '{tmp_path}.*are damaged .*Remove"):
        len(data.Source("repvis_digits", "test", data_dir=tmp_path))


def test_an_image_of_another_shape_than_declared_is_corrupt():
    source = data.Source("repvis_digits", "test")
    source._examples._encoded[3] = data.Source("repvis_digits_m", "test")._examples.encoded(0)
    with pytest.raises(data.CorruptImageError, match=r"example 3' cannot be used: it has the shape \(32, 32, 1\)"):
        source.image(3)


def test_a_split_larger_than_half_the_memory_is_refused(monkeypatch):
    monkeypatch.setattr("os.sysconf", lambda name: 10)
    with pytest.raises(ValueError, match="more than half of this machine's.*folder:PATH"):
        len(data.Source("repvis_digits"))


def test_splits_overlap_where_they_share_places():
    def overlap(one, two, name="repvis_digits"):
        return data.Source(name, one).overlaps(data.Source("repvis_digits", two))

    assert overlap("train", "train[10:20]") and overlap("train[:60%]", "train[50%:]") and overlap("test", "test")
    assert overlap("train[:10]+test[:5]", "test[4:]")
    assert not overlap("train", "test") and not overlap("train[:50%]", "train[50%:]")
    assert not overlap("test", "test", "repvis_digits_m")


def test_folders_overlap_if_they_are_the_same(tmp_path):
    for split in ("train", "test"):
        for label in ("a", "b"):
            folder = tmp_path / split / label
            folder.mkdir(parents=True)
            Image.new("RGB", (4, 4)).save(folder / "0.png")
    train, test = (data.Source(str(tmp_path), split) for split in ("train", "test"))
    assert train.overlaps(train) and not train.overlaps(test)
