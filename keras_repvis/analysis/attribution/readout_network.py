"""The network of a readout bottleneck: what should pass at each place of a layer, read from several layers.

Each code R_i is standardised neuron by neuron, enlarged or reduced bilinearly to the positions of R_1, the restricted
code (a vector is repeated at all of them), and they are stacked. Three 1 x 1 convolutions with ReLUs between them give
alpha, clipped to [-5, 5]. The last begins with biases of 5 and weights close to 0: at first everything passes.
"""

import keras
import tensorflow as tf

ALPHA_BOUND = 5.0
# Channels of the second convolution for `out` channels of the restricted layer.
MIDDLES = {"double": lambda out: 2 * out, "quarter": lambda out: max(1, out // 4)}


class ReadoutNetwork:
    """Function from the codes of several layers to alpha (batch, height, width, out) of the first.

    Args:
        statistics: List of `FeatureStatistics`, of the restricted layer first.
        middle: A key of `MIDDLES`.
        min_std: Smallest standard deviation of a neuron.
        seed: Integer, of the first weights.

    Attributes:
        network: `keras.Model`, the three convolutions.
    """

    def __init__(self, statistics, middle, min_std, seed):
        height, width, out = statistics[0].mean.shape
        self._size = (height, width)
        self._means = [one.mean.astype("float32") for one in statistics]
        self._stds = [one.std(min_std).astype("float32") for one in statistics]
        channels = sum(mean.shape[-1] for mean in self._means)
        widths = (max(1, channels // 2), MIDDLES[middle](out), out)
        layers = [_convolution(place, width, place == 2, seed) for place, width in enumerate(widths)]
        self.network = keras.Sequential([keras.Input((None, None, channels)), *layers], name="readout")

    def __call__(self, codes):
        stacked = []
        for code, mean, std in zip(codes, self._means, self._stds):
            code = (code - mean) / std
            code = code[:, None, None] if code.shape.rank == 2 else code
            stacked.append(tf.image.resize(code, self._size))
        alpha = self.network(tf.concat(stacked, axis=-1), training=True)
        return tf.clip_by_value(alpha, -ALPHA_BOUND, ALPHA_BOUND)


def _convolution(place, width, last, seed):
    # U(-1, 1)/sqrt(channels), the last a thousand times smaller.
    kernel = keras.initializers.VarianceScaling(1e-6 / 3 if last else 1 / 3, "fan_in", "uniform", seed=seed + place)
    return keras.layers.Conv2D(
        width,
        1,
        activation=None if last else "relu",
        kernel_initializer=kernel,
        bias_initializer=keras.initializers.Constant(ALPHA_BOUND if last else 0.0),
        dtype="float32",
        name=f"readout_{place + 1}",
    )
