"""Where, on data, the expansion layers of a trained network keep their input.

The theorem of `relu_collapse` speaks of random matrices. Here the matrix is the kernel of a trained 1x1 convolution,
and the active rows are those of real images.
"""

import dataclasses

import numpy as np

from keras_repvis import checks
from keras_repvis.analysis.information import relu_recovery, relu_units


@dataclasses.dataclass(frozen=True)
class Recovery:
    """What an expansion layer keeps of its input, over all positions of all images.

    Attributes:
        layer: Name of the expanding convolution.
        expanded: Its output channels m.
        bottleneck: Its input channels n.
        positions: Number of positions looked at.
        enough_active: Share of positions with at least n active units, in [0, 1].
        recoverable: Share of positions whose active rows span the input channels, in [0, 1]; what is truly kept.
        fewest_active: Smallest number of active units at any position.
    """

    layer: str
    expanded: int
    bottleneck: int
    positions: int
    enough_active: float
    recoverable: float
    fewest_active: int


class ExpansionRecovery:
    """Measures on data where a 1x1 expansion followed by a ReLU keeps its input.

    A unit is active where its output is positive and, for ReLU6, below six: what is cut tells as little as what is
    silent. Normalisation between the two scales the rows of B and adds biases, which changes neither the rank of the
    active rows nor what they determine; a channel whose scale is exactly zero counts as active only by its bias.

    Args:
        model: Functional `keras.Model` with one input.
        layer: Name of a 1x1 convolution that leads, directly or through one batch normalisation, to ReLU or ReLU6.

    Raises:
        ValueError: If the layer does not exist, is not a 1x1 convolution, or does not lead to a ReLU.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from keras_repvis.analysis import information
        >>> inputs = keras.Input((8, 8, 4))
        >>> expanded = keras.layers.Conv2D(40, 1, name="expand")(inputs)
        >>> model = keras.Model(inputs, keras.layers.ReLU()(expanded))
        >>> images = np.random.default_rng(0).normal(size=(2, 8, 8, 4))
        >>> information.ExpansionRecovery(model, "expand")(images).recoverable
        1.0

    Reference:
        Sandler et al., 2018, MobileNetV2: Inverted Residuals and Linear Bottlenecks, appendix A.
    """

    def __init__(self, model, layer):
        checks.one_of("layer", layer, [candidate.name for candidate in model.layers])
        self.layer = model.get_layer(layer)
        unit, self.max_value = relu_units.after_expansion(model, self.layer)
        self._record = relu_units.recorder(model, unit, lambda output: output)

    def __call__(self, images, batch_size=64):
        """Measure over `images`.

        Args:
            images: Array `(batch, height, width, channels)` as the model takes it, or an iterable of such batches
                (for instance a `tf.data.Dataset` of images, or of tuples that start with the images).
            batch_size: How many images of an array are looked at together. Integer >= 1. Default 64.

        Returns:
            `Recovery`.

        Raises:
            ValueError: If there are no images.
        """
        weights = np.asarray(self.layer.kernel, np.float64)[0, 0].T
        expanded, bottleneck = weights.shape
        positions = enough = recoverable = 0
        fewest = expanded
        for batch in relu_units.batches(images, batch_size):
            (values,) = self._record(batch).values()
            active = self._active(np.asarray(values)).reshape(-1, expanded)
            counts = active.sum(axis=1)
            positions += len(counts)
            enough += int(np.count_nonzero(counts >= bottleneck))
            recoverable += int(np.count_nonzero(relu_recovery.active_rows_span(weights, active)))
            fewest = min(fewest, int(counts.min()))
        return Recovery(
            layer=self.layer.name,
            expanded=expanded,
            bottleneck=bottleneck,
            positions=positions,
            enough_active=enough / positions,
            recoverable=recoverable / positions,
            fewest_active=fewest,
        )

    def _active(self, values):
        return values > 0 if self.max_value is None else (values > 0) & (values < self.max_value)
