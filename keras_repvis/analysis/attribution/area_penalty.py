"""The constraint that a mask is binary and has a given area.

With the n values of a mask in ascending order, sort(m), and a vector r_a of (1 - a) n zeros and then ones,

    penalty = 1/n sum (sort(m) - r_a)^2,

0 if and only if the mask is binary with the area a. Only which values belong to the ones matters, not their order:
they are those above the a n-th largest value, which is found by bisection on the bits of the numbers. Values equal to
it, but for rounding, share the ones that are left among them; which of them a sort would put first is chance.

Reference:
    Fong, Patrick and Vedaldi, "Understanding Deep Networks via Extremal Perturbations and Smooth Masks", 2019, section
    3.
"""

import tensorflow as tf

# Differences of values that are rounding.
_EQUAL = 1e-5


def area_penalty(masks, areas):
    """Return the penalty of each mask, (batch,).

    Args:
        masks: float32 tensor (batch, height, width) >= 0.
        areas: float32 tensor (batch,) in [0, 1], shares of the mask.

    Returns:
        float32 tensor (batch,).

    Example:
        >>> import tensorflow as tf
        >>> mask = tf.constant([[[0.0, 1.0], [0.0, 0.0]]])
        >>> [area_penalty(mask, tf.constant([area])).numpy().tolist() for area in (0.25, 0.5)]
        [[0.0], [0.25]]
    """
    values = tf.reshape(masks, (tf.shape(masks)[0], -1))
    ones = tf.stop_gradient(reference(values, areas))
    # (m - r)^2 for r that is 0 or 1; where r is a share of both, the mean of the two.
    return tf.reduce_mean(tf.square(values) - 2 * values * ones + ones, axis=1)


def reference(values, areas):
    """Return the ones of r_a at the places of the values they belong to, (batch, n)."""
    count = tf.shape(values)[1]
    # Rounding must not take a whole number for the one below it.
    zeros = tf.cast(tf.cast(count, "float32") * (1 - areas) + 0.01, "int32")
    wanted = tf.cast(count - zeros, "float32")
    limit = largest(values, wanted)[:, None]
    above = tf.cast(values > limit + _EQUAL, "float32")
    at = tf.cast(tf.abs(values - limit) <= _EQUAL, "float32")
    left = wanted - tf.reduce_sum(above, axis=1)
    return above + at * tf.math.divide_no_nan(left, tf.reduce_sum(at, axis=1))[:, None]


def largest(values, rank):
    """Return the `rank`-th largest of each row of values >= 0, (batch,); infinity for rank 0.

    Positive floating-point numbers are ordered as their bits are, so the answer is found bit by bit.
    """
    bits = tf.bitcast(values, "int32")
    found = tf.zeros_like(rank, dtype="int32")
    for bit in range(30, -1, -1):
        tried = found + (1 << bit)
        enough = tf.reduce_sum(tf.cast(bits >= tried[:, None], "float32"), axis=1) >= rank
        found = tf.where(enough, tried, found)
    return tf.where(rank > 0, tf.bitcast(found, "float32"), float("inf"))
