"""Random numbers as a pure function of counters: no state to save, the same in any order and batch."""

import numpy as np
import tensorflow as tf

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def uniform(seed, epoch, indices, draws):
    """Return uniform numbers in [0, 1) that depend on (seed, epoch, index, number of the draw) alone.

    The four counters are absorbed one after the other into a 64-bit state, each by an addition of an odd constant and
    the finaliser of SplitMix64; the number is the top 24 bits of the result over 2^24.

    Args:
        seed: Integer.
        epoch: Integer or scalar integer tensor.
        indices: Integer tensor `(batch,)`, one an example.
        draws: How many numbers an example needs.

    Returns:
        float32 tensor `(batch, draws)`.

    Example:
        >>> from keras_repvis.data import counter_random
        >>> import tensorflow as tf
        >>> together = counter_random.uniform(1, 0, tf.constant([3, 4]), 2)
        >>> alone = counter_random.uniform(1, 0, tf.constant([4]), 2)
        >>> bool(tf.reduce_all(together[1] == alone[0]))
        True

    Reference:
        Steele, Lea & Flood, 2014, Fast Splittable Pseudorandom Number Generators, figure 1 (the finaliser, with the
        constants of Stafford's variant 13).
    """
    state = _mix(_counter(seed))
    state = _mix(tf.bitwise.bitwise_xor(state, _counter(epoch)))
    state = _mix(tf.bitwise.bitwise_xor(state, _counter(indices)))
    state = _mix(tf.bitwise.bitwise_xor(state[:, None], _counter(tf.range(draws))[None, :]))
    bits = tf.bitwise.right_shift(state, tf.constant(40, tf.uint64))
    return tf.cast(tf.cast(bits, tf.int32), tf.float32) / 2.0**24


def _counter(value):
    return tf.cast(tf.cast(value, tf.int64), tf.uint64)


def _mix(state):
    state = state + _GOLDEN
    state = _shift_and_xor(state, 30) * _FIRST
    state = _shift_and_xor(state, 27) * _SECOND
    return _shift_and_xor(state, 31)


def _shift_and_xor(state, bits):
    return tf.bitwise.bitwise_xor(state, tf.bitwise.right_shift(state, tf.constant(bits, tf.uint64)))
