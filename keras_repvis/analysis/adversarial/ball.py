"""The perturbations that an attack may choose: a ball of radius epsilon, cut by the range [0, 1] of images.

Rounding counts: a bound that a perturbed image exceeds by one unit in the last place is no bound. Points are computed
in float64 and rounded to float32 *towards the image*, so that the difference of two float32 images is at most epsilon:

    linf    max |x' - x| <= epsilon, exactly, and in float32 arithmetic too
    l2      (sum (x' - x)^2)^(1/2) <= epsilon, summed in float64
"""

import numpy as np
import tensorflow as tf

NORMS = ("linf", "l2")
# What sums and square roots of float64 may be off by.
_SLACK = 1e-12


class Ball:
    """All images in [0, 1] at most epsilon away from `images`; symbolic, made inside a traced function.

    Args:
        images: float32 tensor (batch, height, width, channels) in [0, 1].
        norm: "linf" or "l2".
        epsilon: Radius in units of the pixels in [0, 1], > 0.

    Example:
        >>> import tensorflow as tf
        >>> ball = Ball(tf.fill((1, 1, 1, 1), 0.5), "linf", 0.125)
        >>> float(ball.project(tf.fill((1, 1, 1, 1), 0.9))[0, 0, 0, 0])
        0.625
    """

    def __init__(self, images, norm, epsilon):
        self._images = images
        self._norm = norm
        self._centre = tf.cast(images, "float64")
        self._epsilon = tf.constant(epsilon, "float64")
        if norm == "linf":
            self._low = self._round(tf.maximum(self._centre - self._epsilon, 0.0), self._epsilon)
            self._high = self._round(tf.minimum(self._centre + self._epsilon, 1.0), self._epsilon)

    def project(self, points):
        """Return the nearest image of the ball to each of `points`, for l2 the nearest along the line to its centre."""
        if self._norm == "linf":
            return tf.clip_by_value(tf.cast(points, "float32"), self._low, self._high)
        away = tf.cast(points, "float64") - self._centre
        length = tf.sqrt(tf.reduce_sum(away**2, axis=(1, 2, 3), keepdims=True))
        shorter = away * tf.minimum(self._epsilon * (1 - _SLACK) / tf.maximum(length, _SLACK**2), 1.0)
        # A pixel that is cut to [0, 1] comes closer, since its centre is in there.
        return self._round(tf.clip_by_value(self._centre + shorter, 0.0, 1.0), tf.abs(shorter))

    def step(self, points, gradient, size):
        """Return `points` moved by `size` along the steepest ascent of the norm, and projected."""
        if self._norm == "linf":
            return self.project(points + tf.cast(size, "float32") * tf.sign(gradient))
        return self.project(tf.cast(points, "float64") + size * unit(gradient))

    def _round(self, points, allowed):
        """Return float64 `points` as float32, a difference to the centre above `allowed` rounded towards it."""
        rounded = tf.cast(points, "float32")
        beyond = tf.abs(tf.cast(rounded, "float64") - self._centre) > allowed
        return tf.where(beyond, tf.math.nextafter(rounded, self._images), rounded)


def unit(gradient):
    """Return g / |g|_2 for each image as float64, 0 where g is 0; squares of small numbers do not vanish in it."""
    gradient = tf.cast(gradient, "float64")
    return tf.math.divide_no_nan(gradient, tf.sqrt(tf.reduce_sum(gradient**2, axis=(1, 2, 3), keepdims=True)))


def random_point(generator, shape, norm):
    """Return points drawn uniformly from the ball of radius 1 around 0, not cut to any range.

    For l2 they are the first n coordinates of points on the unit sphere in n + 2 dimensions. One image's numbers are
    drawn after another's, so that images that are drawn in several calls are those of one call.

    Args:
        generator: `numpy.random.Generator`.
        shape: (batch, height, width, channels).
        norm: "linf" or "l2".

    Returns:
        float64 array of that shape.
    """
    if norm == "linf":
        return generator.uniform(-1.0, 1.0, shape)
    normal = generator.normal(size=(shape[0], int(np.prod(shape[1:])) + 2))
    return (normal / np.linalg.norm(normal, axis=1, keepdims=True))[:, :-2].reshape(shape)


def random_extreme(generator, shape, norm):
    """Return points as far out as the ball of radius 1 goes: random signs for linf, the sphere for l2; see above."""
    if norm == "linf":
        return np.sign(generator.random(shape) - 0.5)
    normal = generator.normal(size=shape)
    return normal / np.sqrt((normal**2).sum(axis=(1, 2, 3), keepdims=True))
