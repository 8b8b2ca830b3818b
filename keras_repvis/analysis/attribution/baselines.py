"""The image without evidence that a method compares an image with: a number, or an image."""

import numpy as np
import tensorflow as tf


def check(baseline):
    """Return `baseline` as float32 array of at most three axes, or raise a `ValueError`."""
    array = np.asarray(baseline)
    if array.dtype.kind not in "fiu" or array.ndim > 3 or not np.isfinite(array).all():
        raise ValueError(
            f"baseline of shape {array.shape} and type {array.dtype} is not accepted: expected a finite number, or an "
            "array that broadcasts to (height, width, channels)."
        )
    return array.astype("float32")


def like(baseline, images):
    """Return a checked baseline as tensor of the shape of `images` (batch, height, width, channels)."""
    sizes = images.shape[1:]
    own = (1,) * (3 - baseline.ndim) + baseline.shape
    if not all(one == 1 or size in (None, one) for one, size in zip(own, sizes)):
        raise ValueError(
            f"baseline of shape {baseline.shape} is not accepted for images of shape {tuple(sizes)}: expected a "
            "number, or an array that broadcasts to that shape."
        )
    return tf.zeros_like(images) + baseline
