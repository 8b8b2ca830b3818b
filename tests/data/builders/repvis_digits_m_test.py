import numpy as np
import tensorflow_datasets as tfds

from keras_repvis.data import digits_m
from keras_repvis.data import preparation


def test_examples_come_back_as_generated():
    builder = preparation.prepared_builder("repvis_digits_m")
    assert {split: builder.info.splits[split].num_examples for split in digits_m.SIZES} == digits_m.SIZES
    examples = list(tfds.as_numpy(builder.as_dataset(split="test[:300]")))
    for name, expected in zip(("image", "label", "index"), digits_m.generate("test", 300)):
        np.testing.assert_array_equal([example[name] for example in examples], expected)
