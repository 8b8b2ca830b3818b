"""The discriminator that judges each patch of an image by itself."""

import keras

from keras_repvis import checks
from keras_repvis.models.cyclegan import network
from keras_repvis.models.cyclegan.network import Convolution

MOST_LAYERS = 6
WIDEST = 8  # Widths double from layer to layer up to this multiple of the first.
FIRST = Convolution(1, 4, strides=2, normalised=False, bias=True, activation="leaky_relu")
LAST = Convolution(0, 4, normalised=False, bias=True, activation=None)


def table(layers):
    """Return the rows before the last: `layers` convolutions of stride 2 and one of stride 1."""
    halving = tuple(
        Convolution(min(2**index, WIDEST), 4, strides=2, activation="leaky_relu") for index in range(1, layers)
    )
    return (FIRST, *halving, Convolution(min(2**layers, WIDEST), 4, activation="leaky_relu"))


@network.constructor
def PatchDiscriminator(input_shape=(None, None, 3), layers=3, filters=64, norm="instance", name=None):
    """Build the PatchGAN discriminator: a map of scores, each of which has seen one patch of the image.

    4 x 4 convolutions with a zero on each side and leaky ReLUs of slope 0.2, no norm in the first and the last. The
    patches overlap; their side is `patch_receptive_field(layers)`.

    Args:
        input_shape: `(height, width, channels)`; height and width at least 3 * 2^layers, or None; any number of
            channels (6 to judge pairs).
        layers: Number of convolutions of stride 2, from 1 to 6.
        {shared_arguments}

    Input shape:
        `(batch, height, width, channels)`, float32 in [0, 1].

    Output shape:
        `(batch, height // 2^layers - 2, width // 2^layers - 2, 1)`, float32, raw scores.

    Returns:
        `keras.Model`, functional.

    Raises:
        ValueError: If an argument is out of range, or the images would be too small for a single score.

    Example:
        >>> from keras_repvis.models import PatchDiscriminator
        >>> PatchDiscriminator((256, 256, 3), filters=8).output_shape
        (None, 30, 30, 1)

    Reference:
        Isola, Zhu, Zhou, Efros (2017), "Image-to-Image Translation with Conditional Adversarial Networks", sections
        3.2.2 and 6.1.2.
    """
    checks.number("layers", layers, low=1, high=MOST_LAYERS, integer=True)
    maker = network.Network(filters, norm)
    image, outputs = network.image_input(input_shape, multiple=1, minimum=3 * 2**layers)
    for index, record in enumerate(table(layers)):
        outputs = maker.convolve(outputs, record, f"down_{index}")
    scores = maker.last_convolution(outputs, 1, LAST)
    return keras.Model(image, scores, name=network.unique_name(name, "patch_discriminator"))


def patch_receptive_field(layers):
    """Return the side of the patch that one score of a `PatchDiscriminator` has seen.

    Counted from the score back to the image: r = s r + k - s for each convolution of kernel k and stride s.

    Args:
        layers: Number of its convolutions of stride 2, from 1 to 6.

    Returns:
        Number of pixels.

    Raises:
        ValueError: If `layers` is out of range.

    Example:
        >>> from keras_repvis.models import patch_receptive_field
        >>> [patch_receptive_field(layers) for layers in range(1, 7)]
        [16, 34, 70, 142, 286, 574]
    """
    checks.number("layers", layers, low=1, high=MOST_LAYERS, integer=True)
    side = 1
    for record in reversed((*table(layers), LAST)):
        side = record.strides * side + record.kernel_size - record.strides
    return side
