"""The generator made of residual blocks at a quarter of the image's size."""

import keras

from keras_repvis import checks
from keras_repvis.models.cyclegan import network
from keras_repvis.models.cyclegan.network import Convolution

ENTRANCE = (
    Convolution(1, 7, padding="reflection"),
    Convolution(2, 3, strides=2),
    Convolution(4, 3, strides=2),
)
BLOCK = (
    Convolution(4, 3, padding="reflection"),
    Convolution(4, 3, padding="reflection", activation=None),
)
EXIT = (
    Convolution(2, 3, strides=2),
    Convolution(1, 3, strides=2),
)
LAST = Convolution(0, 7, padding="reflection", normalised=False, bias=True, activation=None)


@network.constructor
def ResNetGenerator(
    input_shape=(None, None, 3),
    output_channels=None,
    blocks=9,
    filters=64,
    norm="instance",
    upsampling="transposed",
    dropout=0.0,
    name=None,
):
    """Build the residual generator: 7 x 7, two halvings, residual blocks, two doublings, 7 x 7, tanh.

    A block is x + IN(W2 * relu(IN(W1 * x))), without a ReLU after the sum; its convolutions see the map continued by
    reflection. With instance norm, reflection padding at the entrance makes the generator blind to a constant added to
    a channel of the image, and nearly to the image's contrast.

    Args:
        input_shape: `(height, width, channels)`; height and width multiples of 4, at least 8, or None; any number of
            channels.
        output_channels: Number of channels of the generated image, >= 1; None for that of the input.
        blocks: Number of residual blocks, >= 1; usual are 6 for 128 pixels and 9 for 256.
        {shared_arguments}
        upsampling: "transposed" (transposed convolutions, kernel 3) or "resize" (nearest neighbour, then 3 x 3: as many
            weights, no checkerboards).
        dropout: Rate of dropout in the middle of the residual blocks, in [0, 1).

    Input shape:
        `(batch, height, width, channels)`, float32 in [0, 1].

    Output shape:
        `(batch, height, width, output_channels)`, float32 in [0, 1].

    Returns:
        `keras.Model`, functional.

    Raises:
        ValueError: If an argument is out of range, or the height or width is not admissible.

    Example:
        >>> from keras_repvis.models import ResNetGenerator
        >>> ResNetGenerator((64, 64, 3), output_channels=1, blocks=2, filters=8).output_shape
        (None, 64, 64, 1)

    Reference:
        Zhu, Park, Isola, Efros (2017), "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
        Networks", appendix, "Generator architectures"; after Johnson, Alahi, Fei-Fei (2016).
    """
    checks.number("blocks", blocks, low=1, integer=True)
    network.rate("dropout", dropout)
    maker = network.Network(filters, norm, upsampling)
    image, outputs = network.image_input(input_shape, multiple=4, minimum=8)
    channels = network.output_channels(output_channels, input_shape)
    for index, record in enumerate(ENTRANCE):
        outputs = maker.convolve(outputs, record, f"down_{index}")
    for index in range(1, blocks + 1):
        outputs = _block(maker, outputs, dropout, f"block_{index}")
    for index, record in zip((1, 0), EXIT):
        outputs = maker.enlarge(outputs, record, f"up_{index}")
    outputs = maker.last_convolution(outputs, channels, LAST)
    return keras.Model(image, network.image_output(outputs), name=network.unique_name(name, "resnet_generator"))


def _block(maker, inputs, dropout, name):
    outputs = maker.convolve(inputs, BLOCK[0], f"{name}_first")
    if dropout:
        outputs = keras.layers.Dropout(dropout, name=f"{name}_dropout")(outputs)
    outputs = maker.convolve(outputs, BLOCK[1], f"{name}_second")
    return keras.layers.Add(name=f"{name}_add")([inputs, outputs])
