"""The examples of one split of a TensorFlow Datasets data set, kept in memory as they are encoded on disk."""

import os

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_repvis.data import catalog
from keras_repvis.data import preparation

_READ_BATCH = 512


class PreparedExamples:
    """Random access to the encoded images and labels of one split, in the order in which they are stored.

    Images stay encoded (PNG or JPEG), so memory holds about what the disk holds; a split that would take more than half
    of this machine's memory is refused.

    Args:
        name: Name of the data set, as in `preparation.prepared_builder`.
        split: Name of the split, a slice or a sum as in "train[:10%]".
        data_dir: Where data sets lie, or None.

    Attributes:
        labels: int32 array, one an example.
        class_names: Tuple of strings.
        image_shape: (height, width, channels); height and width are None where sizes vary.
    """

    def __init__(self, name, split, data_dir=None):
        catalog.check_split(catalog.entry(name), split)
        builder = preparation.prepared_builder(name, data_dir)
        if split in builder.info.splits:
            _check_memory(name, builder.info.splits[split].num_bytes)
        features = builder.info.features
        self.image_shape = tuple(features["image"].shape)
        self.class_names = tuple(features["label"].names)
        self._encoded, labels = _read(builder, split)
        self._described = f"{builder.info.full_name} split {split}"
        self.labels = np.asarray(labels, np.int32)

    def __len__(self):
        return len(self._encoded)

    def name(self, index):
        """Return what to call the example in a message: its data set, split and place in it, counted from 0."""
        return f"{self._described}, example {index}"

    def encoded(self, index):
        """Return the encoded image as bytes."""
        return self._encoded[index]


def overlap(name, one, two, data_dir=None):
    """Return whether two splits of a data set, "train[:80%]" and "train[70%:]" for instance, share an example."""
    splits = preparation.prepared_builder(name, data_dir).info.splits

    def ranges(split):
        parts = tfds.core.ReadInstruction.from_spec(split).to_absolute(splits)
        last = {part: splits[part].num_examples for part in splits}
        return [(p.splitname, p.from_ or 0, last[p.splitname] if p.to is None else p.to) for p in parts]

    return any(
        first[0] == second[0] and max(first[1], second[1]) < min(first[2], second[2])
        for first in ranges(one)
        for second in ranges(two)
    )


def _read(builder, split):
    config = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)
    dataset = builder.as_dataset(
        split=split, decoders={"image": tfds.decode.SkipDecoding()}, read_config=config, shuffle_files=False
    )
    dataset = dataset.map(lambda example: (example["image"], example["label"])).batch(_READ_BATCH)
    try:
        batches = list(dataset.as_numpy_iterator())
    except tf.errors.OpError as error:
        raise OSError(
            f"the files of {builder.info.full_name!r} in {builder.data_dir!r} are damaged ({error.message}). Remove "
            "that folder; the data set is then made or downloaded again."
        ) from error
    if not batches:
        raise ValueError(f"split={split!r} of {builder.name!r} has no examples.")
    images, labels = (np.concatenate(column) for column in zip(*batches))
    return images, labels


def _check_memory(name, size):
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return
    if size > memory // 2:
        raise ValueError(
            f"dataset={name!r} takes {size / 2**30:.1f} GiB, more than half of this machine's {memory / 2**30:.1f} GiB "
            "of memory. Use a part of the split, such as split='train[:10%]', or a folder of image files, which stay "
            "on disk: dataset='folder:PATH'."
        )
