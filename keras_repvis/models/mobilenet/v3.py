"""MobileNetV3: searched layouts of inverted residuals with squeeze-excite and hard activations."""

import dataclasses

from keras_repvis import checks
from keras_repvis.layers.channels import make_divisible
from keras_repvis.models.mobilenet import network
from keras_repvis.models.mobilenet.records import Inverted


@dataclasses.dataclass(frozen=True)
class Bneck:
    """Row of the paper's tables 1 and 2; `expanded` is the width inside the block, RE is ReLU, HS is h-swish."""

    kernel_size: int
    expanded: int
    filters: int
    squeeze_excite: bool
    activation: str
    strides: int
    repeats: int = 1


RE, HS = "relu", "hard_silu"

LARGE = (
    Bneck(3, 16, 16, False, RE, 1),
    Bneck(3, 64, 24, False, RE, 2),
    Bneck(3, 72, 24, False, RE, 1),
    Bneck(5, 72, 40, True, RE, 2),
    Bneck(5, 120, 40, True, RE, 1, repeats=2),
    Bneck(3, 240, 80, False, HS, 2),
    Bneck(3, 200, 80, False, HS, 1),
    Bneck(3, 184, 80, False, HS, 1, repeats=2),
    Bneck(3, 480, 112, True, HS, 1),
    Bneck(3, 672, 112, True, HS, 1),
    Bneck(5, 672, 160, True, HS, 2),
    Bneck(5, 960, 160, True, HS, 1, repeats=2),
)

SMALL = (
    Bneck(3, 16, 16, True, RE, 2),
    Bneck(3, 72, 24, False, RE, 2),
    Bneck(3, 88, 24, False, RE, 1),
    Bneck(5, 96, 40, True, HS, 2),
    Bneck(5, 240, 40, True, HS, 1, repeats=2),
    Bneck(5, 120, 48, True, HS, 1),
    Bneck(5, 144, 48, True, HS, 1),
    Bneck(5, 288, 96, True, HS, 2),
    Bneck(5, 576, 96, True, HS, 1, repeats=2),
)

STEM = 16


@network.constructor
def MobileNetV3Large(
    input_shape=(224, 224, 3),
    width_multiplier=1.0,
    classes=1000,
    include_top=True,
    pooling=None,
    features_only=False,
    stem_strides=2,
    dropout=0.2,
    batch_norm_momentum=0.99,
    batch_norm_epsilon=1e-3,
    kernel_initializer="glorot_uniform",
    minimalistic=False,
    scale_stem=False,
    name="mobilenet_v3_large",
):
    """Build MobileNetV3-Large: 15 inverted residuals, a 1 x 1 convolution, pooling, a dense layer, a classifier.

    Widths under the multiplier are d(alpha c) (`layers.make_divisible`), widths inside a block d(ratio c_in), of the
    last 1 x 1 convolution d(6 c_last); the dense layer keeps its 1280 units for alpha <= 1. "RE" is plain ReLU,
    h-swish(x) = x ReLU6(x + 3) / 6.

    Args:
        {shared_arguments}
        minimalistic: The variant for processors that are slow at the searched parts: no squeeze-excite, ReLU
            everywhere, 3 x 3 kernels only.
        scale_stem: Whether the first convolution has d(16 alpha) filters, as in the authors' code, or always 16, as
            in keras.applications.

    Input shape:
        `(batch, height, width, channels)`, float32 in [0, 1].

    Output shape:
        `(batch, classes)`, logits; a feature map, a vector or a dict of feature maps as asked for.

    Returns:
        `keras.Model`, functional.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> from keras_repvis.models import MobileNetV3Large
        >>> MobileNetV3Large((32, 32, 3), width_multiplier=0.35, include_top=False, pooling="avg").output_shape
        (None, 336)

    Reference:
        Howard et al. (2019), "Searching for MobileNetV3", table 1; the minimalistic variant is the authors' published
        code's.
    """
    return _network(
        LARGE,
        1280,
        width_multiplier,
        minimalistic,
        scale_stem,
        input_shape=input_shape,
        classes=classes,
        include_top=include_top,
        pooling=pooling,
        features_only=features_only,
        stem_strides=stem_strides,
        dropout=dropout,
        batch_norm_momentum=batch_norm_momentum,
        batch_norm_epsilon=batch_norm_epsilon,
        kernel_initializer=kernel_initializer,
        name=name,
    )


@network.constructor
def MobileNetV3Small(
    input_shape=(224, 224, 3),
    width_multiplier=1.0,
    classes=1000,
    include_top=True,
    pooling=None,
    features_only=False,
    stem_strides=2,
    dropout=0.2,
    batch_norm_momentum=0.99,
    batch_norm_epsilon=1e-3,
    kernel_initializer="glorot_uniform",
    minimalistic=False,
    scale_stem=False,
    name="mobilenet_v3_small",
):
    """Build MobileNetV3-Small: 11 inverted residuals, a 1 x 1 convolution, pooling, a dense layer, a classifier.

    Widths as in `MobileNetV3Large`; the dense layer keeps its 1024 units for alpha <= 1. Differs from the paper: its
    table also ticks squeeze-excite on the last 1 x 1 convolution, which no published implementation has.

    Args:
        {shared_arguments}
        minimalistic: The variant for processors that are slow at the searched parts: no squeeze-excite, ReLU
            everywhere, 3 x 3 kernels only.
        scale_stem: Whether the first convolution has d(16 alpha) filters, as in the authors' code, or always 16, as
            in keras.applications.

    Input shape:
        `(batch, height, width, channels)`, float32 in [0, 1].

    Output shape:
        `(batch, classes)`, logits; a feature map, a vector or a dict of feature maps as asked for.

    Returns:
        `keras.Model`, functional.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> from keras_repvis.models import MobileNetV3Small
        >>> MobileNetV3Small((32, 32, 3), width_multiplier=0.35, include_top=False).output_shape
        (None, 1, 1, 192)

    Reference:
        Howard et al. (2019), "Searching for MobileNetV3", table 2.
    """
    return _network(
        SMALL,
        1024,
        width_multiplier,
        minimalistic,
        scale_stem,
        input_shape=input_shape,
        classes=classes,
        include_top=include_top,
        pooling=pooling,
        features_only=features_only,
        stem_strides=stem_strides,
        dropout=dropout,
        batch_norm_momentum=batch_norm_momentum,
        batch_norm_epsilon=batch_norm_epsilon,
        kernel_initializer=kernel_initializer,
        name=name,
    )


def _network(table, embedding, width_multiplier, minimalistic, scale_stem, **arguments):
    widen = network.widener(width_multiplier)
    checks.one_of("minimalistic", minimalistic, (True, False))
    checks.one_of("scale_stem", scale_stem, (True, False))
    layout = network.Layout(
        stem=widen(STEM) if scale_stem else STEM,
        rows=_rows(table, minimalistic),
        widen=widen,
        activation=RE if minimalistic else HS,
        head=make_divisible(6 * widen(table[-1].filters)),
        embedding=network.at_least(embedding, width_multiplier),
    )
    return network.assemble(layout, **arguments)


def _rows(table, minimalistic):
    """Return the records of `table`: the widths inside the blocks become ratios, which the multiplier keeps."""
    rows, channels = [], STEM
    for bneck in table:
        for repeat in range(bneck.repeats):
            rows.append(
                Inverted(
                    expansion=bneck.expanded / channels,
                    filters=bneck.filters,
                    strides=bneck.strides if repeat == 0 else 1,
                    kernel_size=3 if minimalistic else bneck.kernel_size,
                    squeeze_excite=0.25 if bneck.squeeze_excite and not minimalistic else None,
                    activation=RE if minimalistic else bneck.activation,
                )
            )
            channels = bneck.filters
    return tuple(rows)
