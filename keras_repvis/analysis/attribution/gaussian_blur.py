"""Gaussian blur of images and maps, with any width and any border, as two products with matrices.

Along each axis the kernel is exp(-t^2 / (2 sigma^2)) for whole t, |t| <= radius, normalised to the sum 1. Beyond the
border the image goes on as its mirror image ("reflect": the outermost pixel is repeated, as `scipy.ndimage` calls it),
or as zeros.
"""

import numpy as np
import tensorflow as tf

BORDERS = ("reflect", "zero")


def matrix(size, sigma, border="reflect", radius=None):
    """Return the matrix (size, size) that blurs a row of `size` pixels, float32.

    Args:
        size: Integer.
        sigma: Number >= 0, in pixels; 0 leaves the row as it is.
        border: "reflect" or "zero".
        radius: Integer, of the kernel; None (default) for round(4 sigma), that of `scipy.ndimage`.
    """
    radius = int(4 * sigma + 0.5) if radius is None else radius
    if sigma == 0 or radius == 0:
        return np.eye(size, dtype="float32")
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    kernel /= kernel.sum()
    places = np.arange(size)[:, None] + offsets
    inside = (places >= 0) & (places < size)
    # The mirror images repeat with the period 2 size.
    folded = np.mod(places, 2 * size)
    folded = np.where(folded < size, folded, 2 * size - 1 - folded)
    found = np.zeros((size, size))
    weights = np.where(inside | (border == "reflect"), kernel, 0.0)
    np.add.at(found, (np.broadcast_to(np.arange(size)[:, None], folded.shape), folded), weights)
    return found.astype("float32")


def blur(images, sigma, border="reflect", radius=None):
    """Return images (batch, height, width, channels) of a known size, blurred; see `matrix`."""
    rows, columns = (tf.constant(matrix(side, sigma, border, radius)) for side in images.shape[1:3])
    return tf.einsum("yh,xw,bhwc->byxc", rows, columns, images)


def blur_maps(maps, sigma, border="reflect", radius=None):
    """Return maps (batch, height, width), blurred; see `matrix`."""
    return blur(maps[..., None], sigma, border, radius)[..., 0]
