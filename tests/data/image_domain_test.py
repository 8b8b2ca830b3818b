import shutil

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
import tifffile
from PIL import Image

from keras_repvis import data
from keras_repvis.data import catalog
from keras_repvis.data import image_domain
from keras_repvis.data import pixels
from keras_repvis.data import two_domain_maps

RNG = np.random.default_rng(0)


def colour(height=20, width=30):
    return RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    for name in ("b.png", "a.png", "c.BMP"):
        Image.fromarray(colour()).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not an image, and not named as one")
    (tmp_path / ".hidden.png").write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize("split", image_domain.PARTS)
def test_maps_have_the_generated_pixels(split):
    domain = data.ImageDomain("repvis_maps/64", split)
    assert domain.num_examples == len(domain) == two_domain_maps.SIZES[64][split[:-1]]
    assert (domain.image_shape, domain.dtype, domain.num_channels) == ((64, 64, 3), "uint8", 3)
    for i, image in enumerate(two_domain_maps.images(split, 10)):
        np.testing.assert_array_equal(domain.image(i), image)
    assert domain.skipped == [] and f"split {split}, example 3" in domain.example_name(3)


def test_part_of_a_split():
    part, whole = data.ImageDomain("repvis_maps/64", "testB[5:9]"), data.ImageDomain("repvis_maps/64", "testB")
    assert len(part) == 4
    np.testing.assert_array_equal(part.image(0), whole.image(5))


def test_originals_of_the_paper_by_the_same_name():
    with tfds.testing.mock_data(num_examples=3):
        for split in catalog.entry("cycle_gan").splits:
            domain = data.ImageDomain("cycle_gan/maps", split)
            assert len(domain) == 3 and domain.num_channels == 3 and domain.image(2).dtype == np.uint8
            assert domain.image_shape[-1] == 3 and domain.image(0).shape[:2] == tuple(domain.sizes[0])


def test_sets_with_one_label_an_image_are_domains_too():
    domain = data.ImageDomain("repvis_digits", "test[:7]", channels=3)
    source = data.Source("repvis_digits", "test[:7]")
    assert domain.image_shape == (8, 8, 3)
    np.testing.assert_array_equal(domain.image(6), np.repeat(source.image(6), 3, -1))


def test_a_folder_is_read_by_name_without_what_is_no_image(folder):
    domain = data.ImageDomain(str(folder))
    names = [domain.example_name(i) for i in range(len(domain))]
    assert names == [str(folder / name) for name in ("a.png", "b.png", "c.BMP")]
    with Image.open(folder / "b.png") as image:
        np.testing.assert_array_equal(domain.image(1), np.asarray(image))
    assert data.ImageDomain(f"folder:{folder}").fingerprint == domain.fingerprint
    Image.fromarray(colour()).save(folder / "b.png")
    assert data.ImageDomain(str(folder)).fingerprint != domain.fingerprint


def test_sub_folders_of_the_four_parts_are_splits(folder):
    (folder / "trainA").mkdir()
    (folder / "testB").mkdir()
    shutil.copy(folder / "a.png", folder / "trainA/1.png")
    shutil.copy(folder / "b.png", folder / "testB/2.png")
    assert data.ImageDomain(str(folder)).example_name(0) == f"{folder}/trainA/1.png"
    assert data.ImageDomain(str(folder), "testB").example_name(0) == f"{folder}/testB/2.png"
    with pytest.raises(ValueError, match="split='trainB' is not known.*Accepted: trainA, testB"):
        len(data.ImageDomain(str(folder), "trainB"))


def test_any_depth_and_number_of_channels(tmp_path):
    bands = RNG.integers(0, 65536, (9, 8, 5), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", bands.transpose(2, 0, 1), photometric="minisblack")
    np.save(tmp_path / "b.npy", RNG.random((7, 6, 5)))
    domain = data.ImageDomain(str(tmp_path))
    assert (domain.image_shape, domain.dtype) == ((None, None, 5), "float32")
    np.testing.assert_array_equal(domain.sizes, [(9, 8), (7, 6)])
    np.testing.assert_array_equal(domain.image(0), bands)
    assert domain.image(1).dtype == np.float32
    (tmp_path / "b.npy").unlink()
    assert data.ImageDomain(str(tmp_path)).dtype == "uint16"


def test_grey_among_colour_is_named_and_converted_on_demand(folder):
    grey = RNG.integers(0, 256, (20, 30), dtype=np.uint8)
    Image.fromarray(grey).save(folder / "b.png")
    with pytest.raises(ValueError, match="image '.*b.png' has 1 channel.s., but '.*a.png' has 3. Give channels=3"):
        len(data.ImageDomain(str(folder)))
    repeated = data.ImageDomain(str(folder), channels=3)
    assert repeated.image_shape == (20, 30, 3)
    np.testing.assert_array_equal(repeated.image(1), np.repeat(grey[..., None], 3, -1))
    all_grey = data.ImageDomain(str(folder), channels=1)
    assert all_grey.image_shape == (20, 30, 1)
    np.testing.assert_array_equal(all_grey.image(1)[..., 0], grey)
    np.testing.assert_array_equal(all_grey.image(0), pixels.to_channels(repeated.image(0), 1))


def test_other_channels_are_not_converted(folder):
    np.save(folder / "d.npy", np.zeros((20, 30, 4), np.uint8))
    with pytest.raises(ValueError, match="channels=1 is not accepted.*d.npy' has 4 channels"):
        len(data.ImageDomain(str(folder), channels=1))


def test_a_truncated_file_is_named_or_left_out(folder):
    whole = (folder / "b.png").read_bytes()
    (folder / "b.png").write_bytes(whole[: len(whole) // 2])
    domain = data.ImageDomain(str(folder))
    assert len(domain) == 3
    with pytest.raises(data.CorruptImageError, match="b.png' cannot be used: .*truncated"):
        domain.image(1)
    (folder / "b.png").write_bytes(b"")
    with pytest.raises(data.CorruptImageError, match="b.png' cannot be used: the file is empty"):
        len(data.ImageDomain(str(folder)))
    kept = data.ImageDomain(str(folder), skip_corrupt=True)
    with pytest.warns(UserWarning, match="1 of 3 images are left out.*b.png: the file is empty"):
        assert len(kept) == 2
    assert [each.name for each in kept.skipped] == [str(folder / "b.png")]
    assert kept.example_name(1).endswith("c.BMP")
    (folder / "b.png").unlink()
    (folder / "b.png").mkdir()
    with pytest.raises(data.CorruptImageError, match="b.png' cannot be used: Is a directory"):
        len(data.ImageDomain(str(folder)))


def test_empty_and_missing_folders_are_errors(tmp_path):
    with pytest.raises(ValueError, match="nowhere' is not accepted: there is no such folder"):
        len(data.ImageDomain(f"{tmp_path}/nowhere"))
    with pytest.raises(ValueError, match=r"the folder '.*' has no image \(.jpg, .*.npy\).$"):
        len(data.ImageDomain(str(tmp_path)))
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match=r"has no image .* Its sub-folders \(cats, dogs\) are not searched"):
        len(data.ImageDomain(str(tmp_path)))
    (tmp_path / "trainA").mkdir()
    with pytest.raises(ValueError, match="the folder '.*trainA' has no image"):
        len(data.ImageDomain(str(tmp_path)))
    (tmp_path / "trainA/a.png").write_bytes(b"")
    with pytest.raises(ValueError, match="has no usable image. .*a.png: the file is empty"):
        len(data.ImageDomain(str(tmp_path), skip_corrupt=True))


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("repvis_map",), "dataset='repvis_map' is not known. Did you mean 'repvis_maps'"),
        (("repvis_maps/64", "trainC"), "split='trainC' is not known. Did you mean 'trainB'"),
        (("cycle_gan",), "'cycle_gan' is not accepted: name one of its pairs, as in 'cycle_gan/maps'"),
        (("repvis_placed_digits", "train"), "several labels"),
        (("repvis_maps/64", "trainA", None, 2), "channels=2"),
        (("repvis_maps/64", "trainA", None, None, "yes"), "skip_corrupt='yes'"),
    ],
)
def test_bad_arguments_are_named_before_anything_is_read(arguments, message):
    with pytest.raises(ValueError, match=message):
        data.ImageDomain(*arguments)


def test_a_configuration_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="configuration='32' is not known.*Accepted: 64, 128"):
        len(data.ImageDomain("repvis_maps/32"))
    with pytest.raises(ValueError, match="configuration='horses2zebra' is not known. Did you mean 'horse2zebra'"):
        len(data.ImageDomain("cycle_gan/horses2zebra"))


def test_16_bits_of_colour_keep_their_depth(tmp_path):
    deep = RNG.integers(0, 65536, (9, 8, 3), dtype=np.uint16)
    (tmp_path / "a.png").write_bytes(tf.io.encode_png(deep).numpy())
    domain = data.ImageDomain(str(tmp_path))
    assert domain.dtype == "uint16"
    np.testing.assert_array_equal(domain.image(0), deep)
