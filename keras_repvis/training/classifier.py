"""Supervised classification from one record: data, model, loss and optimiser, put into the training loop."""

import dataclasses

import keras

from keras_repvis import checks
from keras_repvis.data.augment import Augment
from keras_repvis.data.source import Source
from keras_repvis.data.stream import Stream
from keras_repvis.losses.smoothed_crossentropy import SmoothedCrossentropy
from keras_repvis.models import catalog
from keras_repvis.training import fitting, precision, replica_state, replicas
from keras_repvis.training.checkpoint import CheckpointError, read_checkpoint
from keras_repvis.training.freezing import freeze
from keras_repvis.training.global_gradient import GlobalGradientOptimizer
from keras_repvis.training.learner_state import LearnerState
from keras_repvis.training.optimizers import make_optimizer
from keras_repvis.training.run_directory import RunDirectory
from keras_repvis.training.weight_average import WeightAverage


@dataclasses.dataclass(frozen=True)
class TrainedClassifier:
    """What `train` returns.

    Args:
        model: Trained `keras.Model`, compiled.
        history: List of dicts, one an epoch: "epoch" (from 1), "loss", "accuracy".
        train: `data.Stream` it was trained on.

    Example:
        >>> keras_repvis.training.TrainedClassifier(model=None, history=[{"epoch": 1, "loss": 0.5}], train=None).history
        [{'epoch': 1, 'loss': 0.5}]
    """

    model: keras.Model
    history: list
    train: Stream


def train(
    config,
    run_dir=None,
    run_files=None,
    save_minutes=10,
    save_steps=0,
    accept_changes=False,
    callbacks=(),
    progress=True,
):
    """Train a classifier with `training.fit`.

    The minimised loss is the mean over the global batch of the cross-entropy -log softmax(f(x))_y of the logits f(x).

    Args:
        config: `Classification`.
        run_dir: Directory that keeps the log and the checkpoints, or None. A run found there goes on after its newest
            good checkpoint.
        run_files: Dict of file name to text to put there before the first step, or None.
        save_minutes: Number > 0, longest time between two checkpoints; one is saved after each epoch anyway.
        save_steps: Integer >= 0, steps between two checkpoints; 0 for none but those.
        accept_changes: Whether to go on with a run that began with another `config`.
        callbacks: Sequence of Keras callbacks.
        progress: Whether to report progress on stderr.

    Returns:
        `TrainedClassifier`.

    Raises:
        ValueError: If the data cannot be read, the model cannot take them, or `select="best"` has no `run_dir`.
        ChangedSettingsError, CheckpointError, NonFiniteError, Interrupted: See `fit`.

    Example:
        >>> config = keras_repvis.training.Classification(
        ...     model="mobilenet_v1", width_multiplier=0.1, image_size=8, train_split="train[:64]", epochs=1)
        >>> len(keras_repvis.training.train(config, progress=False).history)
        1
    """
    if config.select == "best" and run_dir is None:
        raise ValueError("select='best' needs a run_dir, which keeps the best checkpoint.")
    checks.number("save_minutes", save_minutes, above=0)
    checks.number("save_steps", save_steps, low=0, integer=True)
    strategy = replicas.strategy(config.strategy, config.devices)
    source = open_source(config, config.train_split)
    stream = open_stream(config, source)
    validation = open_test_stream(config, config.validation_split) if config.validation_split else None
    # Last before the weights are drawn: opening data may draw numbers too.
    keras.utils.set_random_seed(config.seed)
    with strategy.scope():
        model = compile_classifier(build_classifier(config, source), config, stream.steps_per_epoch)
    average = WeightAverage(config.ema_decay, batch_norm=config.ema_batch_norm) if config.ema_decay else None
    # Not before the data are known to be there: bad input leaves nothing behind.
    run = RunDirectory(run_dir, monitor="val_accuracy" if validation else "") if run_dir else None
    history = fitting.fit(
        model,
        stream,
        config.epochs,
        validation,
        run=run,
        save_minutes=save_minutes,
        save_steps=save_steps,
        settings=config.settings(),
        accept_changes=accept_changes,
        texts=run_files,
        on_non_finite=config.on_non_finite,
        average=average,
        callbacks=callbacks,
        progress=progress,
    )
    if config.select == "best":
        state = LearnerState(model, average.variables if average else ())
        best = run.checkpoints.best()
        if best is None:
            raise CheckpointError(f"select='best': no epoch was saved in {str(run.path)!r}; see the warnings.")
        state.assign(read_checkpoint(best, state.describe()).arrays)
    if average:
        average.copy_to_model()
    return TrainedClassifier(model, history=list(history), train=stream)


def open_source(config, split):
    """Return a split of the run's data set.

    Args:
        config: `Classification`.
        split: String in the words of TensorFlow Datasets, for instance "test".

    Returns:
        `data.Source`.

    Example:
        >>> config = keras_repvis.training.Classification()
        >>> keras_repvis.training.open_source(config, "test").num_examples
        500
    """
    return Source(config.dataset, split=split, data_dir=config.data_dir, skip_corrupt=config.skip_corrupt)


def open_stream(config, source):
    """Return the shuffled and augmented batches that the run trains on.

    Args:
        config: `Classification`.
        source: `data.Source`.

    Returns:
        `data.Stream`.

    Raises:
        ValueError: If the source has fewer examples than a batch.

    Example:
        >>> config = keras_repvis.training.Classification(batch_size=100)
        >>> source = keras_repvis.training.open_source(config, "train")
        >>> keras_repvis.training.open_stream(config, source).steps_per_epoch
        12
    """
    if source.num_examples < config.batch_size:
        raise ValueError(
            f"batch_size={config.batch_size} is larger than the {source.num_examples} examples of "
            f"{config.dataset}, split {config.train_split!r}."
        )
    augment = Augment(flip=config.flip, shift=config.shift) if config.flip or config.shift else None
    return Stream(
        source,
        batch_size=config.batch_size,
        image_size=(config.image_size, config.image_size),
        resize=config.resize,
        augment=augment,
        seed=config.seed,
    )


def open_test_stream(config, split):
    """Return every example of a split once, in order, not augmented.

    Args:
        config: `Classification`.
        split: String in the words of TensorFlow Datasets.

    Returns:
        `data.Stream`.

    Example:
        >>> config = keras_repvis.training.Classification(batch_size=100)
        >>> keras_repvis.training.open_test_stream(config, "test").steps_per_epoch
        5
    """
    return Stream(
        open_source(config, split),
        batch_size=config.batch_size,
        image_size=(config.image_size, config.image_size),
        resize=config.resize,
        shuffle=False,
        drop_remainder=False,
    )


def build_classifier(config, source):
    """Return the run's model, not compiled.

    Args:
        config: `Classification`.
        source: `data.Source` whose classes and channels the model is built for.

    Returns:
        `keras.Model` from images to logits.

    Example:
        >>> config = keras_repvis.training.Classification(width_multiplier=0.1)
        >>> source = keras_repvis.training.open_source(config, "test")
        >>> keras_repvis.training.build_classifier(config, source).output_shape
        (None, 10)
    """
    optional = {"dropout": config.dropout, "batch_norm_momentum": config.batch_norm_momentum}
    with precision.policy(config.precision):
        model = catalog.build(
            config.model,
            input_shape=(config.image_size, config.image_size, source.image_shape[-1]),
            classes=source.num_classes,
            width_multiplier=config.width_multiplier,
            stem_strides=config.stem_strides,
            **{name: value for name, value in optional.items() if value is not None},
        )
    freeze(model, config.freeze)
    return model if config.strategy == "one_device" else replica_state.set_batch_norm(model, config.batch_norm)


def compile_classifier(model, config, steps_per_epoch):
    """Compile a model with the run's optimiser, cross-entropy on logits, and accuracy.

    Args:
        model: `keras.Model` from images to logits.
        config: `Classification`.
        steps_per_epoch: Integer >= 1; with the number of epochs it sets the length of the schedule.

    Returns:
        `model`; its optimiser is a `GlobalGradientOptimizer`.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
        >>> config = keras_repvis.training.Classification(optimizer="sgd", schedule="constant")
        >>> model = keras_repvis.training.compile_classifier(model, config, steps_per_epoch=20)
        >>> type(model.optimizer.inner_optimizer).__name__
        'SGD'
    """
    # A step of the optimiser takes several batches when gradients are accumulated.
    batches = config.accumulation_steps
    options = {
        "step": {"milestones": config.milestones, "step_factor": config.step_factor},
        **dict.fromkeys(("stairs", "cyclegan"), {"epoch_steps": max(steps_per_epoch // batches, 1)}),
    }
    optimizer = make_optimizer(
        config.optimizer,
        learning_rate=config.learning_rate,
        schedule=config.schedule,
        steps=max(config.epochs * steps_per_epoch // batches, 1),
        warmup_steps=round(config.warmup_epochs * steps_per_epoch) // batches,
        weight_decay=config.weight_decay,
        **options.get(config.schedule, {}),
    )
    optimizer.global_clipnorm = config.clip_norm or None
    model.compile(
        optimizer=GlobalGradientOptimizer(
            optimizer,
            accumulation_steps=batches,
            loss_scale=precision.loss_scale(config.precision),
        ),
        loss=_crossentropy(config.label_smoothing),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    return model


def _crossentropy(label_smoothing):
    if not label_smoothing:  # Then the saved model needs nothing but Keras.
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return SmoothedCrossentropy(label_smoothing)
