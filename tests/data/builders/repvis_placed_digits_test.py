import numpy as np
import tensorflow_datasets as tfds

from keras_repvis.data import placed_digits
from keras_repvis.data import preparation


def test_examples_come_back_as_generated():
    builder = preparation.prepared_builder("repvis_placed_digits")
    assert {split: builder.info.splits[split].num_examples for split in placed_digits.SIZES} == placed_digits.SIZES
    features = builder.info.features
    assert features["image"].shape == (64, 64, 3) and features["mask"].shape == (64, 64, 1)
    assert features["labels"].shape == (10,) and features["objects"]["label"].names == [str(i) for i in range(10)]
    examples = list(tfds.as_numpy(builder.as_dataset(split="validation[:100]")))
    for example, placed in zip(examples, placed_digits.generate("validation", 100), strict=True):
        np.testing.assert_array_equal(example["image"], placed.image)
        np.testing.assert_array_equal(example["mask"][..., 0], placed.mask)
        np.testing.assert_array_equal(np.flatnonzero(example["labels"]), np.sort(placed.labels))
        np.testing.assert_array_equal(example["objects"]["label"], placed.labels)
        np.testing.assert_array_equal(example["objects"]["index"], placed.indices)
        np.testing.assert_array_equal(64 * example["objects"]["bbox"], placed.boxes)


def test_a_classifier_reads_images_with_the_classes_present():
    preparation.prepared_builder("repvis_placed_digits")
    images, labels = next(iter(tfds.load("repvis_placed_digits", split="test", as_supervised=True).batch(8)))
    assert images.shape == (8, 64, 64, 3) and labels.shape == (8, 10)
    assert set(labels.numpy().sum(1)) <= {2, 3}
