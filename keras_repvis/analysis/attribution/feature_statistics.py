"""Mean and spread of every neuron of a layer, gathered over a stream of images in one pass.

Attribution by an information bottleneck replaces a neuron by noise of its own mean and standard deviation. For images
1..n and a neuron's values x_i

    mean = 1/n sum_i x_i        std^2 = 1/(n - 1) sum_i (x_i - mean)^2        share = 1/n sum_i [x_i != 0]

The sums of two disjoint sets a and b of images join without loss, which is done batch by batch:

    n = n_a + n_b        mean = mean_a + d n_b/n        squares = squares_a + squares_b + d^2 n_a n_b/n

with d = mean_b - mean_a. So nothing but three arrays of the layer's shape is kept, in float64, for any number of
images. A neuron that is zero in nearly all images (share <= 0.01) is dead: its standard deviation says nothing.

Reference:
    Welford, "Note on a Method for Calculating Corrected Sums of Squares and Products", 1962; Chan, Golub and LeVeque,
    "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances", 1979. The smallest standard
    deviation and the rule for active neurons are those of the reference code of Schulz et al., 2020
    (BioroboticsLab/IBA).
"""

import dataclasses

import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.analysis.representation import Representation

MIN_STD = 0.01
ACTIVE_SHARE = 0.01
_FIELDS = ("layer", "count", "mean", "squares", "nonzero")


@dataclasses.dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """Mean and spread of every neuron of a layer; made by `estimate_statistics`.

    Args:
        layer: String, the path of the layer.
        count: Integer >= 2, number of images.
        mean: float64 array of the shape of the code of one image.
        squares: float64 array of that shape, the sums of squared deviations from the mean.
        nonzero: int64 array of that shape, the number of images in which the neuron is not zero.

    Example:
        >>> import numpy as np
        >>> one = FeatureStatistics("conv", 2, np.array([1.0]), np.array([2.0]), np.array([2]))
        >>> other = FeatureStatistics("conv", 2, np.array([3.0]), np.array([0.0]), np.array([2]))
        >>> both = one.merge(other)
        >>> both.count, both.mean.tolist(), both.squares.tolist()
        (4, [2.0], [6.0])
    """

    layer: str
    count: int
    mean: np.ndarray
    squares: np.ndarray
    nonzero: np.ndarray

    def std(self, least=MIN_STD):
        """Return the standard deviations, float64, with n - 1 in the denominator, and none below `least`."""
        return np.maximum(np.sqrt(self.squares / (self.count - 1)), least)

    def active(self, share=ACTIVE_SHARE):
        """Return which neurons are not zero in more than this share of the images, a bool array."""
        return self.nonzero > share * self.count

    def merge(self, other):
        """Return the statistics of the images of both; the same layer, other images.

        Raises:
            ValueError: If `other` is of another layer or of images of another size.
        """
        if (self.layer, self.mean.shape) != (other.layer, other.mean.shape):
            raise ValueError(
                f"other is not accepted: statistics of layer {other.layer!r} {other.mean.shape} do not join those of "
                f"layer {self.layer!r} {self.mean.shape}."
            )
        states = [(one.count, one.mean, one.squares, one.nonzero) for one in (self, other)]
        count, mean, squares, nonzero = _joined(*states)
        return FeatureStatistics(self.layer, int(count), mean, squares, nonzero)

    def save(self, path):
        """Write them to a file, `numpy.savez` format."""
        with open(path, "wb") as file:
            np.savez(file, **self.to_arrays())

    @classmethod
    def load(cls, path):
        """Return what `save` has written.

        Raises:
            ValueError: If the file holds something else.
        """
        with np.load(path, allow_pickle=False) as file:
            return cls.from_arrays(file)

    def to_arrays(self):
        """Return a dict of arrays, for a file of several statistics."""
        return {name: np.asarray(getattr(self, name)) for name in _FIELDS}

    @classmethod
    def from_arrays(cls, arrays):
        """Return the statistics from the arrays that `to_arrays` has given.

        Raises:
            ValueError: If one is missing.
        """
        missing = sorted(set(_FIELDS) - set(arrays))
        if missing:
            raise ValueError(f"no feature statistics: {', '.join(missing)} missing.")
        layer, count, *sums = (np.asarray(arrays[name]) for name in _FIELDS)
        return cls(str(layer), int(count), *sums)


def estimate_statistics(model, data, layer=None, examples=10000, batch_size=64):
    """Gather the statistics of one layer, or of several at once, over images.

    Args:
        model: Built `keras.Model`.
        data: `data.Stream`; or an array of images (batch, height, width, channels), or a dict of arrays that the model
            takes; or an iterable of batches, each what the model takes or a tuple that begins with it, as for `fit`.
        layer: A layer as in `analysis.Representation`, or a list of such.
        examples: Integer >= 2, number of images after which to stop. Default 10,000, as in the paper.
        batch_size: Integer >= 1, images at once where `data` are arrays.

    Returns:
        `FeatureStatistics`, or a list of them for a list of layers.

    Raises:
        ValueError: If there are fewer than two images, or images of several sizes.
        UnsupportedModelError: If the layer cannot be seen.

    Example:
        >>> import numpy as np
        >>> model = keras_repvis.models.MobileNetV2(input_shape=(32, 32, 1), classes=10, width_multiplier=0.1)
        >>> images = np.random.default_rng(0).uniform(size=(50, 32, 32, 1)).astype("float32")
        >>> found = estimate_statistics(model, images, "block_2_project_norm")
        >>> found.count, found.mean.shape
        (50, (8, 8, 8))
    """
    checks.number("examples", examples, low=2, integer=True)
    checks.number("batch_size", batch_size, low=1, integer=True)
    several = isinstance(layer, (list, tuple))
    phi = Representation(model, list(layer) if several else [layer])
    # Traced for each shape, of which there are two: then images of another size are seen.
    update = tf.function(lambda inputs, states: _update(phi, inputs, states), autograph=False)
    states, seen, paths = None, 0, ()
    for inputs in _batches(data, batch_size):
        inputs = tf.nest.map_structure(lambda array: tf.convert_to_tensor(array)[: examples - seen], inputs)
        if states is None:
            paths = phi.paths(inputs)
            states = [_empty(code.shape[1:]) for code in phi.trace(tf.nest.map_structure(lambda x: x[:1], inputs))[0]]
        states = update(inputs, states)
        seen += int(tf.nest.flatten(inputs)[0].shape[0])
        if seen >= examples:
            break
    if seen < 2:
        raise ValueError(f"data hold {seen} images: expected at least 2.")
    found = [
        FeatureStatistics(path, int(count), mean.numpy(), squares.numpy(), nonzero.numpy())
        for path, (count, mean, squares, nonzero) in zip(paths, states)
    ]
    return found if several else found[0]


def _batches(data, batch_size):
    if hasattr(data, "dataset"):
        data = data.dataset()
    if isinstance(data, dict) or hasattr(data, "shape"):
        size = len(next(iter(data.values())) if isinstance(data, dict) else data)
        for start in range(0, size, batch_size):
            yield tf.nest.map_structure(lambda array: array[start : start + batch_size], data)
        return
    for batch in data:
        yield batch[0] if isinstance(batch, tuple) else batch


def _empty(shape):
    zeros = tf.zeros(shape, "float64")
    return tf.constant(0.0, "float64"), zeros, zeros, tf.cast(zeros, "int64")


def _update(phi, inputs, states):
    found = []
    for code, state in zip(phi.trace(inputs)[0], states):
        if not code.shape[1:].is_compatible_with(state[1].shape):
            raise ValueError(f"data hold images of several sizes: codes {state[1].shape} and {code.shape[1:]}.")
        code = tf.cast(code, "float64")
        mean = tf.reduce_mean(code, axis=0)
        squares = tf.reduce_sum(tf.square(code - mean), axis=0)
        nonzero = tf.reduce_sum(tf.cast(code != 0, "int64"), axis=0)
        found.append(_joined(state, (tf.cast(tf.shape(code)[0], "float64"), mean, squares, nonzero)))
    return found


def _joined(one, other):
    """Return (count, mean, squares, nonzero) of two disjoint sets of images; for arrays and for tensors."""
    (count_a, mean_a, squares_a, nonzero_a), (count_b, mean_b, squares_b, nonzero_b) = one, other
    count = count_a + count_b
    share = count_b / count
    gap = mean_b - mean_a
    squares = squares_a + squares_b + gap * gap * (share * count_a)
    return count, mean_a + gap * share, squares, nonzero_a + nonzero_b
