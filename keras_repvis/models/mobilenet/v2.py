"""MobileNetV2: inverted residuals with linear bottlenecks."""

import dataclasses

from keras_repvis import checks
from keras_repvis.models.mobilenet import network
from keras_repvis.models.mobilenet.records import Inverted

# expansion t, filters c, repeats n, stride s
ROWS = (
    Inverted(1, 16, 1, 1),
    Inverted(6, 24, 2, 2),
    Inverted(6, 32, 3, 2),
    Inverted(6, 64, 4, 2),
    Inverted(6, 96, 3, 1),
    Inverted(6, 160, 3, 2),
    Inverted(6, 320, 1, 1),
)


@network.constructor
def MobileNetV2(
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
    linear_bottleneck=True,
    shortcut=True,
    name="mobilenet_v2",
):
    """Build MobileNetV2: a 3 x 3 convolution, 17 inverted residuals, a 1 x 1 convolution, pooling, a classifier.

    Widths under the multiplier are d(alpha c) (`layers.make_divisible`); the last 1 x 1 convolution keeps its 1280
    filters for alpha <= 1.

    Args:
        {shared_arguments}
        linear_bottleneck: False applies ReLU6 to the narrow outputs of the blocks too: the paper's ablation.
        shortcut: False leaves all residual connections out: the paper's ablation.

    Input shape:
        `(batch, height, width, channels)`, float32 in [0, 1].

    Output shape:
        `(batch, classes)`, logits; a feature map, a vector or a dict of feature maps as asked for.

    Returns:
        `keras.Model`, functional.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> from keras_repvis.models import MobileNetV2
        >>> features = MobileNetV2((64, 64, 3), width_multiplier=0.35, features_only=True)
        >>> features.output["stride_8"].shape
        (None, 8, 8, 16)

    Reference:
        Sandler, Howard, Zhu, Zhmoginov, Chen (2018), "MobileNetV2: Inverted Residuals and Linear Bottlenecks",
        table 2 (layout), figure 6 (ablations).
    """
    widen = network.widener(width_multiplier)
    checks.one_of("linear_bottleneck", linear_bottleneck, (True, False))
    checks.one_of("shortcut", shortcut, (True, False))
    rows = tuple(dataclasses.replace(row, linear_bottleneck=linear_bottleneck, shortcut=shortcut) for row in ROWS)
    layout = network.Layout(
        stem=widen(32), rows=rows, widen=widen, activation="relu6", head=network.at_least(1280, width_multiplier)
    )
    return network.assemble(
        layout,
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
