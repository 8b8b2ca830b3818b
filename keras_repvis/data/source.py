"""One split of a data set as a sequence of images with labels, whatever it is stored in."""

import functools
import hashlib
import os

import numpy as np

from keras_repvis.data import catalog
from keras_repvis.data import checksum
from keras_repvis.data import decode
from keras_repvis.data import label_subset
from keras_repvis.data import parallel
from keras_repvis.data import resize
from keras_repvis.data import skipping


class Source:
    """A split of a data set: images by number, with labels.

    Nothing is read before it is needed. Bundled data sets are then made on this machine (seconds), original ones
    downloaded by TensorFlow Datasets unless they are on disk already.

    Args:
        name: A name of `data.names()`, "folder:PATH", or the path of a folder with one sub-folder a class.
        split: "train", "test" or another split of this data set; of the named ones also a part such as "train[:10%]".
        data_dir: Where TensorFlow Datasets keeps its data sets. Default: its own default.
        labels: Only these examples: a `LabelSubset`, or the path of one written with `LabelSubset.write`. Default: all.
        skip_corrupt: Whether to leave out images that cannot be decoded. They are then looked for once, by decoding
            every image on first use (for files on disk about 3 ms a photograph and core), counted in a warning and
            listed in `skipped`. By default the first such image met is an error that names it.

    Raises:
        ValueError: If the name is unknown, or images have several labels each.

    Example:
        >>> source = keras_repvis.data.Source("repvis_digits", "test")
        >>> source.num_examples, source.num_classes, source.image_shape
        (500, 10, (8, 8, 1))
    """

    def __init__(self, name, split="train", data_dir=None, labels=None, skip_corrupt=False):
        self._folder = folder(str(name))
        self.name = str(name) if self._folder is None else f"{catalog.FOLDER_PREFIX}{self._folder}"
        self.split = split
        self.data_dir = data_dir
        self.skip_corrupt = skip_corrupt
        self._subset = label_subset.LabelSubset.read(labels) if isinstance(labels, (str, os.PathLike)) else labels
        if self._folder is None:
            catalog.check_split(catalog.one_label_entry(self.name), split)

    @functools.cached_property
    def _examples(self):
        if self._folder is not None:
            from keras_repvis.data import folder_examples

            return folder_examples.FolderExamples(self._folder, self.split)
        from keras_repvis.data import prepared_examples

        return prepared_examples.PreparedExamples(self.name, self.split, self.data_dir)

    @functools.cached_property
    def _kept_and_skipped(self):
        kept = np.arange(len(self._examples))
        if self._subset is not None:
            kept = self._subset.check(self._portable_name, self.split, self._examples.labels)
        described = f"dataset={self.name!r}, split={self.split!r}"
        return skipping.usable(described, kept, self._decode if self.skip_corrupt else None)

    def _decode(self, index):
        examples = self._examples
        image = decode.decode(
            examples.encoded(index), examples.name(index), examples.image_shape[-1], upright=self._folder is not None
        )
        if any(wanted not in (None, found) for wanted, found in zip(examples.image_shape, image.shape)):
            reason = f"it has the shape {image.shape}, but {examples.image_shape} was expected"
            raise decode.CorruptImageError(examples.name(index), reason)
        return image

    def __len__(self):
        return self.num_examples

    @property
    def num_examples(self):
        """Number of examples, without those left out."""
        return len(self._kept_and_skipped[0])

    @property
    def num_classes(self):
        """Number of classes."""
        return len(self.class_names)

    @property
    def class_names(self):
        """Names of the classes in the order of their labels."""
        return self._examples.class_names

    @property
    def image_shape(self):
        """(height, width, channels); height and width are None where sizes vary."""
        return self._examples.image_shape

    @property
    def labels(self):
        """Labels of all examples, int32 `(num_examples,)`; -1 where there is none."""
        return self._examples.labels[self._kept_and_skipped[0]]

    @property
    def _portable_name(self):
        """The name without the place of a folder, which differs from machine to machine."""
        if self._folder is None:
            return self.name
        return catalog.FOLDER_PREFIX + os.path.basename(os.path.abspath(self._folder))

    def overlaps(self, other):
        """Return whether an example of this source is one of another `Source` too, by place in the data set.

        Equal images at different places do not count: some data sets hold such.
        """
        if self._portable_name != other._portable_name:
            return False
        if self._folder is not None:
            return os.path.samefile(self._folder, other._folder) and self.split == other.split
        from keras_repvis.data import prepared_examples

        return prepared_examples.overlap(self.name, self.split, other.split, self.data_dir)

    def label_subset(self, num_labels, fold=0):
        """Draw which examples of the whole split count as labelled; see `LabelSubset`.

        Args:
            num_labels: How many, a multiple of the number of classes.
            fold: Number of the fold, an integer >= 0. Default 0.

        Returns:
            `LabelSubset`, to write to a file or to give to a `Source` as `labels`.

        Raises:
            ValueError: If the split has too few examples of a class.
        """
        return label_subset.LabelSubset.draw(self._portable_name, self.split, self._examples.labels, num_labels, fold)

    @property
    def skipped(self):
        """The examples left out, as a list of `Skipped` (name, reason)."""
        return list(self._kept_and_skipped[1])

    def example_name(self, index):
        """Return the path of an example's file, or its id in its data set."""
        return self._examples.name(self._kept_and_skipped[0][index])

    def image(self, index):
        """Return the image of one example, decoded.

        Args:
            index: Number of the example, 0 <= index < `num_examples`.

        Returns:
            uint8 array `(height, width, channels)`.

        Raises:
            CorruptImageError: If it cannot be read or decoded (a `ValueError`); the message names it and says why.
        """
        return self._decode(self._kept_and_skipped[0][index])

    def load(self, indices, size=None, policy="squash", channels=None):
        """Return several images in one array, decoded by several threads and brought to one size.

        Args:
            indices: Numbers of the examples.
            size: Pair (height, width); None where all images have one size.
            policy: How to bring them to it: "squash", "crop" or "pad".
            channels: 1 or 3 to convert; None to keep what the data set has.

        Returns:
            uint8 array `(number, height, width, channels)`.

        Raises:
            CorruptImageError: If one cannot be read or decoded.
        """

        def load_one(index):
            image = self.image(index)
            if size is not None:
                image = resize.resize(image, size, policy)
            return image if channels is None else decode.to_channels(image, channels)

        return np.stack(parallel.in_parallel(load_one, indices))

    @functools.cached_property
    def fingerprint(self):
        """SHA-256, in hex, of the content.

        Where all images have one size it is taken over pixels and labels (`checksum`), and so does not depend on file
        formats; where sizes vary, which means large images, over the encoded files and the labels.
        """
        kept = self._kept_and_skipped[0]
        if None not in self.image_shape:
            return checksum.checksum((self.image(i) for i in range(len(kept))), self.labels)
        digest = hashlib.sha256()
        for index in kept:
            digest.update(hashlib.sha256(self._examples.encoded(index)).digest())
        digest.update(self.labels.astype("<i8").tobytes())
        return digest.hexdigest()


def folder(name):
    """Return the path if `name` means a folder, as "folder:PATH" or as a path; else None."""
    if name.startswith(catalog.FOLDER_PREFIX):
        return os.path.expanduser(name[len(catalog.FOLDER_PREFIX) :])
    known = name in catalog.names()
    path = os.path.expanduser(name)
    return path if not known and (os.path.isabs(path) or name.startswith(".") or os.path.isdir(path)) else None
