"""The generator that halves the image down to a few pixels and doubles it again, with a shortcut at each size."""

import dataclasses

import keras

from keras_repvis import checks
from keras_repvis.models.cyclegan import network
from keras_repvis.models.cyclegan.network import Convolution

WIDEST = 8  # Widths double from level to level up to this multiple of the first.
LAST = Convolution(0, 4, strides=2, normalised=False, bias=True)
PLAIN_LEVELS = 4  # Levels that never have dropout, from the outermost on.


@dataclasses.dataclass(frozen=True)
class Level:
    """A halving and the doubling that undoes it.

    Attributes:
        width: Channels of the smaller map, in units of the network's first width.
        norm_down: Whether a norm follows the halving.
        dropout: Whether dropout follows the doubling.
    """

    width: int
    norm_down: bool = True
    dropout: bool = False


def levels(downsamplings):
    """Return the table of levels from the outermost on.

    The innermost map has no norm, which lets it be a single pixel; nor has the outermost, as in the discriminators.
    """
    innermost = downsamplings - 1
    return tuple(
        Level(
            width=min(2**level, WIDEST),
            norm_down=0 < level < innermost,
            dropout=PLAIN_LEVELS <= level < innermost,
        )
        for level in range(downsamplings)
    )


@network.constructor
def UNetGenerator(
    input_shape=(None, None, 3),
    output_channels=None,
    downsamplings=8,
    filters=64,
    norm="instance",
    dropout=0.0,
    name=None,
):
    """Build the U-Net generator: 4 x 4 convolutions of stride 2 down to the middle and transposed ones up again.

    Each level of the way up sees the map of that size of the way down beside what came from below.

    Args:
        input_shape: `(height, width, channels)`; height and width multiples of 2^downsamplings, or None; any number
            of channels.
        output_channels: Number of channels of the generated image, >= 1; None for that of the input.
        downsamplings: Number of halvings, >= 2: 7 for 128 pixels, 8 for 256, so that the middle is one pixel.
        {shared_arguments}
        dropout: Rate of dropout on the way up in the widest levels, but for the innermost and the first four,
            in [0, 1); pix2pix uses 0.5.

    Input shape:
        `(batch, height, width, channels)`, float32 in [0, 1].

    Output shape:
        `(batch, height, width, output_channels)`, float32 in [0, 1].

    Returns:
        `keras.Model`, functional.

    Raises:
        ValueError: If an argument is out of range, or the height or width is not admissible.

    Example:
        >>> from keras_repvis.models import UNetGenerator
        >>> UNetGenerator((64, 64, 3), downsamplings=5, filters=8).output_shape
        (None, 64, 64, 3)

    Reference:
        Isola, Zhu, Zhou, Efros (2017), "Image-to-Image Translation with Conditional Adversarial Networks", section
        6.1.1; after Ronneberger, Fischer, Brox (2015), "U-Net".
    """
    checks.number("downsamplings", downsamplings, low=2, integer=True)
    network.rate("dropout", dropout)
    maker = network.Network(filters, norm)
    image, outputs = network.image_input(input_shape, multiple=2**downsamplings, minimum=2**downsamplings)
    channels = network.output_channels(output_channels, input_shape)
    table = levels(downsamplings)
    shortcuts = []
    for depth, level in enumerate(table):
        shortcuts.append(outputs)
        outputs = _halve(maker, outputs, level, depth)
    for depth in range(downsamplings - 1, 0, -1):
        outputs = _double(maker, outputs, table[depth - 1].width, depth)
        if dropout and table[depth].dropout:
            outputs = keras.layers.Dropout(dropout, name=f"up_{depth}_dropout")(outputs)
        outputs = keras.layers.Concatenate(name=f"up_{depth}_concat")([shortcuts[depth], outputs])
    outputs = network.activate(outputs, "relu", "last")
    outputs = maker.last_enlargement(outputs, channels, LAST)
    return keras.Model(image, network.image_output(outputs), name=network.unique_name(name, "unet_generator"))


def _halve(maker, inputs, level, depth):
    """Apply leaky ReLU, but to the image; convolution; norm."""
    name = f"down_{depth}"
    outputs = network.activate(inputs, "leaky_relu" if depth else None, name)
    record = Convolution(level.width, 4, strides=2, normalised=level.norm_down, activation=None)
    return maker.convolve(outputs, record, name)


def _double(maker, inputs, width, depth):
    """Apply ReLU, transposed convolution, norm."""
    name = f"up_{depth}"
    outputs = network.activate(inputs, "relu", name)
    return maker.enlarge(outputs, Convolution(width, 4, strides=2, activation=None), name)
