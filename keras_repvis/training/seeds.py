"""The same training run from several seeds, traced and compiled once."""

import dataclasses

import keras

from keras_repvis import checks
from keras_repvis.training import classifier, fitting, replicas


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
        ValueError: If there are no seeds, one is repeated or negative, or `config` averages weights or selects the
            best epoch.

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
    if config.ema_decay or config.select == "best":
        raise ValueError("ema_decay and select='best' are not accepted with several seeds: call `train` for each.")
    return _runs(config, seeds, progress)


def _runs(config, seeds, progress):
    strategy = replicas.strategy(config.strategy, config.devices)
    source = classifier.open_source(config, config.train_split)
    model = None
    for seed in seeds:
        seeded = dataclasses.replace(config, seed=seed)
        stream = classifier.open_stream(seeded, source)
        keras.utils.set_random_seed(seed)
        with strategy.scope():
            fresh = classifier.build_classifier(seeded, source)
            classifier.compile_classifier(fresh, seeded, stream.steps_per_epoch)
            if model is None:
                model = fresh
            else:
                _start_over(model, fresh)
        history = fitting.fit(model, stream, seeded.epochs, on_non_finite=seeded.on_non_finite, progress=progress)
        yield seed, classifier.TrainedClassifier(model, history, stream)


def _start_over(model, fresh):
    """Give `model` and its optimiser the state of the freshly compiled `fresh`."""
    fresh.optimizer.build(fresh.trainable_variables)
    model.seeds_are_spread = False
    for mine, theirs in zip((model, model.optimizer), (fresh, fresh.optimizer)):
        for variable, initial in zip(mine.variables, theirs.variables, strict=True):
            variable.assign(initial)
