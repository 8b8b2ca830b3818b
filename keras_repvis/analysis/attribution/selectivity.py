"""Channel selectivity: whether the maps of different channels at one position of a layer differ.

For a unit (u, k) of a layer, at position u and in channel k, a rule of propagation brings its activation back to the
image, or only to a layer below. If the maps of all channels at u are alike, the map tells where u looks and not what
channel k is: the rule selects in space, not among channels. What is measured is the correlation of the maps of two
channels, averaged over pairs of the channels that are most active at u:

    r = mean over pairs k < l of corr(M_k, M_l)

1 is no selectivity at all. Only the positions that one of the channels depends on are compared: the zeros around the
field of view of u, which all channels share, would make any maps alike.

The talk's finding is that all of gradient, DeConvNet and guided backpropagation are poor at it when they go back to the
image, and better when they go back a few layers only.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.analysis.attribution import copies, relu_rules
from keras_repvis.analysis.attribution.gradient import REDUCTIONS, check_spatial, propagate, reduce_channels
from keras_repvis.analysis.representation import Representation


@dataclasses.dataclass(frozen=True)
class ChannelSelectivity:
    """How alike the maps of channels at one position are, for one rule and one depth.

    Args:
        rule: "gradient", "deconvnet" or "guided".
        stop: Where the maps are: None for the image, or the layer as it was given.
        correlations: float64 array (images,), the mean correlation over pairs of channels of each image; NaN where
            fewer than two channels have a map that is not constant.

    Example:
        >>> import numpy as np
        >>> ChannelSelectivity("guided", None, np.array([0.5, 0.7, np.nan])).mean
        0.6
    """

    rule: str
    stop: object
    correlations: np.ndarray

    @property
    def mean(self):
        """Mean over the images that have one; NaN if none has."""
        known = self.correlations[np.isfinite(self.correlations)]
        return float(np.mean(known)) if known.size else float("nan")


def measure_channel_selectivity(
    model,
    images,
    layer="spatial",
    stops=(None,),
    rules=relu_rules.RULES,
    channels=8,
    position=None,
    reduction="max_abs",
    batch_size=32,
):
    """Measure how alike the maps of different channels at one position of a layer are.

    Args:
        model: Built `keras.Model` of one input.
        images: float32 array (images, height, width, channels) in [0, 1].
        layer: Whose units are explained: as in `analysis.Representation`, "spatial" (default) for the last activation
            that has positions.
        stops: Sequence of where to stop: None for the image, or a layer as in `analysis.Representation`.
        rules: Sequence of "gradient", "deconvnet" and "guided". All three by default.
        channels: Integer >= 2, how many channels are compared: of each image those most active at the position.
        position: Pair of integers (row, column) of `layer`, or None (default) for the position of each image where the
            sum of its activations is largest.
        reduction: How the channels of the image, or of the layer where propagation stops, become one number: "max_abs"
            (default), "l2" or "sum" (see `Gradient`); None compares them one by one.
        batch_size: Integer >= 1, images times channels that go through the model at once.

    Returns:
        List of `ChannelSelectivity`, one for each of `stops` and each of `rules`, in this order.

    Raises:
        UnsupportedModelError: If no gradient goes from the layer to where it stops, or a rule finds no rectifier.
        ValueError: If an argument does not fit the model.

    Example:
        >>> import numpy as np
        >>> model = keras_repvis.models.MobileNetV1(input_shape=(32, 32, 1), classes=10, width_multiplier=0.1)
        >>> images = np.random.default_rng(0).random((2, 32, 32, 1), "float32")
        >>> found = measure_channel_selectivity(model, images, "block_5_pointwise_activation", rules=["guided"])
        >>> len(found), found[0].correlations.shape, -1 <= found[0].mean <= 1
        (1, (2,), True)

    Reference:
        Mahendran and Vedaldi, "Salient Deconvolutional Networks", 2016, for maps of units at one position.
    """
    checks.number("channels", channels, low=2, integer=True)
    checks.number("batch_size", batch_size, low=1, integer=True)
    if reduction is not None:
        checks.one_of("reduction", reduction, REDUCTIONS)
    for rule in rules:
        checks.one_of("rules", rule, relu_rules.RULES)
    images = np.asarray(images, "float32")
    found = []
    for stop in stops:
        for rule in rules:
            units = _Units(model, layer, stop, rule, channels, position, reduction)
            compiled = tf.function(units.maps, autograph=False, reduce_retracing=True)
            size = max(1, batch_size // channels)
            parts = [compiled(tf.constant(images[at : at + size])).numpy() for at in range(0, len(images), size)]
            correlations = np.array([_mean_correlation(maps) for maps in np.concatenate(parts)])
            found.append(ChannelSelectivity(rule, stop, correlations))
    return found


class _Units:
    """The maps of the most active units at one position of each image, while they are traced."""

    def __init__(self, model, layer, stop, rule, channels, position, reduction):
        self.phi = Representation(model, [layer] if stop is None else [layer, stop])
        self.name = model.name
        self.stop, self.rule, self.channels = stop, rule, channels
        self.position, self.reduction = position, reduction

    def maps(self, images):
        """Return (images, units, values)."""
        code = self.phi.trace(images)[0][0]
        check_spatial(code)
        if code.shape[-1] is not None and self.channels > code.shape[-1]:
            raise ValueError(f"channels={self.channels} is not accepted: the layer has {code.shape[-1]}.")
        rows, columns = self._positions(code)
        places = tf.stack([tf.range(tf.shape(code)[0]), rows, columns], axis=-1)
        units = tf.math.top_k(tf.gather_nd(code, places), self.channels).indices

        repeated = tf.repeat(images, self.channels, axis=0)
        codes, _ = self.phi.trace(repeated)
        start = repeated if self.stop is None else codes[1]
        check_spatial(start)
        rows, columns = (tf.repeat(one, self.channels) for one in (rows, columns))
        order = tf.range(tf.shape(repeated)[0])
        activations = tf.gather_nd(codes[0], tf.stack([order, rows, columns, tf.reshape(units, [-1])], axis=-1))
        relu_rules.apply(self.rule, start, activations, self.name)
        signal = propagate(activations, start, self.name, "the image" if self.stop is None else repr(self.stop))
        maps = signal if self.reduction is None else reduce_channels(signal, self.reduction)
        separate = copies.separate(maps, images)
        return tf.reshape(separate, (tf.shape(images)[0], self.channels, -1))

    def _positions(self, code):
        """Return (rows, columns), (images,) each."""
        count, height, width = (tf.shape(code)[axis] for axis in range(3))
        if self.position is not None:
            for side, size, name in zip(self.position, code.shape[1:3], ("row", "column")):
                checks.number(f"{name} of position", side, low=0, high=size - 1, integer=True)
            return tuple(tf.fill([count], side) for side in self.position)
        active = tf.reshape(tf.reduce_sum(tf.cast(code, "float32"), axis=-1), (count, height * width))
        best = tf.argmax(active, axis=-1, output_type=tf.int32)
        return best // width, best % width


def _mean_correlation(maps):
    """Return the mean Pearson correlation over pairs of the rows of (units, values), or NaN."""
    maps = maps[:, (maps != 0).any(axis=0)].astype("float64")
    if maps.shape[1] < 2:
        return np.nan
    centred = maps - maps.mean(axis=1, keepdims=True)
    sizes = np.linalg.norm(centred, axis=1)
    # What is left of a constant is rounding.
    varies = sizes > 1e-6 * np.linalg.norm(maps, axis=1)
    maps = centred[varies] / sizes[varies, np.newaxis]
    count = len(maps)
    if count < 2:
        return np.nan
    # The sum over all ordered pairs is the square of the sum, without the pairs of a map with itself.
    return float((np.square(maps.sum(axis=0)).sum() - count) / (count * (count - 1)))
