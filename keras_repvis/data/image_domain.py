"""One domain of images, without labels: a folder of files, or a part of a data set."""

import functools
import hashlib
import io
import os

import numpy as np

from keras_repvis import checks
from keras_repvis.data import catalog
from keras_repvis.data import decode
from keras_repvis.data import folder_examples
from keras_repvis.data import parallel
from keras_repvis.data import pixels
from keras_repvis.data import skipping
from keras_repvis.data import source

PARTS = ("trainA", "trainB", "testA", "testB")


class ImageDomain:
    """Images by number, one side of a translation between two domains.

    Nothing is read before it is needed; then the headers of all images are, so that an image that does not belong is
    named before a run begins. Pixels keep the depth they have on disk.

    Args:
        name: "repvis_maps/64" or "repvis_maps/128", "cycle_gan/maps" or another of its configurations, any other name
            of `data.names()` whose images have one label; or "folder:PATH", or the path of a folder of image files
            (JPEG, PNG, BMP, GIF, TIFF, .npy) in alphabetical order. Sub-folders and hidden files are left out.
        split: "trainA" (default), "trainB", "testA" or "testB"; of the named sets also a part such as "trainA[:10%]".
            Of a folder that has sub-folders of these names, one of them; a folder without is the domain itself.
        data_dir: Where TensorFlow Datasets keeps its data sets. Default: its own default.
        channels: 1 or 3 to convert grey and colour; None (default) to keep what all images have.
        skip_corrupt: Whether to leave out images that cannot be decoded. They are then looked for once, by decoding
            every image on first use, counted in a warning and listed in `skipped`. By default the first such image met
            is an error that names it.

    Raises:
        ValueError: If the name or split is unknown, the folder is missing or empty, or the images have different
            numbers of channels.
        CorruptImageError: If a file is not an image (a `ValueError`).

    Example:
        >>> domain = keras_repvis.data.ImageDomain("repvis_maps/64", "testB")
        >>> domain.num_examples, domain.image_shape, domain.image(0).dtype
        (200, (64, 64, 3), dtype('uint8'))
    """

    def __init__(self, name, split="trainA", data_dir=None, channels=None, skip_corrupt=False):
        self._folder = source.folder(str(name))
        self.name = str(name) if self._folder is None else f"{catalog.FOLDER_PREFIX}{self._folder}"
        self.split = split
        self.data_dir = data_dir
        self.channels = checks.one_of("channels", channels, (None, 1, 3))
        self.skip_corrupt = checks.one_of("skip_corrupt", skip_corrupt, (True, False))
        if self._folder is None:
            known = catalog.one_label_entry(self.name)
            catalog.check_split(known, split)
            if self.name == "cycle_gan":
                raise ValueError("dataset='cycle_gan' is not accepted: name one of its pairs, as in 'cycle_gan/maps'.")

    @property
    def _described(self):
        return f"dataset={self.name!r}, split={self.split!r}"

    @functools.cached_property
    def _images(self):
        if self._folder is not None:
            return _Files(self._folder, self.split)
        return _Prepared(self.name, self.split, self.data_dir)

    @functools.cached_property
    def _kept(self):
        """Which examples are used, what is left out, and the headers of the former."""
        indices = np.arange(len(self._images))
        indices, skipped = skipping.usable(self._described, indices, self._read if self.skip_corrupt else None)
        headers = parallel.in_parallel(self._header, indices)
        if self.channels is None:
            self._check_equal_channels(indices, headers)
        else:
            self._check_convertible(indices, headers)
        return indices, skipped, headers

    def _check_equal_channels(self, indices, headers):
        for index, header in zip(indices, headers):
            if header.channels != headers[0].channels:
                names = [self._images.name(each) for each in (index, indices[0])]
                raise ValueError(
                    f"channels=None is not accepted for {self._described}: image {names[0]!r} has {header.channels} "
                    f"channel(s), but {names[1]!r} has {headers[0].channels}. Give channels=3 to repeat the grey ones, "
                    "or channels=1 to make all grey."
                )

    def _check_convertible(self, indices, headers):
        for index, header in zip(indices, headers):
            if header.channels not in (1, 3):
                raise ValueError(
                    f"channels={self.channels!r} is not accepted for {self._described}: image "
                    f"{self._images.name(index)!r} has {header.channels} channels, which are neither grey nor colour."
                )

    def _header(self, index):
        with self._images.open(index) as file:
            return pixels.header(file, self._images.name(index))

    def _read(self, index):
        with self._images.open(index) as file:
            return pixels.read(file, self._images.name(index))

    def __len__(self):
        return self.num_examples

    @property
    def num_examples(self):
        """Number of images, without those left out."""
        return len(self._kept[0])

    @functools.cached_property
    def sizes(self):
        """Heights and widths of all images, int64 `(num_examples, 2)`."""
        return np.array([(header.height, header.width) for header in self._kept[2]], np.int64)

    @property
    def num_channels(self):
        """Number of channels of all images."""
        return self.channels or self._kept[2][0].channels

    @property
    def image_shape(self):
        """(height, width, channels); height and width are None where sizes vary."""
        size = tuple(int(side) for side in self.sizes[0])
        return (*size, self.num_channels) if (self.sizes == size).all() else (None, None, self.num_channels)

    @property
    def dtype(self):
        """The deepest type of pixels among the images: "uint8", "uint16" or "float32"."""
        found = {header.dtype for header in self._kept[2]}
        return next(dtype for dtype in ("float32", "uint16", "uint8") if dtype in found)

    @property
    def skipped(self):
        """The images left out, as a list of `Skipped` (name, reason)."""
        return list(self._kept[1])

    def example_name(self, index):
        """Return the path of an image's file, or its id in its data set."""
        return self._images.name(self._kept[0][index])

    def image(self, index):
        """Return one image, decoded.

        Args:
            index: Number of the image, 0 <= index < `num_examples`.

        Returns:
            Array `(height, width, channels)`: uint8, uint16, or float32 in [0, 1]; see `pixels.to_float`.

        Raises:
            CorruptImageError: If it cannot be read or decoded (a `ValueError`); the message names it and says why.
        """
        image = self._read(self._kept[0][index])
        return image if self.channels is None else pixels.to_channels(image, self.channels)

    @functools.cached_property
    def fingerprint(self):
        """SHA-256, in hex, of the content of the files, in order."""
        digest = hashlib.sha256()
        for index in self._kept[0]:
            with self._images.open(index) as file:
                digest.update(hashlib.sha256(file.read()).digest())
        return digest.hexdigest()


class _Files:
    """The image files of a folder."""

    def __init__(self, path, split):
        if not os.path.isdir(path):
            raise ValueError(f"dataset='folder:{path}' is not accepted: there is no such folder.")
        parts = [part for part in PARTS if os.path.isdir(os.path.join(path, part))]
        if parts:
            path = os.path.join(path, checks.one_of("split", split, parts))
        self._paths = folder_examples.image_files(path, pixels.SUFFIXES)
        if not self._paths:
            inside = sorted(entry.name for entry in os.scandir(path) if entry.is_dir())
            hint = f" Its sub-folders ({', '.join(inside[:3])}) are not searched." if inside else ""
            raise ValueError(f"the folder {path!r} has no image ({', '.join(pixels.SUFFIXES)}).{hint}")

    def __len__(self):
        return len(self._paths)

    def name(self, index):
        return self._paths[index]

    def open(self, index):
        try:
            return open(self._paths[index], "rb")
        except OSError as error:
            raise decode.CorruptImageError(self._paths[index], error.strerror or str(error)) from error


class _Prepared:
    """The images of a split of a data set of TensorFlow Datasets."""

    def __init__(self, name, split, data_dir):
        from keras_repvis.data import prepared_examples

        self._examples = prepared_examples.PreparedExamples(name, split, data_dir)
        self.name = self._examples.name

    def __len__(self):
        return len(self._examples)

    def open(self, index):
        return io.BytesIO(self._examples.encoded(index))
