"""Label randomisation: whether maps tell a model that has learned something from one that has learned by heart.

Two models are trained alike, one with the true labels, the other with labels permuted among the images: it can only
know them by heart. A method that shows what the model has learned shows different things for the two. As in
`map_similarity`, maps are compared for the same images and the same classes. The accuracies on the labels that each
model was trained on stand
beside: before the second has learned its labels the comparison says nothing.

Reference:
    Adebayo, Gilmer, Muelly, Goodfellow, Hardt and Kim, "Sanity Checks for Saliency Maps", 2018, section 5.
"""

import dataclasses

import numpy as np

from keras_repvis import checks
from keras_repvis.analysis.evaluation import null_maps, table
from keras_repvis.analysis.evaluation.map_similarity import compare_maps
from keras_repvis.analysis.evaluation.mean_interval import MeanInterval


class PermutedLabels:
    """A `data.Source` whose labels are permuted among the images, once and for all.

    Args:
        source: `data.Source`.
        seed: Integer >= 0, of the permutation.

    Attributes:
        labels: int64 array (num_examples,).

    Example:
        >>> source = keras_repvis.data.Source("repvis_digits", "train[:100]")
        >>> permuted = PermutedLabels(source, seed=1)
        >>> permuted.num_examples, sorted(permuted.labels) == sorted(source.labels)
        (100, True)
        >>> stream = keras_repvis.data.Stream(permuted, batch_size=10)
    """

    def __init__(self, source, seed=0):
        checks.number("seed", seed, low=0, integer=True)
        self._source = source
        self.labels = np.random.default_rng([37, seed]).permutation(np.asarray(source.labels))

    def __getattr__(self, name):
        # All but the labels is the source's.
        if name.startswith("__") or "_source" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self._source, name)


@dataclasses.dataclass(frozen=True)
class LabelRandomization(table.Rows):
    """What `measure_label_randomization` found.

    Args:
        similarities: Dict of the name of a similarity to float64 array (images,).
        chance: The same, of the first model's maps with a random map.
        accuracies: Pair of floats, of each model on the labels that it was trained on.

    Example:
        >>> import numpy as np
        >>> found = LabelRandomization({"spearman": np.array([0.2, 0.4])}, {"spearman": np.zeros(2)}, (1.0, 0.9))
        >>> [row["spearman"].mean.__round__(2) for row in found.rows()]
        [0.3, 0.0]
    """

    similarities: dict
    chance: dict
    accuracies: tuple

    def rows(self):
        """Return a row for the permuted labels and one for a random map, with intervals over the images."""
        rows = []
        for name, found in (("permuted labels", self.similarities), (null_maps.RANDOM, self.chance)):
            intervals = {metric: MeanInterval.of(values) for metric, values in found.items()}
            rows.append({"maps of true labels and": name, **intervals})
        return rows

    def __str__(self):
        return f"{super().__str__()}\naccuracy on the labels trained on: true {self.accuracies[0]:.3f}, permuted " + (
            f"{self.accuracies[1]:.3f}"
        )


def measure_label_randomization(make_method, train, source, images, targets=None, seed=0):
    """Train two models, with true and with permuted labels, and compare the maps of a method.

    Args:
        make_method: Function of a model that returns a method, `attribution.Gradient` for instance.
        train: Function of a source that returns a trained classifier: a new one each time, from the same first weights,
            long enough to know permuted labels by heart. It may put the source into a `data.Stream` and call
            `training.fit`.
        source: `data.Source` to train on.
        images: float32 array (batch, height, width, channels) in [0, 1] to explain, in the size that the models take.
        targets: None (default) for the class with the largest score of the model of true labels, or as for
            `attribution.Method`.
        seed: Integer >= 0, of the permutation.

    Returns:
        `LabelRandomization`.

    Raises:
        ValueError: If both calls of `train` return one model.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from keras_repvis import data, training
        >>> from keras_repvis.analysis import attribution, evaluation
        >>> def train(source):
        ...     keras.utils.set_random_seed(0)
        ...     layers = [keras.layers.Flatten(), keras.layers.Dense(16, "relu"), keras.layers.Dense(10)]
        ...     model = keras.Sequential([keras.Input((8, 8, 1)), *layers])
        ...     model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        ...     training.fit(model, data.Stream(source, batch_size=20), epochs=2, progress=False)
        ...     return model
        >>> source = data.Source("repvis_digits", "train[:100]")
        >>> images = source.load(np.arange(5)) / np.float32(255)
        >>> found = evaluation.measure_label_randomization(attribution.Gradient, train, source, images)
        >>> found.similarities["spearman"].shape
        (5,)

    Reference:
        Adebayo et al., "Sanity Checks for Saliency Maps", 2018.
    """
    permuted = PermutedLabels(source, seed)
    models = [train(one) for one in (source, permuted)]
    if models[0] is models[1]:
        raise ValueError("train returns the same model twice: expected a new one at each call.")
    before = make_method(models[0])(images, targets)
    targets = before.diagnostics.get("target", targets) if targets is None else targets
    after = make_method(models[1])(images, targets)
    size = np.shape(images)[1:]
    return LabelRandomization(
        compare_maps(before.maps, after.maps, size[:2]),
        compare_maps(before.maps, null_maps.random_maps(*before.maps.shape, seed), size[:2]),
        tuple(_accuracy(model, one, size) for model, one in zip(models, (source, permuted))),
    )


def _accuracy(model, source, size):
    from keras_repvis.data.stream import Stream

    options = {"channels": size[2] if size[2] in (1, 3) else None, "shuffle": False, "drop_remainder": False}
    stream = Stream(source, batch_size=64, image_size=tuple(size[:2]), **options)
    batches = stream.dataset().as_numpy_iterator()
    right = [model.predict_on_batch(images).argmax(-1) == labels for images, labels in batches]
    return float(np.concatenate(right).mean())
