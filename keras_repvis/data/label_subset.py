"""Which few examples have labels: fixed, written down, and checked when read back."""

import dataclasses
import hashlib
import json
import os

import numpy as np

from keras_repvis import checks

_SEED = 99


@dataclasses.dataclass(frozen=True)
class LabelSubset:
    """The indices of the examples of a split that count as labelled.

    For each class c of C, fold k keeps the first N / C of
    `numpy.random.default_rng([99, k]).permutation(indices of c)`: every class has as many, and a smaller subset is part
    of a larger one of the same fold.

    Args:
        dataset: Name of the data set.
        split: Name of its split.
        fold: Number k of the fold.
        indices: The kept indices in the order in which the split is stored, ascending.
        labels_sha256: SHA-256 of all labels of the split (little-endian int64), which ties the indices to the data.

    Example:
        >>> import numpy as np
        >>> subset = keras_repvis.data.LabelSubset.draw("toy", "train", np.arange(50) % 5, 10)
        >>> len(subset.indices)
        10
    """

    dataset: str
    split: str
    fold: int
    indices: tuple
    labels_sha256: str

    @classmethod
    def draw(cls, dataset, split, labels, num_labels, fold=0):
        """Draw the subset of fold `fold`.

        Args:
            dataset: Name of the data set.
            split: Name of its split.
            labels: Labels of the whole split, integers from 0; examples with a label below 0 are never drawn.
            num_labels: Number N of labelled examples, a multiple of the number of classes.
            fold: Number k of the fold, an integer >= 0. Default 0.

        Returns:
            `LabelSubset`.

        Raises:
            ValueError: If N is no multiple of the number of classes or a class has too few examples.
        """
        labels = np.asarray(labels)
        classes = np.unique(labels[labels >= 0])
        checks.number("num_labels", num_labels, low=1, integer=True)
        checks.number("fold", fold, low=0, integer=True)
        if num_labels % len(classes):
            raise ValueError(
                f"num_labels={num_labels!r} is not accepted: expected a multiple of the {len(classes)} classes."
            )
        each = num_labels // len(classes)
        drawn = []
        for label in classes:
            of_class = np.flatnonzero(labels == label)
            if len(of_class) < each:
                raise ValueError(
                    f"num_labels={num_labels!r} is not accepted: class {label} has only {len(of_class)} examples."
                )
            drawn.append(np.random.default_rng([_SEED, fold]).permutation(of_class)[:each])
        indices = tuple(int(index) for index in np.sort(np.concatenate(drawn)))
        return cls(dataset, split, int(fold), indices, _labels_sha256(labels))

    @property
    def sha256(self):
        """SHA-256, in hex, of everything above: the name of this subset."""
        return hashlib.sha256(json.dumps(dataclasses.asdict(self), sort_keys=True).encode()).hexdigest()

    def write(self, path):
        """Write the subset as JSON with its SHA-256; the file appears whole or not at all.

        Args:
            path: Path of the file.

        Returns:
            The SHA-256 in hex.
        """
        temporary = f"{os.fspath(path)}.{os.getpid()}.tmp"
        try:
            with open(temporary, "w", encoding="utf-8") as file:
                json.dump({"sha256": self.sha256, **dataclasses.asdict(self)}, file)
                file.write("\n")
            os.replace(temporary, path)
        finally:
            if os.path.exists(temporary):
                os.remove(temporary)
        return self.sha256

    @classmethod
    def read(cls, path):
        """Read a subset that `write` wrote, and check its SHA-256.

        Raises:
            ValueError: If the file is not such a subset or was changed.
            OSError: If it cannot be read.
        """
        with open(path, encoding="utf-8") as file:
            text = file.read()
        try:
            content = json.loads(text)
            sha256 = content.pop("sha256")
            subset = cls(**{**content, "indices": tuple(content["indices"])})
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{os.fspath(path)!r} is not a label subset: {error!r}") from error
        if subset.sha256 != sha256:
            raise ValueError(
                f"{os.fspath(path)!r} was changed after it was written: its SHA-256 is {subset.sha256}, not {sha256}."
            )
        return subset

    def check(self, dataset, split, labels):
        """Return the indices as an array if they belong to this split of this data set.

        Args:
            dataset: Name of the data set they are to be used with.
            split: Name of its split.
            labels: All its labels.

        Raises:
            ValueError: If the subset was drawn from something else.
        """
        if (self.dataset, self.split) != (dataset, split):
            raise ValueError(
                f"labels: the subset belongs to {self.dataset!r}, split {self.split!r}, not to {dataset!r}, {split!r}."
            )
        if self.labels_sha256 != _labels_sha256(labels):
            raise ValueError(f"labels: the subset was drawn from another version of {dataset!r}: its labels differ.")
        return np.asarray(self.indices, np.int64)


def _labels_sha256(labels):
    return hashlib.sha256(np.asarray(labels).astype("<i8").tobytes()).hexdigest()
