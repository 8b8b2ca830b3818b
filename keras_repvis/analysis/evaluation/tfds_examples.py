"""The examples of a split of TensorFlow Datasets as NumPy arrays, in the order in which they are stored."""

import tensorflow_datasets as tfds

from keras_repvis.data import catalog
from keras_repvis.data import preparation


class TFDSExamples:
    """A split of a data set, made or downloaded when it is first read.

    Args:
        name: Name of a data set in `data.names()`, with its configuration, as "voc/2007".
        split: Name of a split or a part of one, as "test[:100]".
        data_dir: Where TensorFlow Datasets keeps its data sets, or None.
    """

    def __init__(self, name, split, data_dir=None):
        self.name = name
        self.split = catalog.check_split(catalog.entry(name), split)
        self._data_dir = data_dir

    def builder(self):
        """Return the builder, ready to read."""
        return preparation.prepared_builder(self.name, self._data_dir)

    def __iter__(self):
        config = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)
        return iter(tfds.as_numpy(self.builder().as_dataset(split=self.split, read_config=config, shuffle_files=False)))
