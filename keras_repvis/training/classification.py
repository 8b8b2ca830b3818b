"""Supervised classification: the plain Keras `fit` that a user would write, as one function of one record."""

import dataclasses

import keras

from keras_repvis import checks
from keras_repvis.data.augment import Augment
from keras_repvis.data.source import Source
from keras_repvis.data.stream import Stream
from keras_repvis.models import catalog
from keras_repvis.training import replicas
from keras_repvis.training.optimizers import OPTIMIZERS, SCHEDULES, make_optimizer
from keras_repvis.training.progress import Progress
from keras_repvis.training.run_directory import Checkpointing, RunDirectory


@dataclasses.dataclass(frozen=True)
class Classification:
    """Everything that determines a training run.

    Args:
        model: Name in `models.names()`.
        dataset: Name in `data.names()`, or the path of a folder of images.
        train_split: Split to train on, in the words of TensorFlow Datasets ("train", "train[:80%]").
        validation_split: Split to evaluate after every epoch, or "" for none.
        image_size: Integer >= 8, pixels; images are brought to image_size x image_size.
        resize: "squash", "crop" or "pad", see `data.Stream`.
        width_multiplier: Number > 0, multiplies every channel count.
        stem_strides: 1 or 2, stride of the first convolution; 1 suits images below about 64 px.
        dropout: Number in [0, 1), before the classifier; None keeps the model's own.
        batch_norm_momentum: Number in (0, 1); None keeps the model's own. Short runs need about 0.9.
        epochs: Integer >= 1.
        batch_size: Integer >= 1, images a step over all replicas.
        optimizer: One of "adam", "adamw", "rmsprop", "sgd" (Nesterov momentum 0.9).
        learning_rate: Number > 0, the peak rate.
        schedule: "constant" or "cosine" (to zero at the last step).
        warmup_epochs: Number >= 0, linear warm-up from zero.
        weight_decay: Number >= 0, decoupled.
        flip: Whether to mirror images at random.
        shift: Integer >= 0, largest random shift in pixels.
        seed: Integer >= 0: weights, order of the data, augmentation.
        strategy: "one_device" or "mirrored".
        devices: Integer >= 1, replicas under "mirrored".
        skip_corrupt: Whether to count and skip unreadable images instead of stopping.
        data_dir: Where TensorFlow Datasets keeps its data; None is its default.

    Raises:
        ValueError: If a value is out of range, with the argument's name.

    Example:
        >>> keras_repvis.training.Classification(model="mobilenet_v2", epochs=3).dataset
        'repvis_digits'
    """

    model: str = "mobilenet_v2"
    dataset: str = "repvis_digits"
    train_split: str = "train"
    validation_split: str = ""
    image_size: int = 32
    resize: str = "squash"
    width_multiplier: float = 1.0
    stem_strides: int = 2
    dropout: float | None = None
    batch_norm_momentum: float | None = None
    epochs: int = 10
    batch_size: int = 64
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    warmup_epochs: float = 0.0
    weight_decay: float = 0.0
    flip: bool = False
    shift: int = 0
    seed: int = 0
    strategy: str = "one_device"
    devices: int = 2
    skip_corrupt: bool = False
    data_dir: str | None = None

    def __post_init__(self):
        checks.one_of("model", self.model, catalog.names())
        checks.one_of("optimizer", self.optimizer, OPTIMIZERS)
        checks.one_of("schedule", self.schedule, SCHEDULES)
        checks.one_of("strategy", self.strategy, replicas.STRATEGIES)
        checks.one_of("resize", self.resize, ("squash", "crop", "pad"))
        checks.one_of("stem_strides", self.stem_strides, (1, 2))
        checks.number("image_size", self.image_size, low=8, integer=True)
        checks.number("width_multiplier", self.width_multiplier, above=0)
        checks.number("epochs", self.epochs, low=1, integer=True)
        checks.number("batch_size", self.batch_size, low=1, integer=True)
        checks.number("learning_rate", self.learning_rate, above=0)
        checks.number("warmup_epochs", self.warmup_epochs, low=0, high=self.epochs)
        checks.number("weight_decay", self.weight_decay, low=0)
        checks.number("shift", self.shift, low=0, high=self.image_size - 1, integer=True)
        checks.number("seed", self.seed, low=0, integer=True)
        checks.number("devices", self.devices, low=1, integer=True)
        if self.dropout is not None:
            checks.number("dropout", self.dropout, low=0, high=0.999)
        if self.batch_norm_momentum is not None:
            checks.number("batch_norm_momentum", self.batch_norm_momentum, above=0, high=0.9999)
        if self.strategy == "mirrored" and self.batch_size % self.devices:
            raise ValueError(
                f"batch_size={self.batch_size} is not accepted with devices={self.devices}: "
                "expected a multiple of the number of devices."
            )


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


def train(config, run_dir=None, run_files=None, progress=True):
    """Train a classifier with Keras `fit`.

    The minimised loss is the mean over the global batch of the cross-entropy -log softmax(f(x))_y of the logits f(x).

    Args:
        config: `Classification`.
        run_dir: Directory that keeps the log and a checkpoint after every epoch, or None. A run found there goes on
            after its last whole epoch.
        run_files: Dict of file name to text to put there before the first step, or None.
        progress: Whether to report progress on stderr.

    Returns:
        `TrainedClassifier`.

    Raises:
        ValueError: If the data cannot be read or the model cannot take them.

    Example:
        >>> config = keras_repvis.training.Classification(
        ...     model="mobilenet_v1", width_multiplier=0.1, image_size=8, train_split="train[:64]", epochs=1)
        >>> len(keras_repvis.training.train(config, progress=False).history)
        1
    """
    strategy = replicas.strategy(config.strategy, config.devices)
    source = open_source(config, config.train_split)
    stream = open_stream(config, source)
    validation = open_test_stream(config, config.validation_split) if config.validation_split else None
    # Not before the data are known to be there: bad input leaves nothing behind.
    directory = RunDirectory(run_dir) if run_dir else None
    if directory:
        for name, text in (run_files or {}).items():
            directory.write_text(name, text)
    checkpoint = directory.latest() if directory else None

    # Last before the weights are drawn: opening data may draw numbers too.
    keras.utils.set_random_seed(config.seed)
    with strategy.scope():
        if checkpoint:
            model = keras.saving.load_model(checkpoint[0])
            if config.strategy == "mirrored":  # The run may have begun on one device.
                replicas.synchronize_batch_norm(model)
        else:
            model = compile_classifier(build_classifier(config, source), config, stream.steps_per_epoch)
    epoch = checkpoint[1].epoch if checkpoint else 0

    callbacks = []
    if directory:
        directory.truncate_log(epoch)
        callbacks.append(Checkpointing(directory))
    history = fit(model, config, stream, validation, epoch, callbacks, progress)
    return TrainedClassifier(model, history=directory.read_log() if directory else history, train=stream)


def fit(model, config, stream, validation=None, epoch=0, callbacks=(), progress=True):
    """Run Keras `fit` on a stream and return the metrics of each epoch as a list of dicts.

    Args:
        model: Compiled Keras model.
        config: `Classification`.
        stream: `data.Stream` to train on.
        validation: `data.Stream` to evaluate after every epoch, or None.
        epoch: Integer, epochs already done.
        callbacks: Sequence of Keras callbacks.
        progress: Whether to report progress on stderr.

    Returns:
        List of dicts with "epoch" (from 1) and the metrics.

    Example:
        >>> import keras
        >>> config = keras_repvis.training.Classification(image_size=8, epochs=1, train_split="train[:64]")
        >>> stream = keras_repvis.training.open_stream(
        ...     config, keras_repvis.training.open_source(config, config.train_split))
        >>> model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
        >>> model = keras_repvis.training.compile_classifier(model, config, stream.steps_per_epoch)
        >>> sorted(keras_repvis.training.fit(model, config, stream, progress=False)[0])
        ['accuracy', 'epoch', 'loss']
    """
    bar = Progress(config.batch_size)
    try:
        history = model.fit(
            stream.dataset(epochs=max(config.epochs - epoch, 1), epoch=epoch),
            epochs=config.epochs,
            initial_epoch=epoch,
            steps_per_epoch=stream.steps_per_epoch,
            validation_data=validation.dataset() if validation else None,
            callbacks=[*([bar] if progress else []), *callbacks],
            shuffle=False,  # The stream has its own order.
            verbose=0,
        )
    finally:
        bar.close()
    return [
        {"epoch": done + 1, **{name: float(values[index]) for name, values in history.history.items()}}
        for index, done in enumerate(history.epoch)
    ]


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
    model = catalog.build(
        config.model,
        input_shape=(config.image_size, config.image_size, source.image_shape[-1]),
        classes=source.num_classes,
        width_multiplier=config.width_multiplier,
        stem_strides=config.stem_strides,
        **{name: value for name, value in optional.items() if value is not None},
    )
    return replicas.synchronize_batch_norm(model) if config.strategy == "mirrored" else model


def compile_classifier(model, config, steps_per_epoch):
    """Compile a model with the run's optimiser, cross-entropy on logits, and accuracy.

    Args:
        model: `keras.Model` from images to logits.
        config: `Classification`.
        steps_per_epoch: Integer >= 1; with the number of epochs it sets the length of the schedule.

    Returns:
        `model`.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
        >>> config = keras_repvis.training.Classification(optimizer="sgd", schedule="constant")
        >>> keras_repvis.training.compile_classifier(model, config, steps_per_epoch=20).optimizer.name
        'sgd'
    """
    model.compile(
        optimizer=make_optimizer(
            config.optimizer,
            learning_rate=config.learning_rate,
            schedule=config.schedule,
            steps=config.epochs * steps_per_epoch,
            warmup_steps=round(config.warmup_epochs * steps_per_epoch),
            weight_decay=config.weight_decay,
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    return model

