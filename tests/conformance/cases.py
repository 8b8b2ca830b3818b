"""The registry: how each public layer, model and loss is put through the suite.

A new public part needs one line here; `coverage_test.py` says which are missing. Together the cases of a part set every
argument of its constructor to something else than the default, or a forgotten line of `get_config` would go unseen.
"""

import dataclasses
import importlib

_NORM = {"momentum": 0.9, "epsilon": 1e-2, "kernel_initializer": "he_uniform"}


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """One way to make a part.

    Attributes:
        room: "layers", "models" or "losses".
        name: Public name of the part in its room.
        arguments: Keyword arguments of its constructor.
        shape: Input shape without the batch; for a loss the shape of the predictions.
        weights: Number of weight tensors; for a loss None.
        variant: Tells two cases of one part apart.
        targets: What a loss compares with: "values" in [0, 1], "one_hot" or "classes" (integers).
        multiple: What height and width of images are multiples of.
        exempt: {check: reason} of the checks that this part cannot pass. They run all the same, and must fail.
        part: The class or function itself, for a part of another library.
    """

    room: str
    name: str
    arguments: dict
    shape: tuple
    weights: int | None = None
    variant: str = ""
    targets: str = "values"
    multiple: int = 1
    exempt: dict = dataclasses.field(default_factory=dict)
    part: object = None

    def __str__(self):
        return f"{self.name}-{self.variant}" if self.variant else self.name

    def load(self):
        """Return the class or function."""
        return self.part or getattr(importlib.import_module(f"keras_repvis.{self.room}"), self.name)


def _layer(name, weights, shape=(9, 8, 4), variant="", exempt=(), **arguments):
    multiple = arguments.get("multiple", 1)
    return Case("layers", name, arguments, shape, weights, variant, multiple=multiple, exempt=dict(exempt))


LAYERS = (
    _layer("AdmissibleSize", 0, (8, 12, 4), multiple=4, minimum=8),
    _layer("AlignedConv2DTranspose", 1, filters=6, kernel_size=4, strides=3, use_bias=False,
           kernel_initializer="he_uniform"),
    _layer("AlignedConv2DTranspose", 2, variant="whole", filters=6, kernel_size=2),
    _layer("ConvBlock", 5, filters=6, kernel_size=5, strides=2, activation="relu", **_NORM),
    _layer("Cropping", 0, cropping=((1, 0), (2, 1))),
    _layer("DepthwiseSeparable", 10, filters=6, kernel_size=5, strides=2, activation="relu", **_NORM),
    _layer("FusedInvertedBottleneck", 10, filters=6, expansion=3, kernel_size=5, strides=2, activation="silu",
           divisor=4, **_NORM),
    _layer("FusedInvertedBottleneck", 10, variant="shortcut", filters=4),
    _layer("InstanceNormalization", 2, affine=True, epsilon=1e-2, gamma_initializer="random_uniform"),
    _layer("InstanceNormalization", 0, variant="plain"),
    _layer("InvertedResidual", 19, filters=6, expansion=3, kernel_size=5, strides=2, squeeze_excite=0.5,
           activation="hard_silu", linear_bottleneck=False, divisor=4, **_NORM),
    _layer("InvertedResidual", 15, variant="shortcut", filters=4),
    _layer("InvertedResidual", 10, variant="no_shortcut", filters=4, expansion=1, shortcut=False),
    _layer("LayerScale", 1, initial_value=0.5),
    _layer("ReflectionPadding", 0, padding=2),
    _layer("ResizeConvolution", 1, filters=6, kernel_size=5, factor=3, use_bias=False,
           kernel_initializer="he_uniform"),
    _layer("ResizeConvolution", 2, variant="pointwise", filters=6, kernel_size=1),
    _layer("SqueezeExcite", 4, ratio=0.5, activation="silu", gate="sigmoid", divisor=2,
           kernel_initializer="he_uniform"),
    _layer("UniversalInvertedBottleneck", 20, filters=6, expansion=3, start_kernel_size=3, middle_kernel_size=5,
           strides=2, activation="silu", divisor=4, **_NORM),
    _layer("UniversalInvertedBottleneck", 16, variant="shortcut", filters=4, start_kernel_size=3, middle_kernel_size=0,
           layer_scale=0.5),
    _layer("UniversalInvertedBottleneck", 15, variant="drop_path", filters=4, drop_path=0.5, seed=3,
           exempt={"two_replicas": "each replica drops examples of its own"}),
)



def _model(name, weights, width_multiplier=0.25, variant="", exempt=(), **arguments):
    # A stem of stride 1 leaves maps of 2 x 2 at the end: batch statistics of single pixels say nothing.
    shared = {"width_multiplier": width_multiplier, "classes": 3, "stem_strides": 1, "dropout": 0.0}
    return Case("models", name, shared | arguments, (32, 32, 3), weights, variant, exempt=dict(exempt))


def _cyclegan(name, weights, shape, multiple=1, variant="", exempt=(), **arguments):
    arguments = {"filters": 4} | arguments
    return Case("models", name, arguments, shape, weights, variant, multiple=multiple, exempt=dict(exempt))


MODELS = (
    _model("MobileNetV1", 137),
    _model("MobileNetV2", 262),
    _model("MobileNetV3Large", 234, minimalistic=True),
    _model("MobileNetV3Small", 210),
    _model("MobileNetV4ConvLarge", 512),
    _model("MobileNetV4ConvMedium", 387),
    _model("MobileNetV4ConvSmall", 232),
    _cyclegan("PatchDiscriminator", 8, (16, 20, 3), layers=2),
    _cyclegan("PatchDiscriminator", 14, (16, 20, 6), layers=2, variant="batch", norm="batch"),
    _cyclegan("PixelDiscriminator", 6, (8, 9, 3)),
    _cyclegan("ResNetGenerator", 20, (16, 20, 3), multiple=4, blocks=2),
    _cyclegan("ResNetGenerator", 23, (16, 20, 2), multiple=4, variant="resize", blocks=1, output_channels=3,
              norm="instance_affine", upsampling="resize"),
    _cyclegan("UNetGenerator", 12, (8, 16, 3), multiple=8, downsamplings=3),
    _cyclegan("UNetGenerator", 19, (8, 16, 2), multiple=8, variant="batch", downsamplings=3, output_channels=1,
              norm="batch"),
)



def _loss(name, shape=(6, 5, 4), variant="", targets="values", exempt=(), **arguments):
    return Case("losses", name, arguments, shape, variant=variant, targets=targets, exempt=dict(exempt))


LOSSES = (
    _loss("AdversarialLoss"),
    _loss("AdversarialLoss", variant="vanilla", objective="vanilla"),
    _loss("AdversarialLoss", variant="wasserstein", objective="wasserstein"),
    _loss("CycleConsistencyLoss", span=1.0),
    _loss("SmoothedCrossentropy", targets="classes", label_smoothing=0.2),
    _loss("SmoothedCrossentropy", (4,), variant="probabilities", targets="classes", from_logits=False),
)

CASES = {"layers": LAYERS, "models": MODELS, "losses": LOSSES}
