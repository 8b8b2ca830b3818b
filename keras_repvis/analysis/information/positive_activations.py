"""How many units of each ReLU layer are positive at a position: too few, and the layer forgets its input there.

An expansion from n to t n channels keeps x only where at least n, a share 1/t, of the expanded units are positive.
At initialisation each is positive with probability 1/2, and the share concentrates there. The talk and the paper
follow mean and spread of the share through training, against the threshold 1/6 of MobileNetV2's t = 6.
"""

import dataclasses
import math

import keras
import numpy as np

from keras_repvis import checks
from keras_repvis.analysis.information import relu_units


@dataclasses.dataclass(frozen=True)
class PositiveShare:
    """Share of positive activations of one ReLU layer, over all positions of all images.

    Attributes:
        layer: Name of the layer; `outer/inner` in a nested model.
        positions: Number of positions (images for a layer without height and width) looked at.
        mean: Mean share of positive units, in [0, 1].
        std: Standard deviation of the share over positions and images.
        minimum: Smallest share at any position.
        maximum: Largest share at any position.
        below_threshold: Share of positions at or below the threshold, in [0, 1].
    """

    layer: str
    positions: int
    mean: float
    std: float
    minimum: float
    maximum: float
    below_threshold: float


class PositiveActivations:
    """Counts positive activations of a model's ReLU layers on images.

    The share is taken over the channels of one position of one image. It is the same before and after the ReLU.
    Only shares leave the compiled graph, so memory does not grow with the number of images.

    Args:
        model: `keras.Model` of any kind; it is run with `training=False`.
        layers: Names of the ReLU layers to follow, or None for all of them. Default None.
        threshold: Share at or below which a position counts as `below_threshold`, in [0, 1]; 1 / expansion. Default
            1/6, MobileNetV2's.

    Raises:
        ValueError: If the model has no ReLU-like layer, a name is not one of them, or `threshold` is out of range.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from keras_repvis.analysis import information
        >>> model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Conv2D(96, 1, activation="relu", name="c")])
        >>> images = np.random.default_rng(0).normal(size=(8, 4, 4, 3))
        >>> share = information.PositiveActivations(model)(images)["c"]
        >>> 0.4 < share.mean < 0.6, share.positions
        (True, 128)

    Reference:
        Sandler et al., 2018, MobileNetV2: Inverted Residuals and Linear Bottlenecks, figure 7.
    """

    def __init__(self, model, layers=None, threshold=1 / 6):
        self.threshold = checks.number("threshold", threshold, low=0, high=1)
        units = relu_units.find(model)
        if layers is not None:
            units = {checks.one_of("layers", name, units): units[name] for name in layers}
        self.layers = tuple(units)
        self._record = relu_units.recorder(model, units, _positive_share)

    def __call__(self, images, batch_size=64):
        """Count over `images`.

        Args:
            images: Array `(batch, height, width, channels)` as the model takes it, or an iterable of such batches
                (for instance a `tf.data.Dataset` of images, or of tuples that start with the images).
            batch_size: How many images of an array are looked at together. Integer >= 1. Default 64.

        Returns:
            Dict of layer name to `PositiveShare`, in the order of the model. A layer that the model calls more than
            once has one entry per call: `name`, `name#2`, ...

        Raises:
            ValueError: If there are no images, or the model never called the layers.
        """
        sums = {}
        for batch in relu_units.batches(images, batch_size):
            for name, share in self._record(batch).items():
                share = np.asarray(share, np.float64).ravel()
                sums.setdefault(name, _Sums()).add(share, self.threshold)
        if not sums:
            raise ValueError(f"layers={self.layers!r} were never called by the model.")
        order = [name for layer in self.layers for name in sums if name.partition("#")[0] == layer]
        return {name: sums[name].share(name) for name in order}


def _positive_share(output):
    return keras.ops.mean(keras.ops.cast(output > 0, "float32"), axis=-1)


class _Sums:
    """Running sums of one layer's shares. The first value is subtracted so that a tiny spread is not rounded away."""

    def __init__(self):
        self.count = self.below = 0
        self.origin = None
        self.total = self.squares = 0.0
        self.minimum, self.maximum = 1.0, 0.0

    def add(self, share, threshold):
        if self.origin is None:
            self.origin = share[0]
        self.count += share.size
        self.total += np.sum(share - self.origin)
        self.squares += np.sum((share - self.origin) ** 2)
        self.minimum = min(self.minimum, share.min())
        self.maximum = max(self.maximum, share.max())
        # A share of exactly 1/6 arrives as a float32: compare with room for its rounding.
        self.below += int(np.count_nonzero(share <= threshold + 1e-6))

    def share(self, name):
        mean = self.total / self.count
        return PositiveShare(
            layer=name,
            positions=self.count,
            mean=float(self.origin + mean),
            std=math.sqrt(max(0.0, self.squares / self.count - mean**2)),
            minimum=float(self.minimum),
            maximum=float(self.maximum),
            below_threshold=self.below / self.count,
        )
