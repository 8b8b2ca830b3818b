"""The same training run from several seeds, traced and compiled once."""

import dataclasses

import keras

from keras_repvis import checks
from keras_repvis.training import classification


def train_seeds(config, seeds, progress=True):
    """Train once a seed and yield each result.

    Tracing and optimising the training step of a deep network takes longer than hundreds of steps of a small one. Here
    it is done for the first seed; the following runs start from the weights and the optimiser of a freshly built model
    and end with the same weights as `train` gives for that seed alone.

    Args:
        config: `Classification`; its own seed is not used.
        seeds: Sequence of different integers >= 0.
        progress: Whether to report progress on stderr.

    Yields:
        (seed, `TrainedClassifier`). The model is one object that the next run starts over: use or save it before
        asking for the next.

    Raises:
        ValueError: If there are no seeds, or one is repeated or negative.

    Example:
        >>> config = keras_repvis.training.Classification(
        ...     model="mobilenet_v1", width_multiplier=0.1, image_size=8, train_split="train[:64]", epochs=1)
        >>> [seed for seed, _ in keras_repvis.training.train_seeds(config, [0, 1], progress=False)]
        [0, 1]
    """
    seeds = list(seeds)
    if not seeds or len(set(seeds)) != len(seeds):
        raise ValueError(f"seeds={seeds!r} is not accepted: expected at least one, each once.")
    for seed in seeds:
        checks.number("seeds", seed, low=0, integer=True)
    return _runs(config, seeds, progress)


def _runs(config, seeds, progress):
    strategy = classification.replicas.strategy(config.strategy, config.devices)
    source = classification.open_source(config, config.train_split)
    model = None
    for seed in seeds:
        seeded = dataclasses.replace(config, seed=seed)
        stream = classification.open_stream(seeded, source)
        keras.utils.set_random_seed(seed)
        with strategy.scope():
            fresh = classification.build_classifier(seeded, source)
            classification.compile_classifier(fresh, seeded, stream.steps_per_epoch)
            if model is None:
                model = fresh
            else:
                _start_over(model, fresh)
        history = classification.fit(model, seeded, stream, progress=progress)
        yield seed, classification.TrainedClassifier(model, history, stream)


def _start_over(model, fresh):
    """Give `model` and its optimiser the state of the freshly compiled `fresh`."""
    fresh.optimizer.build(fresh.trainable_variables)
    for mine, theirs in zip((model, model.optimizer), (fresh, fresh.optimizer)):
        for variable, initial in zip(mine.variables, theirs.variables, strict=True):
            variable.assign(initial)
