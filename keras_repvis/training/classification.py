"""The record of everything that determines the training of a classifier."""

import dataclasses

from keras_repvis import checks
from keras_repvis.models import catalog
from keras_repvis.training import replica_state, replicas
from keras_repvis.training.non_finite import POLICIES
from keras_repvis.training.optimizers import OPTIMIZERS
from keras_repvis.training.precision import PRECISIONS
from keras_repvis.training.schedules import SCHEDULES
from keras_repvis.training.weight_average import BATCH_NORM_POLICIES


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
        schedule: "constant", "cosine", "cyclegan", "linear", "rampdown", "stairs" or "step", see `make_schedule`.
        warmup_epochs: Number >= 0, linear warm-up from zero.
        milestones: For "step": fractions of the run at which the rate falls.
        step_factor: For "step": number > 0 and <= 1, by which it falls.
        weight_decay: Number >= 0, decoupled.
        clip_norm: Number >= 0, largest norm of the global gradient; 0 for no clipping.
        accumulation_steps: Integer >= 1, batches whose gradients are averaged before the weights change.
        label_smoothing: Number in [0, 1), see `losses.SmoothedCrossentropy`.
        precision: "float32", "mixed_bfloat16" or "mixed_float16" (with a dynamic loss scale).
        freeze: Shell-style patterns of layers that do not learn, see `freeze`.
        ema_decay: Number in [0, 1), decay of the moving average of the weights; 0 for none. With it, validation and
            the trained model have the averaged weights.
        ema_batch_norm: "average" or "copy", what the moving average does with batch statistics; see `WeightAverage`.
        flip: Whether to mirror images at random.
        shift: Integer >= 0, largest random shift in pixels.
        seed: Integer >= 0: weights, order of the data, augmentation.
        strategy: "one_device", "mirrored", "multi_worker" or "tpu", see `strategy`.
        devices: Integer >= 1, replicas under "mirrored".
        batch_norm: "synchronized", "mean" or "per_replica", see `set_batch_norm`; one device needs none of it.
        on_non_finite: "stop" or "skip", what to do when the loss or a gradient is NaN or infinite.
        select: "last", or "best": the trained model is that of the epoch with the best validation accuracy.
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
    milestones: tuple = (0.5, 0.75)
    step_factor: float = 0.1
    weight_decay: float = 0.0
    clip_norm: float = 0.0
    accumulation_steps: int = 1
    label_smoothing: float = 0.0
    precision: str = "float32"
    freeze: tuple = ()
    ema_decay: float = 0.0
    ema_batch_norm: str = "average"
    flip: bool = False
    shift: int = 0
    seed: int = 0
    strategy: str = "one_device"
    devices: int = 2
    batch_norm: str = "synchronized"
    on_non_finite: str = "stop"
    select: str = "last"
    skip_corrupt: bool = False
    data_dir: str | None = None

    def __post_init__(self):
        checks.one_of("model", self.model, catalog.names())
        checks.one_of("optimizer", self.optimizer, OPTIMIZERS)
        checks.one_of("schedule", self.schedule, SCHEDULES)
        checks.one_of("strategy", self.strategy, replicas.STRATEGIES)
        checks.one_of("precision", self.precision, PRECISIONS)
        checks.one_of("batch_norm", self.batch_norm, replica_state.BATCH_NORMS)
        checks.one_of("ema_batch_norm", self.ema_batch_norm, BATCH_NORM_POLICIES)
        checks.one_of("on_non_finite", self.on_non_finite, POLICIES)
        checks.one_of("select", self.select, ("last", "best"))
        checks.one_of("resize", self.resize, ("squash", "crop", "pad"))
        checks.one_of("stem_strides", self.stem_strides, (1, 2))
        checks.number("image_size", self.image_size, low=8, integer=True)
        checks.number("width_multiplier", self.width_multiplier, above=0)
        checks.number("epochs", self.epochs, low=1, integer=True)
        checks.number("batch_size", self.batch_size, low=1, integer=True)
        checks.number("learning_rate", self.learning_rate, above=0)
        checks.number("warmup_epochs", self.warmup_epochs, low=0, high=self.epochs)
        checks.number("weight_decay", self.weight_decay, low=0)
        checks.number("step_factor", self.step_factor, above=0, high=1)
        checks.number("clip_norm", self.clip_norm, low=0)
        checks.number("accumulation_steps", self.accumulation_steps, low=1, integer=True)
        checks.number("label_smoothing", self.label_smoothing, low=0, high=0.999)
        checks.number("ema_decay", self.ema_decay, low=0, high=0.999999)
        checks.number("shift", self.shift, low=0, high=self.image_size - 1, integer=True)
        checks.number("seed", self.seed, low=0, integer=True)
        checks.number("devices", self.devices, low=1, integer=True)
        if self.dropout is not None:
            checks.number("dropout", self.dropout, low=0, high=0.999)
        if self.batch_norm_momentum is not None:
            checks.number("batch_norm_momentum", self.batch_norm_momentum, above=0, high=0.9999)
        if self.select == "best" and not self.validation_split:
            raise ValueError("select='best' needs a validation_split: training data cannot tell which epoch is best.")
        if self.strategy == "mirrored" and self.batch_size % self.devices:
            raise ValueError(
                f"batch_size={self.batch_size} is not accepted with devices={self.devices}: "
                "expected a multiple of the number of devices."
            )

    def settings(self):
        """Return the fields that determine the result as a dict that JSON can hold: all but `data_dir`."""
        fields = dataclasses.asdict(self)
        del fields["data_dir"]
        return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}
