"""The discriminator that judges each pixel by its colour alone."""

import keras

from keras_repvis.models.cyclegan import network
from keras_repvis.models.cyclegan.network import Convolution

TABLE = (
    Convolution(1, 1, padding="none", normalised=False, bias=True, activation="leaky_relu"),
    Convolution(2, 1, padding="none", activation="leaky_relu"),
)
LAST = Convolution(0, 1, padding="none", normalised=False, activation=None)


@network.constructor
def PixelDiscriminator(input_shape=(None, None, 3), filters=64, norm="instance", name=None):
    """Build the 1 x 1 discriminator: a score for each pixel, from three 1 x 1 convolutions.

    It sees no structure but through the norm, which compares a pixel with the rest of its image.

    Args:
        input_shape: `(height, width, channels)`; height and width at least 2, or None; any number of channels.
        {shared_arguments}

    Input shape:
        `(batch, height, width, channels)`, float32 in [0, 1].

    Output shape:
        `(batch, height, width, 1)`, float32, raw scores.

    Returns:
        `keras.Model`, functional.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> from keras_repvis.models import PixelDiscriminator
        >>> PixelDiscriminator((32, 32, 3)).count_params()
        8705

    Reference:
        Isola, Zhu, Zhou, Efros (2017), "Image-to-Image Translation with Conditional Adversarial Networks", section
        6.1.2 ("1 x 1 discriminator", PixelGAN).
    """
    maker = network.Network(filters, norm)
    image, outputs = network.image_input(input_shape, multiple=1, minimum=2)
    for index, record in enumerate(TABLE):
        outputs = maker.convolve(outputs, record, f"pixel_{index}")
    scores = maker.last_convolution(outputs, 1, LAST)
    return keras.Model(image, scores, name=network.unique_name(name, "pixel_discriminator"))
