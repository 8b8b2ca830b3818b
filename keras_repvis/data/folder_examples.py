"""A folder of image files with one sub-folder a class."""

import os

import numpy as np

from keras_repvis import checks
from keras_repvis.data import decode

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif")
_SPLITS = ("train", "validation", "val", "test")


class FolderExamples:
    """Random access to the image files of a folder; they stay on disk.

    The classes are the sub-folders, in alphabetical order, and the images their JPEG, PNG, BMP and GIF files (first
    frame) by name, in alphabetical order. Hidden files and files of other suffixes are not images and are left out. If
    the folder holds sub-folders named train, validation, val or test that themselves hold sub-folders, these are its
    splits, and the classes are those of all splits together; if not, its only split is "train".

    Args:
        path: The folder.
        split: "train" or the name of another split that exists.

    Attributes:
        labels: int32 array, one an example.
        class_names: Tuple of strings.
        image_shape: (None, None, 3): every image is read as RGB, turned as its EXIF orientation says.

    Raises:
        ValueError: If the folder is missing, has no classes or a class without an image, or lacks the split.
    """

    image_shape = (None, None, 3)

    def __init__(self, path, split="train"):
        if not os.path.isdir(path):
            raise ValueError(f"dataset='folder:{path}' is not accepted: there is no such folder.")
        roots = {name: os.path.join(path, name) for name in _SPLITS if _subfolders(os.path.join(path, name))}
        roots = roots or {"train": path}
        root = roots[checks.one_of("split", split, roots)]
        self.class_names = tuple(sorted({name for each in roots.values() for name in _subfolders(each)}))
        if not self.class_names:
            raise ValueError(f"dataset='folder:{path}' has no sub-folders: expected one a class, with images in it.")
        self._paths, labels = [], []
        for label, name in enumerate(self.class_names):
            files = image_files(os.path.join(root, name))
            if not files and os.path.isdir(os.path.join(root, name)):
                folder = os.path.join(root, name)
                raise ValueError(f"the folder {folder!r} has no image ({', '.join(SUFFIXES)}): add some or remove it.")
            self._paths += files
            labels += [label] * len(files)
        self.labels = np.asarray(labels, np.int32)

    def __len__(self):
        return len(self._paths)

    def name(self, index):
        """Return the path of the file."""
        return self._paths[index]

    def encoded(self, index):
        """Return the content of the file.

        Raises:
            CorruptImageError: If it cannot be read.
        """
        try:
            with open(self._paths[index], "rb") as file:
                return file.read()
        except OSError as error:
            raise decode.CorruptImageError(self._paths[index], error.strerror or str(error)) from error


def _subfolders(path):
    if not os.path.isdir(path):
        return []
    return sorted(entry.name for entry in os.scandir(path) if entry.is_dir() and not entry.name.startswith("."))


def image_files(path, suffixes=SUFFIXES):
    """Return the paths of a folder's files that end on one of `suffixes`, by name; hidden ones are left out."""
    if not os.path.isdir(path):
        return []
    names = sorted(entry.name for entry in os.scandir(path) if not entry.name.startswith("."))
    return [os.path.join(path, name) for name in names if name.lower().endswith(suffixes)]
