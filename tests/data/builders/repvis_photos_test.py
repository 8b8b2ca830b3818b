import numpy as np
import tensorflow_datasets as tfds

from keras_repvis.data import photographs
from keras_repvis.data import preparation


def test_examples_are_the_photographs_with_licence_and_source():
    builder = preparation.prepared_builder("repvis_photos")
    examples = list(tfds.as_numpy(builder.as_dataset(split="train")))
    assert [example["name"].decode() for example in examples] == [photograph.name for photograph in photographs.TABLE]
    for label, (example, photograph) in enumerate(zip(examples, photographs.TABLE)):
        pixels = photographs.load(photograph.name)
        assert example["label"] == label and example["grey"] == (pixels.ndim == 2)
        assert example["licence"].decode() == photograph.licence and example["source"].decode() == photograph.source
        expected = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, -1)
        np.testing.assert_array_equal(example["image"], expected)
