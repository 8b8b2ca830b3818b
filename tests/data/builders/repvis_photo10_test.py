import numpy as np
import tensorflow_datasets as tfds

from keras_repvis.data import photo10
from keras_repvis.data import preparation


def test_examples_come_back_as_generated():
    builder = preparation.prepared_builder("repvis_photo10")
    assert {split: builder.info.splits[split].num_examples for split in photo10.SIZES} == photo10.SIZES
    assert tuple(builder.info.features["label"].names) == photo10.PHOTOGRAPHS
    examples = list(tfds.as_numpy(builder.as_dataset(split="test[:300]")))
    for name, expected in zip(("image", "label"), photo10.generate("test", 300)):
        np.testing.assert_array_equal([example[name] for example in examples], expected)
