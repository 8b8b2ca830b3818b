"""Total variation of masks: what makes them smooth, sum over the cells of (dx^2 + dy^2)^(b/2)."""

import tensorflow as tf


def total_variation(masks, power):
    """Return sum ((m[i+1, j] - m[i, j])^2 + (m[i, j+1] - m[i, j])^2)^(power/2), (batch,); 0 behind the last cell.

    Args:
        masks: float32 tensor (batch, rows, columns).
        power: Number >= 1, b. The gradient is 0 where the mask is flat.

    Returns:
        float32 tensor (batch,).

    Example:
        >>> import tensorflow as tf
        >>> ramp = tf.constant([[[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]]])
        >>> total_variation(ramp, 3).numpy().tolist()
        [4.0]
    """
    down = tf.pad(masks[:, 1:] - masks[:, :-1], [[0, 0], [0, 1], [0, 0]])
    across = tf.pad(masks[:, :, 1:] - masks[:, :, :-1], [[0, 0], [0, 0], [0, 1]])
    squares = tf.square(down) + tf.square(across)
    steep = squares > 0
    powers = tf.where(steep, tf.pow(tf.where(steep, squares, 1.0), power / 2), 0.0)
    return tf.reduce_sum(powers, axis=(1, 2))
