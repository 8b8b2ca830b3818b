"""The data sets known by name; read without importing TensorFlow."""

import dataclasses
import re

from keras_repvis import checks

FOLDER_PREFIX = "folder:"


@dataclasses.dataclass(frozen=True)
class Entry:
    """A data set with one image an example.

    Attributes:
        name: Its name here and in TensorFlow Datasets.
        splits: Names of its splits, the one for training first.
        bundled: Whether it is made on the spot from what is installed, without a download.
        about: What it is, in a few words.
        one_label: Whether an image has one label, which a `Source` needs.
        domains: Whether the splits are those of two domains, for an `ImageDomain`; the label is then the domain.
    """

    name: str
    splits: tuple
    bundled: bool
    about: str
    one_label: bool = True
    domains: bool = False


_TABLE = (
    Entry("caltech101", ("train", "test"), False, "102 classes of objects, sizes vary"),
    Entry("cifar10", ("train", "test"), False, "10 classes, 32x32 in colour"),
    Entry("cifar100", ("train", "test"), False, "100 classes, 32x32 in colour"),
    Entry("coco", ("train", "validation", "test", "test2015"), False,
          "80 classes with boxes, sizes vary", one_label=False),
    Entry("cycle_gan", ("trainA", "trainB", "testA", "testB"), False,
          "ten pairs of domains (maps, horse2zebra, ...), sizes vary", domains=True),
    Entry("dtd", ("train", "validation", "test"), False, "47 textures, sizes vary"),
    Entry("emnist", ("train", "test"), False, "62 letters and digits, 28x28 grey"),
    Entry("eurosat", ("train",), False, "10 land uses from a satellite, 64x64 in colour"),
    Entry("fashion_mnist", ("train", "test"), False, "10 garments, 28x28 grey"),
    Entry("imagenette", ("train", "validation"), False, "10 easy classes of ImageNet, sizes vary"),
    Entry("kmnist", ("train", "test"), False, "10 Kuzushiji characters, 28x28 grey"),
    Entry("mnist", ("train", "test"), False, "10 handwritten digits, 28x28 grey"),
    Entry("oxford_flowers102", ("train", "validation", "test"), False, "102 flowers, sizes vary"),
    Entry("repvis_digits", ("train", "test"), True, "scikit-learn's handwritten digits, 8x8 grey"),
    Entry("repvis_digits_m", ("train", "test"), True, "those digits blended into photographs, 32x32 in colour"),
    Entry("repvis_maps", ("trainA", "trainB", "testA", "testB"), True,
          "aerial photographs and maps of made-up towns, 64x64 or 128x128 in colour", domains=True),
    Entry("repvis_photo10", ("train", "test"), True, "crops of ten photographs, 32x32 in colour"),
    Entry("repvis_placed_digits", ("train", "validation", "test"), True,
          "two or three digits on a photograph with masks, 64x64 in colour", one_label=False),
    Entry("repvis_photos", ("train",), True, "19 photographs, one a class, sizes vary"),
    Entry("stl10", ("train", "test", "unlabelled"), False, "10 classes, 96x96 in colour"),
    Entry("svhn_cropped", ("train", "test", "extra"), False, "10 digits of house numbers, 32x32 in colour"),
    Entry("tf_flowers", ("train",), False, "5 flowers, sizes vary"),
    Entry("voc", ("train", "validation", "test"), False, "20 classes with boxes, sizes vary", one_label=False),
)
_BY_NAME = {entry.name: entry for entry in _TABLE}


def names():
    """Return the names of the known data sets, sorted.

    Returns:
        Tuple of strings.

    Example:
        >>> "repvis_digits" in keras_repvis.data.names()
        True
    """
    return tuple(sorted(_BY_NAME))


def entry(name):
    """Return the `Entry` of a data set; `name` may carry a configuration and a version as in "imagenette/160px-v2".

    Raises:
        ValueError: If the name is unknown; the message suggests the nearest.
    """
    base = re.split("[/:]", name, maxsplit=1)[0]
    checks.one_of("dataset", base, names() + (f"{FOLDER_PREFIX}PATH",))
    return _BY_NAME[base]


def one_label_entry(name):
    """Return the `Entry` of a data set whose images have one label each; see `entry`.

    Raises:
        ValueError: If the name is unknown or images have several labels.
    """
    known = entry(name)
    if not known.one_label:
        raise ValueError(
            f"dataset={name!r} is not accepted: its images have several labels each. Open it with tfds.load({name!r}) "
            "after importing keras_repvis."
        )
    return known


def check_split(known, split):
    """Return `split` if each of its "+"-joined parts, without a slice such as [:10%], is a split of `known`.

    Args:
        known: An `Entry`.
        split: Name of a split in the language of TensorFlow Datasets, for instance "train[:80%]" or "train+test".

    Raises:
        ValueError: If a part is not a split of this data set.
    """
    for part in str(split).split("+"):
        checks.one_of("split", re.sub(r"\[[^\]]*\]$", "", part.strip()), known.splits)
    return split
