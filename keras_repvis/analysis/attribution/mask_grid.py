"""A small grid of cells as a mask of the size of the image: enlarged without interpolation, then blurred.

Both are linear and separable, so a mask is A m B^T with one matrix an axis, and what comes back to the grid is A^T g B.
"""

import numpy as np
import tensorflow as tf

from keras_repvis.analysis.attribution import gaussian_blur


class MaskGrid:
    """Masks (batch, height, width) from grids of cells.

    Args:
        height: Integer, of the image in pixels.
        width: Integer.
        cells: Integer, along the shorter side; less if the image is smaller. Along the longer side there are as many as
            keep them square.
        sigma: Number >= 0, of the blur in pixels.
        through_blur: Whether the gradient goes through the blur; without, it is summed over each cell's own pixels.

    Attributes:
        shape: Rows and columns of the grid.
    """

    def __init__(self, height, width, cells, sigma, through_blur=True):
        shorter = min(height, width)
        cells = min(cells, shorter)
        self.shape = tuple(int(round(cells * side / shorter)) for side in (height, width))
        self._through_blur = through_blur
        sides = list(zip(self.shape, (height, width)))
        self._plain = [enlargement(few, many) for few, many in sides]
        self._blurred = [
            gaussian_blur.matrix(many, sigma) @ plain for plain, (_, many) in zip(self._plain, sides)
        ]

    def enlarge(self, grids):
        """Return masks (batch, height, width) from grids (batch, rows, columns); the gradient reaches them."""
        masks = _apply(self._blurred, grids)
        if self._through_blur:
            return masks
        plain = _apply(self._plain, grids)
        return plain + tf.stop_gradient(masks - plain)

    def sample(self, masks):
        """Return grids (batch, rows, columns) of the values in the middle of each cell."""
        for axis, (few, many) in enumerate(zip(self.shape, masks.shape[1:]), 1):
            places = ((np.arange(few) + 0.5) * many / few).astype("int32")
            masks = tf.gather(masks, places, axis=axis)
        return masks


def enlargement(few, many):
    """Return the matrix (many, few) that repeats each of `few` cells."""
    cells = np.arange(many) * few // many
    return np.eye(few, dtype="float32")[cells]


def _apply(matrices, grids):
    rows, columns = (tf.constant(matrix.astype("float32")) for matrix in matrices)
    return tf.matmul(tf.matmul(rows, grids), columns, transpose_b=True)
