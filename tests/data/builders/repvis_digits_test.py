import numpy as np
import tensorflow_datasets as tfds

from keras_repvis.data import digits
from keras_repvis.data import preparation


def test_examples_come_back_as_generated():
    preparation.prepared_builder("repvis_digits")
    for split in digits.SPLITS:
        examples = list(tfds.as_numpy(tfds.load("repvis_digits", split=split)))
        for name, expected in zip(("image", "label", "index"), digits.generate(split)):
            np.testing.assert_array_equal([example[name] for example in examples], expected)
