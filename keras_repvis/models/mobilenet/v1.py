"""MobileNetV1: a stack of depthwise separable convolutions."""

from keras_repvis import checks
from keras_repvis.models.mobilenet import network
from keras_repvis.models.mobilenet.records import Separable

# filters of the pointwise convolution, stride of the depthwise one
ROWS = (
    Separable(64),
    Separable(128, strides=2),
    Separable(128),
    Separable(256, strides=2),
    Separable(256),
    Separable(512, strides=2),
    Separable(512, repeats=5),
    Separable(1024, strides=2),
    Separable(1024),
)


@network.constructor
def MobileNetV1(
    input_shape=(224, 224, 3),
    width_multiplier=1.0,
    classes=1000,
    include_top=True,
    pooling=None,
    features_only=False,
    stem_strides=2,
    dropout=1e-3,
    batch_norm_momentum=0.99,
    batch_norm_epsilon=1e-3,
    kernel_initializer="glorot_uniform",
    name="mobilenet_v1",
):
    """Build MobileNetV1: a 3 x 3 convolution, 13 depthwise separable ones, average pooling, a linear classifier.

    Widths under the multiplier are floor(alpha c), at least 8. Differs from the paper: its table prints stride 2 on
    the last depthwise convolution, whose input and output it gives as 7 x 7; the stride is 1.

    Args:
        {shared_arguments}

    Input shape:
        `(batch, height, width, channels)`, float32 in [0, 1].

    Output shape:
        `(batch, classes)`, logits; a feature map, a vector or a dict of feature maps as asked for.

    Returns:
        `keras.Model`, functional.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> from keras_repvis.models import MobileNetV1
        >>> MobileNetV1((32, 32, 3), width_multiplier=0.25, include_top=False).output_shape
        (None, 1, 1, 256)

    Reference:
        Howard et al. (2017), "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
        table 1.
    """
    checks.number("width_multiplier", width_multiplier, above=0)

    def widen(filters):
        return max(8, int(filters * width_multiplier))

    layout = network.Layout(stem=widen(32), rows=ROWS, widen=widen, activation="relu6")
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
