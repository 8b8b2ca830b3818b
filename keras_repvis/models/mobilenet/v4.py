"""MobileNetV4, the convolutional models: universal inverted bottlenecks."""

import dataclasses

from keras_repvis import checks
from keras_repvis.models.mobilenet import network, records
from keras_repvis.models.mobilenet.records import Convolution, Fused, Universal

# Universal(filters, start kernel, middle kernel, expansion, strides, repeats); kernel 0 is none.
CONV_SMALL = (
    Convolution(32, 3, strides=2),
    Convolution(32, 1),
    Convolution(96, 3, strides=2),
    Convolution(64, 1),
    Universal(96, 5, 5, 3, strides=2),
    Universal(96, 0, 3, 2, repeats=4),
    Universal(96, 3, 0, 4),
    Universal(128, 3, 3, 6, strides=2),
    Universal(128, 5, 5, 4),
    Universal(128, 0, 5, 4),
    Universal(128, 0, 5, 3),
    Universal(128, 0, 3, 4, repeats=2),
)

CONV_MEDIUM = (
    Fused(48, 4, strides=2),
    Universal(80, 3, 5, 4, strides=2),
    Universal(80, 3, 3, 2),
    Universal(160, 3, 5, 6, strides=2),
    Universal(160, 3, 3, 4, repeats=2),
    Universal(160, 3, 5, 4),
    Universal(160, 3, 3, 4),
    Universal(160, 3, 0, 4),
    Universal(160, 0, 0, 2),
    Universal(160, 3, 0, 4),
    Universal(256, 5, 5, 6, strides=2),
    Universal(256, 5, 5, 4),
    Universal(256, 3, 5, 4, repeats=2),
    Universal(256, 0, 0, 4),
    Universal(256, 3, 0, 4),
    Universal(256, 3, 5, 2),
    Universal(256, 5, 5, 4),
    Universal(256, 0, 0, 4, repeats=2),
    Universal(256, 5, 0, 2),
)

CONV_LARGE = (
    Fused(48, 4, strides=2),
    Universal(96, 3, 5, 4, strides=2),
    Universal(96, 3, 3, 4),
    Universal(192, 3, 5, 4, strides=2),
    Universal(192, 3, 3, 4, repeats=3),
    Universal(192, 3, 5, 4),
    Universal(192, 5, 3, 4, repeats=5),
    Universal(192, 3, 0, 4),
    Universal(512, 5, 5, 4, strides=2, repeats=4),
    Universal(512, 5, 0, 4),
    Universal(512, 5, 3, 4),
    Universal(512, 5, 0, 4, repeats=2),
    Universal(512, 5, 3, 4),
    Universal(512, 5, 5, 4),
    Universal(512, 5, 0, 4, repeats=3),
)


@network.constructor
def MobileNetV4ConvSmall(
    input_shape=(224, 224, 3),
    width_multiplier=1.0,
    classes=1000,
    include_top=True,
    pooling=None,
    features_only=False,
    stem_strides=2,
    dropout=0.3,
    batch_norm_momentum=0.99,
    batch_norm_epsilon=1e-3,
    kernel_initializer="glorot_uniform",
    drop_path=0.0,
    name="mobilenet_v4_conv_small",
):
    """Build MobileNetV4-Conv-S: plain convolutions, then 12 universal inverted bottlenecks; 3.77 million parameters.

    Widths under the multiplier are d(alpha c) (`layers.make_divisible`); the dense layer after the pooling keeps its
    1280 units for alpha <= 1. The activation is ReLU.

    Args:
        {shared_arguments}
        drop_path: Probability in [0, 1) of dropping the branch of the last block in training; it grows linearly from
            0 at the first block (stochastic depth).

    Input shape:
        `(batch, height, width, channels)`, float32 in [0, 1].

    Output shape:
        `(batch, classes)`, logits; a feature map, a vector or a dict of feature maps as asked for.

    Returns:
        `keras.Model`, functional.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> from keras_repvis.models import MobileNetV4ConvSmall
        >>> MobileNetV4ConvSmall((32, 32, 3), width_multiplier=0.5, classes=10).output_shape
        (None, 10)

    Reference:
        Qin et al. (2024), "MobileNetV4: Universal Models for the Mobile Ecosystem", appendix, table of Conv-S.
    """
    return _network(
        32,
        CONV_SMALL,
        width_multiplier,
        drop_path,
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
def MobileNetV4ConvMedium(
    input_shape=(256, 256, 3),
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
    drop_path=0.0,
    name="mobilenet_v4_conv_medium",
):
    """Build MobileNetV4-Conv-M: a fused bottleneck, then 21 universal inverted ones; 9.72 million parameters.

    Widths and head as in `MobileNetV4ConvSmall`.

    Args:
        {shared_arguments}
        drop_path: Probability in [0, 1) of dropping the branch of the last block in training; it grows linearly from
            0 at the first block (stochastic depth). The published recipe has 0.075.

    Input shape:
        `(batch, height, width, channels)`, float32 in [0, 1].

    Output shape:
        `(batch, classes)`, logits; a feature map, a vector or a dict of feature maps as asked for.

    Returns:
        `keras.Model`, functional.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> from keras_repvis.models import MobileNetV4ConvMedium
        >>> MobileNetV4ConvMedium((32, 32, 3), width_multiplier=0.25, classes=10).output_shape
        (None, 10)

    Reference:
        Qin et al. (2024), "MobileNetV4: Universal Models for the Mobile Ecosystem", appendix, table of Conv-M.
    """
    return _network(
        32,
        CONV_MEDIUM,
        width_multiplier,
        drop_path,
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
def MobileNetV4ConvLarge(
    input_shape=(384, 384, 3),
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
    drop_path=0.0,
    name="mobilenet_v4_conv_large",
):
    """Build MobileNetV4-Conv-L: a fused bottleneck, then 26 universal inverted ones; 32.59 million parameters.

    Widths and head as in `MobileNetV4ConvSmall`.

    Args:
        {shared_arguments}
        drop_path: Probability in [0, 1) of dropping the branch of the last block in training; it grows linearly from
            0 at the first block (stochastic depth). The published recipe has 0.2.

    Input shape:
        `(batch, height, width, channels)`, float32 in [0, 1].

    Output shape:
        `(batch, classes)`, logits; a feature map, a vector or a dict of feature maps as asked for.

    Returns:
        `keras.Model`, functional.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> from keras_repvis.models import MobileNetV4ConvLarge
        >>> MobileNetV4ConvLarge((32, 32, 3), width_multiplier=0.25, classes=10).output_shape
        (None, 10)

    Reference:
        Qin et al. (2024), "MobileNetV4: Universal Models for the Mobile Ecosystem", appendix, table of Conv-L.
    """
    return _network(
        24,
        CONV_LARGE,
        width_multiplier,
        drop_path,
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


def _network(stem, table, width_multiplier, drop_path, **arguments):
    widen = network.widener(width_multiplier)
    checks.number("drop_path", drop_path, low=0)
    if drop_path >= 1:
        raise ValueError(f"drop_path={drop_path!r} is not accepted: expected a probability < 1.")
    layout = network.Layout(
        stem=widen(stem),
        rows=_with_drop_path(records.unrolled(table), drop_path),
        widen=widen,
        activation="relu",
        head=widen(960),
        embedding=network.at_least(1280, width_multiplier),
        embedding_norm=True,
    )
    return network.assemble(layout, **arguments)


def _with_drop_path(rows, drop_path):
    last = len(rows) - 1
    return tuple(
        dataclasses.replace(row, drop_path=drop_path * index / last) if isinstance(row, Universal) else row
        for index, row in enumerate(rows)
    )
