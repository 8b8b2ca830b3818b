"""The gradient penalty that keeps a Wasserstein discriminator from growing without bound."""

import keras
import tensorflow as tf

from keras_repvis import checks


def gradient_penalty(discriminator, real, generated, shares, norm=1.0, span=2.0):
    """Return how far the slope of a discriminator is from one, between real and generated images.

    With the share a of an example, z = a x + (1 - a) y between its real image x and its generated image y, and the
    discriminator's score D(z), the mean over its patches as in `AdversarialLoss`,

        penalty = (|dD/dz| - c)^2

    where |.| is the Euclidean norm over all values of the image. Images are in [0, 1]; the slope is counted a unit of
    images of the range `span`, so that 2 is what networks on [-1, 1] have.

    Args:
        discriminator: Function of images `(batch, height, width, channels)` that returns scores `(batch, ...)`.
        real: float32 images `(batch, height, width, channels)` in [0, 1].
        generated: Images of the same shape.
        shares: Numbers in [0, 1], `(batch,)`, drawn uniformly in training.
        norm: Number c >= 0, the norm asked for.
        span: Number > 0, range that images are counted in.

    Returns:
        float32 tensor `(batch,)`, to be averaged over the global batch. It has a gradient at the discriminator's
        weights.

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> import numpy as np
        >>> def plane(images):  # The slope is 6 a unit of [0, 1] images, 3 a unit of [-1, 1] images.
        ...     return 6.0 * images[:, 0, 0, :]
        >>> images = np.zeros((2, 4, 4, 1), "float32")
        >>> penalty = keras_repvis.losses.gradient_penalty(plane, images, images + 1, shares=[0.5, 0.25])
        >>> np.asarray(penalty).tolist()  # (3 - 1)^2
        [4.0, 4.0]

    Reference:
        Gulrajani et al. (2017), "Improved Training of Wasserstein GANs", equation 3.
    """
    checks.number("norm", norm, low=0)
    checks.number("span", span, above=0)
    real, generated = (keras.ops.convert_to_tensor(images, "float32") for images in (real, generated))
    shares = keras.ops.reshape(keras.ops.convert_to_tensor(shares, "float32"), (-1, 1, 1, 1))
    between = shares * real + (1.0 - shares) * generated
    with tf.GradientTape() as tape:
        tape.watch(between)
        scores = keras.ops.cast(discriminator(between), "float32")
        patches = tuple(range(1, len(scores.shape)))
        score = keras.ops.sum(keras.ops.mean(scores, axis=patches))  # An example's gradient is that of its own score.
    slope = tape.gradient(score, between) / span
    # The norm of a gradient that is exactly zero has no slope itself.
    length = keras.ops.sqrt(keras.ops.sum(keras.ops.square(slope), axis=(1, 2, 3)) + 1e-16)
    return keras.ops.square(length - norm)
