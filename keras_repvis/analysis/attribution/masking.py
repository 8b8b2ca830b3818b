"""Images behind masks: what stands where a mask is 0, and f of every image behind every mask.

    x_M = x o M + b o (1 - M)

with a mask M (height, width) in [0, 1], 1 where the image is kept, and a background b.
"""

import numpy as np
import tensorflow as tf


def check_fill(fill):
    """Return `fill`, "mean" or a float32 array of at most three axes, or raise a `ValueError`."""
    if isinstance(fill, str) and fill == "mean":
        return fill
    array = np.asarray(fill)
    if array.dtype.kind not in "fiu" or array.ndim > 3 or not np.isfinite(array).all():
        raise ValueError(
            f"fill={fill!r} is not accepted: expected a finite number, an array that broadcasts to (height, width, "
            "channels), or 'mean' for the mean colour of each image."
        )
    return array.astype("float32")


def background(images, fill):
    """Return the background as tensor that broadcasts to images (batch, height, width, channels)."""
    if isinstance(fill, str):
        return tf.reduce_mean(images, axis=(1, 2), keepdims=True)
    own = (1,) * (3 - fill.ndim) + fill.shape
    sizes = images.shape[1:]
    if not all(one == 1 or size in (None, one) for one, size in zip(own, sizes)):
        raise ValueError(
            f"fill of shape {fill.shape} is not accepted for images of shape {tuple(sizes)}: expected a number, or an "
            "array that broadcasts to that shape."
        )
    return tf.reshape(tf.constant(fill), (1, *own))


def mix(images, masks, back):
    """Return x o M + b o (1 - M), for masks (batch, height, width)."""
    masks = _of_channels(masks, images)
    return images * masks + back * (1 - masks)


def scores(query, masks, back):
    """Return f of every image behind every mask, (batch, masks).

    Args:
        query: `Query`.
        masks: float32 tensor, (masks, height, width) for all images or (batch, masks, height, width).
        back: Tensor that broadcasts to (batch, height, width, channels).
    """
    images = query.images
    masks = _of_channels(masks if masks.shape.rank == 4 else masks[None], images)
    changed = images[:, None] * masks + back[:, None] * (1 - masks)
    flat = tf.reshape(changed, tf.concat([[-1], tf.shape(images)[1:]], axis=0))
    flat = tf.ensure_shape(flat, (None, *images.shape[1:]))
    return tf.reshape(query.score(query.outputs(flat)), (tf.shape(images)[0], -1))


def spread(values, masks):
    """Return sum_i values_i M_i, (batch, height, width), from (batch, masks) and (masks, height, width)."""
    sums = tf.matmul(values, tf.reshape(masks, (tf.shape(masks)[0], -1)))
    return tf.reshape(sums, (-1, *masks.shape[1:]))


def plan(count, batch, batch_size):
    """Return (steps, masks a step) to put `count` masks on `batch` images, `batch_size` images at once if that many."""
    steps = -(-count // max(1, batch_size // batch))
    return steps, -(-count // steps)


def _of_channels(masks, images):
    """Return masks (..., height, width) with an axis of the channels of `images`, the same in each."""
    # Products that broadcast along the last axis are several times slower.
    return tf.repeat(masks[..., None], tf.shape(images)[-1], axis=-1)
