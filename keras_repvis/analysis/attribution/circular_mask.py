"""The smallest disc in the middle of an image that hides what the output is about: where a search for a mask begins.

Discs of radius 0, 5, ..., 170 pixels around the middle of an image of 224 pixels, blurred by a Gaussian of 10 pixels,
are replaced by the background. Of the outputs f_r the smallest disc is taken with

    (f_r - f_170) / (f(x) - f_170) < 0.01,

the largest if there is none. For other sizes all lengths change as the diagonal does.

Reference:
    Fong and Vedaldi, "Interpretable Explanations of Black Boxes by Meaningful Perturbation", 2017, section 4.
    Constants: ruthcfong/perturb_explanations.
"""

import numpy as np
import tensorflow as tf

from keras_repvis.analysis.attribution import gaussian_blur, masking

_RADII = 5.0 * np.arange(35)
_SOFTNESS = 10.0
_SHARE = 0.01
# Half the diagonal that the lengths above are meant for.
_DIAGONAL = np.hypot(224, 224)


def smallest(query, back):
    """Return the smallest disc that hides what f is about, 1 inside, (batch, height, width).

    Args:
        query: `Query`.
        back: Background, a tensor that broadcasts to the images.
    """
    height, width = query.images.shape[1:3]
    whole = query.score(query.outputs())

    def hidden(number):
        disc = discs(tf.fill(tf.shape(whole), number), height, width)
        return query.score(query.outputs(masking.mix(query.images, 1 - disc, back)))

    last = hidden(len(_RADII) - 1)

    def body(number, found):
        enough = (hidden(number) - last) / (whole - last) < _SHARE
        return number - 1, tf.where(enough, number, found)

    # From the largest to the smallest, which is kept in the end.
    start = (tf.constant(len(_RADII) - 2), tf.fill(tf.shape(whole), len(_RADII) - 1))
    found = tf.while_loop(lambda number, _: number >= 0, body, start, parallel_iterations=1)[1]
    return discs(found, height, width)


def discs(numbers, height, width):
    """Return the blurred discs of these numbers, from 0 to 34, (batch, height, width)."""
    scale = float(np.hypot(height, width) / _DIAGONAL)
    rows, columns = (np.arange(side) - side // 2 for side in (height, width))
    distances = tf.constant(rows[:, None] ** 2 + columns**2, "float32")
    radii = tf.gather(tf.constant(_RADII * scale, "float32"), numbers)
    sharp = tf.cast(distances <= tf.square(radii)[:, None, None], "float32")
    return gaussian_blur.blur_maps(sharp, _SOFTNESS * scale)
