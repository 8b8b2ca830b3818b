"""Occlusion: how much the output falls when a window of the image is covered.

A window W_i (1 inside, 0 outside) moves over the image in strides; under it the image x is replaced by a fill b. The
map is the mean fall of the output over the windows that cover a pixel,

    S(u) = sum_i W_i(u) (f(x) - f(x o (1 - W_i) + b o W_i)) / sum_i W_i(u).

Windows stand at 0, stride, 2 stride, ... until one reaches the border; what of it is beyond the border is cut off, so
every pixel is covered. For a linear f = <w, x> the fall is that of the window, <w o W_i, x - b>.

Differs from the paper: the paper draws the output itself at the centre of each window; here its fall is spread over
the window, so that positive means evidence and maps have the size of the image.
"""

import tensorflow as tf

from keras_repvis import checks
from keras_repvis.analysis.attribution import masking
from keras_repvis.analysis.attribution.iterated import Iterated


class Occlusion(Iterated):
    """Map of the mean fall of the output over the windows that cover a pixel.

    Args:
        model: `keras.Model` of any kind, or a function of images; see `Method`.
        window: Integer or pair of integers >= 1, height and width of the window in pixels. Default 8.
        stride: Integer or pair of integers from 1 to `window`, between windows, in pixels; None (default) for half of
            the window, rounded up.
        fill: What is put in the window: a number, an array that broadcasts to (height, width, channels), or "mean" for
            the mean colour of each image. Default 0.
        **options: `input_index`, `score`, `batch_size`; see `Method`.

    Call arguments:
        images: float32 array (batch, height, width, channels) in [0, 1]; any batch size.
        targets: Class index, or array of `batch` class indices, or None for the class with the largest score; or a
            mask over the outputs, or a function of them.

    Returns:
        `Attribution`; diagnostics "score" (f of the image), "target" (the class explained, where one is) and
        "largest_fall" (of f, over the windows).

    Raises:
        UnsupportedModelError: If the outputs have no classes and `targets` does not say what to explain.
        ValueError: If an argument is not accepted, or images or targets do not fit the model.

    Example:
        >>> import numpy as np
        >>> model = keras_repvis.models.MobileNetV1(input_shape=(32, 32, 1), classes=10, width_multiplier=0.1)
        >>> method = keras_repvis.analysis.attribution.Occlusion(model, window=16)
        >>> method(np.full((2, 32, 32, 1), 0.5, "float32"), targets=3).maps.shape
        (2, 32, 32)

    Reference:
        Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", 2014, section 4.2.
    """

    def __init__(self, model, window=8, stride=None, fill=0.0, **options):
        super().__init__(model, **options)
        self.window = _pair("window", window)
        self.stride = tuple((side + 1) // 2 for side in self.window) if stride is None else _pair("stride", stride)
        if self.stride[0] > self.window[0] or self.stride[1] > self.window[1]:
            raise ValueError(
                f"stride={stride!r} is not accepted: it leaves pixels between windows of {self.window} uncovered. "
                "Expected at most the window."
            )
        self.fill = masking.check_fill(fill)

    def _plan(self, batch, height, width):
        rows, columns = self._counts(height, width)
        return masking.plan(rows * columns, batch, self.batch_size)

    def _counts(self, height, width):
        """Return how many windows stand below and beside each other."""
        sides = zip((height, width), self.window, self.stride)
        return tuple(-(-max(side - window, 0) // stride) + 1 for side, window, stride in sides)

    def _begin(self, query):
        images = query.images
        zeros = tf.zeros_like(images[..., 0])
        state = {
            "falls": zeros,
            "covered": tf.zeros(images.shape[1:3]),
            "largest": tf.fill(tf.shape(images)[:1], -float("inf")),
        }
        return {"score": query.score(query.outputs()), "back": masking.background(images, self.fill)}, state

    def _step(self, query, fixed, state, step, group):
        windows, exists = self._windows(query.images.shape[1:3], step * group, group)
        falls = fixed["score"][:, None] - masking.scores(query, 1 - windows, fixed["back"])
        return {
            "falls": state["falls"] + masking.spread(falls, windows),
            "covered": state["covered"] + tf.reduce_sum(windows, axis=0),
            "largest": tf.maximum(state["largest"], tf.reduce_max(tf.where(exists, falls, -float("inf")), axis=1)),
        }

    def _end(self, query, fixed, state):
        return state["falls"] / state["covered"], {"largest_fall": state["largest"]}

    def _windows(self, size, first, count):
        """Return (`count` windows (count, height, width), whether there is each); one beyond the last is empty."""
        rows, columns = self._counts(*size)
        number = first + tf.range(count)
        exists = number < rows * columns
        inside = [
            _inside(place, side, window, stride)
            for place, side, window, stride in zip(
                (number // columns, number % columns), size, self.window, self.stride
            )
        ]
        windows = inside[0][:, :, None] & inside[1][:, None, :] & exists[:, None, None]
        return tf.cast(windows, "float32"), exists


def _inside(place, side, window, stride):
    """Return which of the `side` pixels are in the window of each place, boolean (places, side)."""
    start = (place * stride)[:, None]
    pixels = tf.range(side)[None]
    return (pixels >= start) & (pixels < start + window)


def _pair(argument, value):
    sides = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(sides) != 2:
        raise ValueError(f"{argument}={value!r} is not accepted: expected an integer or a pair of them.")
    return tuple(int(checks.number(argument, side, low=1, integer=True)) for side in sides)
