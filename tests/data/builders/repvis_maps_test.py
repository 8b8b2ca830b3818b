import numpy as np
import pytest
import tensorflow_datasets as tfds

import keras_repvis
from keras_repvis.data import preparation
from keras_repvis.data import two_domain_maps


@pytest.mark.parametrize("size", [64, 128])
def test_examples_come_back_as_generated(size):
    builder = preparation.prepared_builder(f"repvis_maps/{size}")
    numbers = {split: builder.info.splits[split].num_examples for split in builder.info.splits}
    assert numbers == {split: two_domain_maps.SIZES[size][split[:-1]] for split in two_domain_maps.SPLITS}
    assert builder.info.features["image"].shape == (size, size, 3)
    assert builder.info.features["label"].names == ["A", "B"]
    for split in numbers:
        examples = tfds.as_numpy(builder.as_dataset(split=f"{split}[:30]"))
        for example, image in zip(examples, two_domain_maps.images(split, 30, size), strict=True):
            np.testing.assert_array_equal(example["image"], image)
            assert example["label"] == "AB".index(split[-1])


def test_test_images_are_true_pairs_by_their_number():
    preparation.prepared_builder("repvis_maps/64")
    sides = [tfds.as_numpy(tfds.load("repvis_maps/64", split=split)) for split in ("testA", "testB")]
    for a, b, town in zip(*sides, two_domain_maps.generate("testA")):
        np.testing.assert_array_equal(a["image"], town.aerial)
        np.testing.assert_array_equal(b["image"], town.map)


def test_the_first_configuration_is_the_small_one():
    assert tfds.builder("repvis_maps").builder_config.name == "64" and "repvis_maps" in keras_repvis.data.names()
