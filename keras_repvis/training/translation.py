"""The record of everything that determines the training of two translations between two domains of images."""

import dataclasses

from keras_repvis import checks
from keras_repvis.losses.adversarial import OBJECTIVES
from keras_repvis.training import replica_state, replicas
from keras_repvis.training.non_finite import POLICIES
from keras_repvis.training.precision import PRECISIONS

GENERATORS = ("resnet", "unet")
DISCRIMINATORS = ("patch", "pixel")
TRANSLATION_SCHEDULES = ("stairs", "cyclegan", "constant")


@dataclasses.dataclass(frozen=True)
class Translation:
    """Everything that determines the training of a `CycleGAN`.

    Args:
        domain_a: Name of the data set that A is a part of, or the path of a folder of images; see `data.ImageDomain`.
        domain_b: The same for B.
        split_a: Part of the data set, for instance "trainA" or "trainA[:10%]".
        split_b: The same for B.
        validation_split_a: Part to evaluate after every epoch, "testA" for instance, or "" for none.
        validation_split_b: The same for B; both or neither.
        channels: 1 or 3 to convert grey and colour; None keeps what the images have.
        image_size: Integer >= 8, pixels; squares of this size are cut out of the images.
        load_size: Integer >= `image_size`, side to which images are stretched first; 0 cuts them as they are. None is
            286/256 of `image_size`, as in the paper.
        flip: Whether to mirror images at random.
        generator: "resnet" or "unet", whose number of halvings is as large as `image_size` allows, up to 8.
        blocks: Integer >= 1, blocks of the residual generator; None is 6, and 9 from 256 pixels on.
        filters: Integer >= 1, width of the generators' first convolution.
        norm: "instance", "instance_affine", "batch" or "none".
        upsampling: "transposed" or "resize", of the residual generator.
        dropout: Number in [0, 1), in the generators.
        discriminator: "patch" or "pixel".
        discriminator_layers: Integer 1 to 6, layers of the patch discriminators (and of the guessers).
        discriminator_filters: Integer >= 1.
        objective: "least_squares", "vanilla" or "wasserstein", see `losses.AdversarialLoss`.
        cycle_weight_a: Number >= 0, of A -> B -> A.
        cycle_weight_b: Number >= 0, of B -> A -> B.
        identity_weight: Number >= 0, times the cycle weight.
        noise: Number >= 0, standard deviation of the noise in the cycle, for images in [-1, 1].
        guess_weight: Number >= 0, of the guess which image is a reconstruction.
        gradient_penalty_weight: Number >= 0, under "wasserstein".
        pool_size: Integer >= 0, images in each pool.
        epochs: Integer >= 1, epochs in all; one has as many images as the larger domain.
        decay_epochs: Integer >= 0 and <= `epochs`, the last ones, in which the rate falls; None is half of them.
        schedule: "stairs", "cyclegan" or "constant", see `make_schedule`.
        learning_rate: Number > 0.
        beta_1: Number in [0, 1), of both Adams.
        batch_size: Integer >= 1, images of each domain a step over all replicas.
        precision: "float32", "mixed_bfloat16" or "mixed_float16".
        seed: Integer >= 0: weights, order of the data, augmentation, pools, noise.
        strategy: "one_device", "mirrored", "multi_worker" or "tpu", see `strategy`.
        devices: Integer >= 1, replicas under "mirrored".
        batch_norm: "synchronized", "mean" or "per_replica", of `norm="batch"`, see `set_batch_norm`.
        on_non_finite: "stop" or "skip", what to do when the loss or a gradient is NaN or infinite.
        skip_corrupt: Whether to leave out unreadable images instead of stopping.
        data_dir: Where TensorFlow Datasets keeps its data; None is its default.

    Raises:
        ValueError: If a value is out of range, with the argument's name.

    Example:
        >>> keras_repvis.training.Translation(image_size=256).load_side, keras_repvis.training.Translation().split_b
        (286, 'trainB')
    """

    domain_a: str = "repvis_maps/64"
    domain_b: str = "repvis_maps/64"
    split_a: str = "trainA"
    split_b: str = "trainB"
    validation_split_a: str = ""
    validation_split_b: str = ""
    channels: int | None = None
    image_size: int = 64
    load_size: int | None = None
    flip: bool = True
    generator: str = "resnet"
    blocks: int | None = None
    filters: int = 64
    norm: str = "instance"
    upsampling: str = "transposed"
    dropout: float = 0.0
    discriminator: str = "patch"
    discriminator_layers: int = 3
    discriminator_filters: int = 64
    objective: str = "least_squares"
    cycle_weight_a: float = 10.0
    cycle_weight_b: float = 10.0
    identity_weight: float = 0.5
    noise: float = 0.0
    guess_weight: float = 0.0
    gradient_penalty_weight: float = 10.0
    pool_size: int = 50
    epochs: int = 200
    decay_epochs: int | None = None
    schedule: str = "stairs"
    learning_rate: float = 2e-4
    beta_1: float = 0.5
    batch_size: int = 1
    precision: str = "float32"
    seed: int = 0
    strategy: str = "one_device"
    devices: int = 2
    batch_norm: str = "synchronized"
    on_non_finite: str = "stop"
    skip_corrupt: bool = False
    data_dir: str | None = None

    def __post_init__(self):
        checks.one_of("generator", self.generator, GENERATORS)
        checks.one_of("discriminator", self.discriminator, DISCRIMINATORS)
        checks.one_of("objective", self.objective, OBJECTIVES)
        checks.one_of("schedule", self.schedule, TRANSLATION_SCHEDULES)
        checks.one_of("precision", self.precision, PRECISIONS)
        checks.one_of("strategy", self.strategy, replicas.STRATEGIES)
        checks.one_of("batch_norm", self.batch_norm, replica_state.BATCH_NORMS)
        checks.one_of("on_non_finite", self.on_non_finite, POLICIES)
        checks.one_of("channels", self.channels, (None, 1, 3))
        self._check_numbers()
        if bool(self.validation_split_a) != bool(self.validation_split_b):
            raise ValueError(
                f"validation_split_a={self.validation_split_a!r}, validation_split_b={self.validation_split_b!r} is "
                "not accepted: expected both or neither."
            )
        if self.strategy == "mirrored" and self.batch_size % self.devices:
            raise ValueError(
                f"batch_size={self.batch_size} is not accepted with devices={self.devices}: "
                "expected a multiple of the number of devices."
            )

    def _check_numbers(self):
        checks.number("image_size", self.image_size, low=8, integer=True)
        if self.load_size:
            checks.number("load_size", self.load_size, low=self.image_size, integer=True)
        checks.number("epochs", self.epochs, low=1, integer=True)
        if self.decay_epochs is not None:
            checks.number("decay_epochs", self.decay_epochs, low=0, high=self.epochs, integer=True)
        for name in ("filters", "discriminator_filters", "batch_size", "devices"):
            checks.number(name, getattr(self, name), low=1, integer=True)
        for name in ("cycle_weight_a", "cycle_weight_b", "identity_weight", "noise", "guess_weight", "dropout"):
            checks.number(name, getattr(self, name), low=0)
        checks.number("gradient_penalty_weight", self.gradient_penalty_weight, low=0)
        for name in ("pool_size", "seed"):
            checks.number(name, getattr(self, name), low=0, integer=True)
        checks.number("learning_rate", self.learning_rate, above=0)
        checks.number("beta_1", self.beta_1, low=0, high=0.9999)

    @property
    def load_side(self):
        """Side to which images are stretched before they are cut, or None."""
        return round(self.image_size * 286 / 256) if self.load_size is None else self.load_size or None

    @property
    def residual_blocks(self):
        """Number of blocks of the residual generator."""
        return self.blocks or (6 if self.image_size < 256 else 9)

    @property
    def halvings(self):
        """Number of halvings of the U-Net: the image size divides by 2 so often, at most 8 times."""
        return next((count for count in range(8, 1, -1) if self.image_size % 2**count == 0), 1)

    def settings(self):
        """Return the fields that determine the result as a dict that JSON can hold: all but `data_dir`."""
        fields = dataclasses.asdict(self)
        del fields["data_dir"]
        return {"model": "cyclegan", **fields}
