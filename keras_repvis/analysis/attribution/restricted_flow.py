"""Restricting the flow: a code is mixed with noise, and what still passes is measured in bits.

The code R of an image at a layer is replaced by

    Z = l R + (1 - l) e,    e ~ N(mean, std^2) of each neuron,    l in [0, 1],    l = S sigmoid(alpha)

with S a Gaussian smoothing over the positions, channel by channel. l = 1 keeps the neuron, l = 0 replaces it by noise
that looks like it. With r = (R - mean)/std, and Q the distribution of e, what Z tells of R is bounded by

    KL(P(Z|R) || Q) = 1/2 ((l r)^2 + (1 - l)^2 - 1) - log(1 - l)    nats a neuron.

It is 0 at l = 0 and infinite at l = 1. Here 1 - l, computed as S sigmoid(-alpha) without cancellation, counts as 2^-24
where it is less: the resolution of the float32 number that the neuron is. Dead neurons, those that are zero in nearly
all images, are set to 0 and hold nothing.

Reference:
    Schulz, Sixt, Tombari and Landgraf, "Restricting the Flow: Information Bottlenecks for Attribution", 2020, section
    3.1.
"""

import numpy as np
import tensorflow as tf

from keras_repvis.analysis.unsupported import UnsupportedModelError

LEAST_NOISE = 2.0**-24


class RestrictedFlow:
    """Mixes codes of one layer with noise, and measures what passes; see this module.

    Args:
        statistics: `FeatureStatistics` of the layer.
        smoothing: Number >= 0, standard deviation of S in positions; 0 for none. The kernel has 2 round(2 smoothing) +
            1 taps, and codes are continued beyond their border by reflection.
        min_std: Smallest standard deviation of a neuron.
        active_share: A neuron is dead if it is zero in at least 1 - `active_share` of the images.
    """

    def __init__(self, statistics, smoothing, min_std, active_share):
        if statistics.mean.ndim != 3:
            raise UnsupportedModelError(
                f"layer={statistics.layer!r}: its codes are {statistics.mean.shape}, and a map needs (height, width, "
                "channels)."
            )
        self.shape = statistics.mean.shape
        self._layer = statistics.layer
        self._mean = statistics.mean.astype("float32")
        self._std = statistics.std(min_std).astype("float32")
        self._active = statistics.active(active_share).astype("float32")
        self._smoothers = [_smoother(size, smoothing) for size in self.shape[:2]] if smoothing else None

    def check(self, path, code):
        """Raise a `ValueError` unless the statistics are of this layer and of codes of this shape."""
        if path != self._layer or not code.shape[1:].is_compatible_with(self.shape):
            raise ValueError(
                f"statistics are of layer {self._layer!r} with codes {self.shape}: they do not fit layer {path!r} with "
                f"codes {tuple(code.shape[1:])}. Estimate them for it, from images of this size."
            )

    def shares(self, alpha):
        """Return (l, 1 - l), each (batch, height, width, channels), from alpha of that shape."""
        kept, noise = tf.sigmoid(alpha), tf.sigmoid(-alpha)
        if self._smoothers is not None:
            kept, noise = ((_smooth(share, *self._smoothers)) for share in (kept, noise))
        return kept, noise

    def capacity(self, code, kept, noise):
        """Return what passes in nats, (batch, height, width, channels)."""
        signal = kept * (tf.cast(code, "float32") - self._mean) / self._std
        # The first is exact near l = 0, the second near l = 1.
        log_noise = tf.where(
            kept < 0.5, tf.math.log1p(-tf.minimum(kept, 0.5)), tf.math.log(tf.maximum(noise, LEAST_NOISE))
        )
        return self._active * (0.5 * (tf.square(signal) - kept * (1 + noise)) - log_noise)

    def restrict(self, code, kept, noise, draws):
        """Return Z (batch x samples, height, width, channels), the samples of an image one after the other.

        Args:
            code: R (batch, height, width, channels).
            kept: l of that shape.
            noise: 1 - l of that shape.
            draws: Standard normal numbers (samples, height, width, channels), the same for all images; or (batch,
                samples, height, width, channels).
        """
        draws = self._mean + self._std * draws
        mixed = self._active * ((kept * tf.cast(code, "float32"))[:, None] + noise[:, None] * draws)
        return tf.reshape(mixed, tf.concat([[-1], tf.shape(mixed)[2:]], axis=0))


def to_bits(capacity):
    """Return maps in bits (batch, height, width) from nats (batch, height, width, channels)."""
    # Rounding may leave a neuron that holds nothing just below 0.
    return tf.reduce_sum(tf.maximum(capacity, 0.0), axis=-1) / np.log(2).astype("float32")


def upsample(maps, height, width):
    """Return maps (batch, height, width), enlarged bilinearly, each with as many bits as before.

    Where sizes divide, this is the scaling by (h w)/(H W); elsewhere the sum is kept exactly, too.
    """
    larger = tf.image.resize(maps[..., None], (height, width))[..., 0]
    before, after = (tf.reduce_sum(some, axis=(1, 2), keepdims=True) for some in (maps, larger))
    return larger * tf.math.divide_no_nan(before, after)


def _smooth(share, rows, columns):
    return tf.einsum("ih,jw,bhwk->bijk", rows, columns, share)


def _smoother(size, sigma):
    """Return the matrix (size, size) of a Gaussian filter with reflection at both ends."""
    reach = round(2 * sigma)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights /= weights.sum()
    sources = np.pad(np.arange(size), reach, mode="reflect") if size > 1 else np.zeros(1 + 2 * reach, int)
    matrix = np.zeros((size, size))
    for place in range(size):
        np.add.at(matrix[place], sources[place : place + 2 * reach + 1], weights)
    return matrix.astype("float32")
