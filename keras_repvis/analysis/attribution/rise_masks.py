"""The random masks of RISE: small grids of zeros and ones, enlarged and shifted.

A grid of s x s cells, each 1 with probability p, is enlarged bilinearly to (s + 1) c_h x (s + 1) c_w pixels, with
cells of c_h = ceil(height/s), c_w = ceil(width/s) pixels, and a window of the size of the image is cut out of it, from
a row in [0, c_h) and a column in [0, c_w) that are drawn for each mask. Every value is a weighted mean of cells, so
every pixel of a mask has the mean p.

Mask i depends on the seed and i only: masks are drawn when they are needed, in any groups, and never kept.
"""

import numpy as np
import tensorflow as tf

# Masks that share a state of the random numbers.
_BLOCK = 16


def draw(seed, first, count, grid, keep, height, width):
    """Return masks number `first` to `first + count - 1`, float32 (count, height, width) in [0, 1].

    Args:
        seed: Integer.
        first: Integer tensor.
        count: Integer tensor.
        grid: Integer, cells along a side.
        keep: Probability of a cell to be 1.
        height: Integer, pixels.
        width: Integer, pixels.
    """
    numbers = _uniform(seed, first, count, grid * grid + 2)
    cells = tf.cast(tf.reshape(numbers[:, 2:], (-1, grid, grid)) < keep, "float32")
    rows, columns = (_windows(numbers[:, place], grid, side) for place, side in enumerate((height, width)))
    return tf.matmul(tf.matmul(rows, cells), columns, transpose_b=True)


def enlargement(cells, pixels):
    """Return the matrix (pixels, cells) that enlarges a row of cells bilinearly.

    Pixel i is at (i + 1/2) cells/pixels - 1/2 among the cells; beyond the middle of the outermost ones the row goes on
    as its mirror image.
    """
    places = np.abs((np.arange(pixels) + 0.5) * cells / pixels - 0.5)
    last = cells - 1
    places = np.where(places > last, 2 * last - places, places)
    matrix = np.maximum(0.0, 1.0 - np.abs(places[:, None] - np.arange(cells)))
    return (matrix if cells > 1 else np.ones((pixels, 1))).astype("float32")


def _windows(numbers, grid, side):
    """Return the rows of the enlargement that each shift leaves, (masks, side, grid)."""
    cell = -(-side // grid)
    shift = tf.cast(numbers * cell, "int32")
    return tf.gather(tf.constant(enlargement(grid, (grid + 1) * cell)), shift[:, None] + tf.range(side))


def _uniform(seed, first, count, length):
    """Return rows `first` to `first + count - 1` of an endless table of uniform numbers, (count, length)."""
    start = first // _BLOCK
    stop = (first + count - 1) // _BLOCK + 1

    def block(number):
        return tf.random.stateless_uniform((_BLOCK, length), seed=tf.stack([tf.constant(seed, "int64"), number]))

    table = tf.map_fn(block, tf.cast(tf.range(start, stop), "int64"), fn_output_signature="float32")
    skipped = first - start * _BLOCK
    return tf.reshape(table, (-1, length))[skipped : skipped + count]
