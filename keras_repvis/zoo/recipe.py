"""Recipes: how a model of the zoo is made, and whether making it again gives what was published."""

import dataclasses
import math

import numpy as np

from keras_repvis import training
from keras_repvis.zoo import equality
from keras_repvis.zoo.evidence import gather_evidence
from keras_repvis.zoo.layout import FOLDED
from keras_repvis.zoo.publishing import publish
from keras_repvis.zoo.resolving import resolve

_TEST_SPLIT = "test_split"
# Standard errors that the accuracies of two runs of one recipe may lie apart.
_ERRORS = 3.0


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a model of the zoo is made.

    Args:
        handle: Where it is published, "publisher/model".
        training: `training.Classification`: everything that determines a run but the seed.
        seeds: Tuple of seeds to train from; the model of the first one is published.
        reach: Number, the smallest accepted test accuracy, mean over the seeds.
        description: One sentence for people.
        intended_use: Text for the model card.
        limits: Text for the model card.
        test_split: Split of the data set that the accuracy is measured on. Default "test".
        licence: SPDX name of the weights' licence. Default "Apache-2.0".
        variants: Names of the variants to publish, see `publish`. Default ("folded",).

    Example:
        >>> from keras_repvis import training, zoo
        >>> config = training.Classification(epochs=3)
        >>> zoo.Recipe("me/digits", config, (0, 1), 0.9, "Digits.", "Teaching.", "Digits only.").training.epochs
        3
    """

    handle: str
    training: training.Classification
    seeds: tuple
    reach: float
    description: str
    intended_use: str
    limits: str
    test_split: str = "test"
    licence: str = "Apache-2.0"
    variants: tuple = (FOLDED,)


@dataclasses.dataclass(frozen=True)
class Reproduction:
    """What training a published model again gave.

    Args:
        handle: String, the published version.
        published: Its test accuracy.
        found: Test accuracy of the new run.
        examples: Number of test examples.
        allowed: Largest difference that chance explains: three standard errors of a difference of two accuracies.
        same_weights: Whether all weights have the same bytes.

    Attributes:
        agrees: Whether the weights are the same, or the accuracies lie within `allowed` of each other.

    Example:
        >>> from keras_repvis import zoo
        >>> zoo.Reproduction("me/digits/1", 0.98, 0.97, 500, 0.027, False).agrees
        True
    """

    handle: str
    published: float
    found: float
    examples: int
    allowed: float
    same_weights: bool

    @property
    def agrees(self):
        """Whether the result agrees with what was published."""
        return self.same_weights or abs(self.found - self.published) <= self.allowed


def make(recipe, root=None, progress=True):
    """Train a recipe's model from each of its seeds and publish that of the first one, with its evidence.

    Args:
        recipe: `Recipe`.
        root: Root of the zoo; see `find_root`.
        progress: Whether to report progress on stderr.

    Returns:
        The pair (`Version`, dict of seed -> test accuracy).

    Raises:
        ValueError: If the mean accuracy is below what the recipe is to reach; nothing is published then.

    Example:
        >>> import tempfile
        >>> from keras_repvis import training, zoo
        >>> config = training.Classification("mobilenet_v1", width_multiplier=0.1, image_size=8, epochs=1)
        >>> recipe = zoo.Recipe("me/digits", config, (0,), 1.0, "Digits.", "Teaching.", "Digits only.")
        >>> zoo.make(recipe, tempfile.mkdtemp(), progress=False)
        Traceback (most recent call last):
        ...
        ValueError: me/digits: the mean accuracy is 0..., below 1.0: {0: 0...}.
    """
    accuracies = {}
    test = training.open_test_stream(recipe.training, recipe.test_split)
    # The published one last: each run starts the one model over.
    for seed, trained in training.train_seeds(recipe.training, [*recipe.seeds[1:], recipe.seeds[0]], progress):
        accuracies[seed] = training.evaluate(trained.model, test).accuracy
    mean = float(np.mean(list(accuracies.values())))
    if mean < recipe.reach:
        raise ValueError(f"{recipe.handle}: the mean accuracy is {mean:.4f}, below {recipe.reach}: {accuracies}.")
    config = dataclasses.replace(recipe.training, seed=recipe.seeds[0])
    version = publish_classifier(
        trained.model,
        recipe.handle,
        config,
        recipe.test_split,
        root=root,
        licence=recipe.licence,
        description=recipe.description,
        intended_use=recipe.intended_use,
        limits=recipe.limits,
        variants=recipe.variants,
    )
    return version, dict(sorted(accuracies.items()))


def publish_classifier(model, handle, config, test_split, **facts):
    """Publish a classifier with its settings, its data and the evidence measured on a test split.

    Args:
        model: Trained `keras.Model` from images to logits.
        handle: "publisher/model".
        config: `training.Classification` that it was trained by.
        test_split: Split of the same data set that it was not trained on.
        **facts: Further arguments of `publish`.

    Returns:
        `Version`.

    Example:
        >>> import tempfile
        >>> from keras_repvis import training, zoo
        >>> config = training.Classification(
        ...     "mobilenet_v1", width_multiplier=0.1, image_size=8, train_split="train[:64]", epochs=1)
        >>> model = training.train(config, progress=False).model
        >>> with tempfile.TemporaryDirectory() as root:
        ...     version = zoo.publish_classifier(model, "me/digits", config, "test[:20]", root=root)
        ...     print(version.manifest["metrics"]["examples"], version.manifest["training"]["epochs"])
        20 1
    """
    test = training.open_test_stream(config, test_split)
    source = training.open_source(config, config.train_split)
    examples = None
    if "int8" in facts.get("variants", ()):
        stream = training.open_stream(dataclasses.replace(config, shift=0, flip=False), source)
        examples = np.concatenate([images.numpy() for images, _ in stream.dataset().take(-(-256 // config.batch_size))])
    inputs, _ = next(iter(test.dataset()))
    return publish(
        model,
        handle,
        training={**config.settings(), _TEST_SPLIT: test_split},
        data=source,
        evidence=gather_evidence(model, test),
        examples=examples,
        inputs=inputs.numpy()[:16],
        **facts,
    )


def reproduce(handle, root=None, data_dir=None, progress=True):
    """Train a published classifier again, from its manifest alone, and say whether the result agrees.

    Args:
        handle: As in `resolve`.
        root: Root of the zoo; see `find_root`.
        data_dir: Where TensorFlow Datasets keeps its data; None is its default.
        progress: Whether to report progress on stderr.

    Returns:
        `Reproduction`.

    Raises:
        ValueError: If the manifest does not say how the model was trained, or the data are not those it was trained on.

    Example:
        >>> import tempfile
        >>> import keras
        >>> from keras_repvis import zoo
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> with tempfile.TemporaryDirectory() as root:
        ...     _ = zoo.publish(model, "me/tiny", root)
        ...     zoo.reproduce("me/tiny", root)
        Traceback (most recent call last):
        ...
        ValueError: me/tiny/1 cannot be reproduced: ...
    """
    version = resolve(handle, root)
    record = version.manifest
    config = _configuration(version.handle, record["training"], data_dir)
    source = training.open_source(config, config.train_split)
    if source.fingerprint != record["data"].get("fingerprint"):
        raise ValueError(f"{version.handle} cannot be reproduced: {config.dataset} is not what it was trained on.")
    test = training.open_test_stream(config, record["training"][_TEST_SPLIT])
    trained = training.train(config, progress=progress)
    found = training.evaluate(trained.model, test)
    published = record["metrics"]["accuracy"]
    examples = len(found.labels)
    share = (published + found.accuracy) / 2
    allowed = _ERRORS * math.sqrt(max(2 * share * (1 - share) / examples, 0.0))
    # By content: the manifest lists weights by path, and some paths change when a model is read back.
    weights = sorted(entry["sha256"] for entry in record["weights"].values())
    mine = sorted(entry["sha256"] for entry in equality.digest_weights(trained.model).values())
    return Reproduction(version.handle, published, found.accuracy, examples, allowed, weights == mine)


def _configuration(handle, settings, data_dir):
    names = {field.name for field in dataclasses.fields(training.Classification)} - {"data_dir"}
    if not names <= settings.keys() or _TEST_SPLIT not in settings:
        missing = sorted((names | {_TEST_SPLIT}) - settings.keys())
        raise ValueError(
            f"{handle} cannot be reproduced: its manifest does not hold the settings of a classifier, "
            f"{', '.join(missing[:5])}{' and others' if len(missing) > 5 else ''} are missing."
        )
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    return training.Classification(**{name: values[name] for name in names}, data_dir=data_dir)
