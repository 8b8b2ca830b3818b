"""The one builder of all MobileNets: stem, rows of blocks, head; as a functional model of plain Keras layers."""

import dataclasses
import inspect
import numbers
import textwrap
from collections.abc import Callable

import keras

from keras_repvis import checks
from keras_repvis.layers.block import activation_layer, fresh_initializer
from keras_repvis.layers.channels import make_divisible
from keras_repvis.layers.conv_block import ConvBlock
from keras_repvis.models.mobilenet import records

SHARED_ARGUMENTS = """\
input_shape: `(height, width, channels)` in pixels; height and width may be None, channels any integer >= 1.
width_multiplier: Factor alpha on the number of channels, > 0.
classes: Number of logits, >= 1.
include_top: Whether the model ends in the classifier. Else it ends in the last feature map.
pooling: With `include_top=False`: None (feature map), "avg" or "max" (one vector an image).
features_only: Return a model whose output is a dict of feature maps instead, one for each stride: "stride_2",
    "stride_4", ..., each the output of the last block at that stride, before the head.
stem_strides: Stride of the first convolution, 1 or 2; 1 keeps small images (28 to 96 pixels) from shrinking away.
dropout: Rate of dropout before the classifier, in [0, 1).
batch_norm_momentum: Momentum of the moving statistics, in [0, 1]. Published conventions: slim 0.997,
    keras.applications 0.99 (V1) and 0.999 (V2, V3), which need about 1000 steps to settle.
batch_norm_epsilon: Number added to the variance, > 0. slim and Keras use 1e-3, PyTorch ports 1e-5.
kernel_initializer: Initialiser of all kernels: name, config or instance.
name: Name of the model."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """What distinguishes one MobileNet from another, all widths but those of the rows already final.

    Attributes:
        stem: Filters of the first convolution.
        rows: Records of the blocks, with the paper's widths.
        widen: Function from a width of the paper to the width under the multiplier.
        activation: Activation of stem and head.
        head: Filters of a 1 x 1 convolution before the pooling, or None.
        embedding: Units of a dense layer after the pooling, or None.
        embedding_norm: Whether that layer has a batch norm instead of a bias.
    """

    stem: int
    rows: tuple
    widen: Callable
    activation: str
    head: int | None = None
    embedding: int | None = None
    embedding_norm: bool = False


def constructor(function):
    """Complete the docstring of a public constructor with the arguments that all constructors share."""
    arguments = textwrap.indent(SHARED_ARGUMENTS, "    ")
    function.__doc__ = inspect.cleandoc(function.__doc__).replace("    {shared_arguments}", arguments)
    return function


def widener(width_multiplier):
    """Return the function from a paper's width to d(alpha width), after checking alpha."""
    checks.number("width_multiplier", width_multiplier, above=0)
    return lambda filters: make_divisible(filters * width_multiplier)


def at_least(filters, width_multiplier):
    """Return the width of a last layer: scaled for alpha > 1, kept for thinner networks, which need it most."""
    return make_divisible(filters * width_multiplier) if width_multiplier > 1 else filters


def assemble(
    layout,
    *,
    input_shape,
    classes,
    include_top,
    pooling,
    features_only,
    stem_strides,
    dropout,
    batch_norm_momentum,
    batch_norm_epsilon,
    kernel_initializer,
    name,
):
    """Return the functional model of `layout`; the arguments are those of the public constructors."""
    _check_input_shape(input_shape)
    checks.number("classes", classes, low=1, integer=True)
    checks.one_of("include_top", include_top, (True, False))
    checks.one_of("features_only", features_only, (True, False))
    checks.one_of("pooling", pooling, (None, "avg", "max"))
    checks.one_of("stem_strides", stem_strides, (1, 2))
    checks.number("dropout", dropout, low=0)
    if dropout >= 1:
        raise ValueError(f"dropout={dropout!r} is not accepted: expected a rate < 1.")
    if pooling is not None and (include_top or features_only):
        raise ValueError(f"pooling={pooling!r} is not accepted here: it needs include_top=False, features_only=False.")
    options = {
        "momentum": checks.number("batch_norm_momentum", batch_norm_momentum, low=0, high=1),
        "epsilon": checks.number("batch_norm_epsilon", batch_norm_epsilon, above=0),
        "kernel_initializer": _initializer(kernel_initializer),
    }
    image = keras.Input(input_shape, name="image")
    features = _trunk(layout, image, stem_strides, options)
    if features_only:
        return keras.Model(image, features, name=name)
    outputs = list(features.values())[-1]
    if layout.head:
        outputs = ConvBlock(layout.head, 1, activation=layout.activation, name="head", **options).inline(outputs)
    if include_top:
        outputs = _classifier(layout, outputs, classes, dropout, options)
    elif pooling == "avg":
        outputs = keras.layers.GlobalAveragePooling2D(name="pool")(outputs)
    elif pooling == "max":
        outputs = keras.layers.GlobalMaxPooling2D(name="pool")(outputs)
    return keras.Model(image, outputs, name=name)


def _trunk(layout, image, stem_strides, options):
    """Return the last feature map at each stride, as a dict in the order of the strides."""
    outputs = keras.layers.Rescaling(2.0, offset=-1.0, name="rescale")(image)
    stem = ConvBlock(layout.stem, 3, stem_strides, layout.activation, name="stem", **options)
    outputs = stem.inline(outputs)
    stride = stem_strides
    features = {f"stride_{stride}": outputs}
    for index, record in enumerate(records.unrolled(layout.rows), start=1):
        block = record.block(layout.widen(record.filters), name=f"block_{index}", **options)
        outputs = block.inline(outputs)
        stride *= record.strides
        features[f"stride_{stride}"] = outputs
    return features


def _classifier(layout, features, classes, dropout, options):
    initializer = options["kernel_initializer"]
    outputs = keras.layers.GlobalAveragePooling2D(name="pool")(features)
    if layout.embedding:
        outputs = keras.layers.Dense(
            layout.embedding,
            use_bias=not layout.embedding_norm,
            kernel_initializer=fresh_initializer(initializer),
            name="embedding",
        )(outputs)
        if layout.embedding_norm:
            outputs = keras.layers.BatchNormalization(
                momentum=options["momentum"], epsilon=options["epsilon"], name="embedding_norm"
            )(outputs)
        outputs = activation_layer(layout.activation, name="embedding_activation")(outputs)
    if dropout:
        outputs = keras.layers.Dropout(dropout, name="dropout")(outputs)
    # Logits stay in float32 under mixed precision: a loss on half-precision logits loses digits.
    dtype = keras.config.dtype_policy().variable_dtype
    classifier = keras.layers.Dense(
        classes, kernel_initializer=fresh_initializer(initializer), dtype=dtype, name="logits"
    )
    return classifier(outputs)


def _check_input_shape(input_shape):
    sizes_fit = (
        isinstance(input_shape, (tuple, list))
        and len(input_shape) == 3
        and all(size is None or _is_positive_integer(size) for size in input_shape[:2])
        and _is_positive_integer(input_shape[2])
    )
    if not sizes_fit:
        raise ValueError(
            f"input_shape={input_shape!r} is not accepted: expected (height, width, channels), each an integer >= 1; "
            "height and width may be None."
        )


def _initializer(kernel_initializer):
    try:
        return keras.initializers.get(kernel_initializer)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"kernel_initializer={kernel_initializer!r} is not accepted: expected an initialiser of Keras by name, for "
            "instance 'he_normal', by configuration or as an instance."
        ) from error


def _is_positive_integer(size):
    return isinstance(size, numbers.Integral) and not isinstance(size, bool) and size >= 1
