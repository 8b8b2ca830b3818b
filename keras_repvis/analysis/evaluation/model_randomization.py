"""Model randomisation: whether the maps of a method notice that the model has forgotten what it learned.

Layer by layer, from the output down, weights are drawn anew by the layer's own initialiser, and the maps of the same
classes are compared with those of the trained model. "cascading" keeps the layers above random as it goes down, so that
in the end nothing learned is left; "independent" makes one layer random at a time. A method whose maps stay alike
explains the image, or the architecture, not the model: it draws edges.

All of it happens on a copy (`model_copy`). A stage is a layer with a kernel together with the layers without one that
follow it (normalisation, biases); or what patterns choose.

What is alike is measured by `map_similarity`. A last row has the similarity of the trained model's maps with a random
map.

Differs from the paper: batch normalisation is drawn anew too, which means that it is made neutral: its mean is 0 and
its variance 1. The classes to explain are those of the trained model throughout.

Reference:
    Adebayo, Gilmer, Muelly, Goodfellow, Hardt and Kim, "Sanity Checks for Saliency Maps", 2018, section 4.
"""

import dataclasses
import fnmatch

import numpy as np

from keras_repvis import checks
from keras_repvis.analysis.evaluation import null_maps, table
from keras_repvis.analysis.evaluation.map_similarity import METRICS, compare_maps
from keras_repvis.analysis.evaluation.mean_interval import MeanInterval
from keras_repvis.analysis.evaluation.model_copy import ModelCopy

MODES = ("cascading", "independent")


@dataclasses.dataclass(frozen=True)
class ModelRandomization(table.Rows):
    """What `measure_model_randomization` found.

    Args:
        mode: "cascading" or "independent".
        stages: Tuple of tuples of paths, the layers made random at each stage, from the output down; for "cascading"
            besides those before.
        similarities: Dict of the name of a similarity to float64 array (stages, images).
        chance: Dict of the name of a similarity to float64 array (images,), with a random map.

    Example:
        >>> import numpy as np
        >>> found = {"spearman": np.array([[0.5, 0.3]])}
        >>> result = ModelRandomization("cascading", (("logits",),), found, {"spearman": np.zeros(2)})
        >>> [row["random from here up"] for row in result.rows()], result.rows()[0]["spearman"].mean
        (['logits', 'random map'], 0.4)
    """

    mode: str
    stages: tuple
    similarities: dict
    chance: dict

    def rows(self):
        """Return a row a stage: the similarities with the trained model's maps, with intervals over the images."""
        key = "random from here up" if self.mode == "cascading" else "random"
        rows = []
        for place, stage in enumerate(self.stages):
            name = stage[0] if len(stage) == 1 else f"{stage[0]} .. {stage[-1]}"
            found = {metric: MeanInterval.of(values[place]) for metric, values in self.similarities.items()}
            rows.append({key: name, **found})
        chance = {metric: MeanInterval.of(values) for metric, values in self.chance.items()}
        return [*rows, {key: null_maps.RANDOM, **chance}]


def measure_model_randomization(
    make_method, model, images, targets=None, mode="cascading", layers=None, stages=None, seed=0, progress=None
):
    """Compare the maps of a method before and after layers of the model are made random.

    Args:
        make_method: Function of a model that returns a method, `attribution.Gradient` for instance, or a `lambda` with
            its arguments. A method is called as `method(images, targets)` and returns an `Attribution`.
        model: Built `keras.Model` that can be made again from its configuration; it is not changed.
        images: float32 array (batch, height, width, channels) in [0, 1], or the structure of arrays that the model
            takes.
        targets: None (default) for the class with the largest score of the trained model, or as for
            `attribution.Method`.
        mode: "cascading" (default) or "independent".
        layers: None (default) for all layers, each a stage of its own; or a sequence of patterns of paths as in a
            shell, "block_1_*", each a stage, from the output down.
        stages: Integer >= 1, number of stages into which neighbouring layers are put together; None (default) for as
            many as there are.
        seed: Integer >= 0, of the random weights.
        progress: None, or a function that is called with the share done, in [0, 1].

    Returns:
        `ModelRandomization`.

    Raises:
        UnsupportedModelError: If the model cannot be copied, or the method does not fit it.
        ValueError: If an argument is not accepted, or a pattern matches no layer with weights.

    Example:
        >>> import numpy as np
        >>> from keras_repvis.analysis import attribution, evaluation
        >>> model = keras_repvis.models.MobileNetV1(input_shape=(32, 32, 1), classes=10, width_multiplier=0.1)
        >>> images = np.random.default_rng(0).uniform(size=(2, 32, 32, 1)).astype("float32")
        >>> found = evaluation.measure_model_randomization(attribution.Gradient, model, images, stages=2)
        >>> len(found.stages), found.similarities["spearman"].shape
        (2, (2, 2))

    Reference:
        Adebayo et al., "Sanity Checks for Saliency Maps", 2018.
    """
    checks.one_of("mode", mode, MODES)
    checks.number("seed", seed, low=0, integer=True)
    examples = _first(images)
    copied = ModelCopy(model, examples, seed)
    groups = _grouped(_stages(copied, layers), stages)
    method = make_method(copied.model)
    before = method(images, targets)
    # The model's own answer is explained, also when it would answer otherwise.
    targets = before.diagnostics.get("target", targets) if targets is None else targets
    size = _size(images)
    explain = _explainer(make_method, method, copied, groups, images, targets)
    found = []
    for place in range(len(groups)):
        chosen = groups[: place + 1] if mode == "cascading" else groups[place : place + 1]
        copied.randomize([path for group in chosen for path in group])
        found.append(compare_maps(before.maps, explain().maps, size))
        if progress is not None:
            progress((place + 1) / len(groups))
    chance = compare_maps(before.maps, null_maps.random_maps(*before.maps.shape, seed), size)
    similarities = {metric: np.stack([one[metric] for one in found]) for metric in METRICS}
    return ModelRandomization(mode, tuple(groups), similarities, chance)


def _explainer(make_method, method, copied, groups, images, targets):
    """Return a function that explains the copy as it is now.

    A method may hold numbers that it worked out of the weights when it was made or first called. So with all layers
    random one that was made before is compared with a new one; only if they agree it serves for all stages, which is
    faster.
    """
    copied.randomize([path for group in groups for path in group])
    old, new = (one(images, targets).maps for one in (method, make_method(copied.model)))
    if np.allclose(old, new, rtol=1e-3, atol=1e-3 * np.abs(new).max()):
        return lambda: method(images, targets)
    return lambda: make_method(copied.model)(images, targets)


def _stages(copied, layers):
    """Return the list of tuples of paths, from the output down."""
    paths = list(copied.layers)
    if layers is not None:
        layers = [layers] if isinstance(layers, str) else list(layers)
        found = [tuple(path for path in reversed(paths) if fnmatch.fnmatchcase(path, str(one))) for one in layers]
        for pattern, some in zip(layers, found):
            if not some:
                checks.one_of("layers", pattern, paths)
        return found
    groups = []
    for path in paths:
        shapes = [copied.model.weights[place].shape for place in copied.layers[path]]
        if groups and all(len(shape) < 2 for shape in shapes):
            groups[-1].append(path)
        else:
            groups.append([path])
    return [tuple(reversed(group)) for group in reversed(groups)]


def _grouped(groups, stages):
    if stages is None:
        return groups
    checks.number("stages", stages, low=1, integer=True)
    parts = np.array_split(np.arange(len(groups)), min(stages, len(groups)))
    return [tuple(path for place in part for path in groups[place]) for part in parts]


def _first(images):
    import tensorflow as tf

    return tf.nest.map_structure(lambda array: np.asarray(array)[:2], images)


def _size(images):
    """Return the (height, width) of the one image among the inputs, or None."""
    import tensorflow as tf

    shapes = [np.shape(array) for array in tf.nest.flatten(images)]
    spatial = [shape[1:3] for shape in shapes if len(shape) == 4]
    return spatial[0] if len(spatial) == 1 else None
