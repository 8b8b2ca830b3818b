"""Encodings made to order: an image y* next to any y_0 that a decoder G turns into any x.

    y* = argmin  d(G(y), x)      over y with max |y - y_0| <= r and y in [0, 1],

d the mean of |G(y) - x| or of its square. A decoder that was trained to read what is hidden in an encoding has
adversarial inputs: a map of one place, changed by a few grey levels, becomes the photograph of another. How small r
may be for that tells how much the decoder listens to what cannot be seen.

Found by Adam, each step followed by the exact projection into the ball, with a rate that falls linearly to nothing.
Adam works value by value, so all pairs of a batch are optimised at once as if each were alone; of all points visited
the best is kept. The loop runs in compiled segments, between which progress is reported; what is found does not
depend on them.

Reference:
    Chu, Zhmoginov and Sandler, "CycleGAN, a Master of Steganography", 2017. Kingma and Ba, "Adam: A Method for
    Stochastic Optimization", 2015.
"""

import dataclasses
import time

import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.analysis.adversarial.ball import Ball
from keras_repvis.analysis.information.differentiable_map import DifferentiableMap
from keras_repvis.analysis.information.translation_pair import GREY_LEVELS, check_images, store

LOSSES = ("l1", "l2")
_MOMENTS = (0.9, 0.999)
_EPSILON = 1e-8
# The whole range: a ball that only [0, 1] cuts.
_UNLIMITED = 255.0
# The default rate of Adam is the radius, and at most so many grey levels.
_RATE = 16.0
# A segment that takes longer than this is not made longer, in seconds.
_SECONDS = 0.5


@dataclasses.dataclass(frozen=True)
class AdversarialCodes:
    """Encodings that a decoder turns into given images, and how far they had to move.

    Args:
        codes: float32 array (pairs, height, width, channels) in [0, 1], y*; never further than the radius from y_0.
        reconstructions: float32 array (pairs, ...), G(y*).
        losses: float64 array (pairs, steps + 1) of mean |G(y) - x| in grey levels at each point that was visited, y_0
            first; the last is after the last step. With loss="l2" the root of the mean of squares.
        loss: float64 array (pairs,), mean |G(y*) - x| in grey levels.
        start_loss: float64 array (pairs,), mean |G(y_0) - x| in grey levels.
        loss_8bit: float64 array (pairs,), mean |G(y*) - x| in grey levels with y* rounded to 8 bits.
        distances: float64 array (pairs,), max |y* - y_0| in grey levels.
        mean_distances: float64 array (pairs,), mean |y* - y_0| in grey levels.
        distances_8bit: float64 array (pairs,), max |y* - y_0| in grey levels with y* rounded to 8 bits.
        zero_gradient: bool array (pairs,), whether no value of y_0 has any influence to first order: what is found,
            or not found, from such a start says nothing.
        diagnostics: Dict of floats; see `differentiable_map`.

    Example:
        >>> import numpy as np
        >>> found = AdversarialCodes(*np.zeros((3, 1, 2)), np.array([2.0]), np.array([8.0]), *np.zeros((4, 1)),
        ...     zero_gradient=np.array([False]), diagnostics={})
        >>> found.reduction
        array([0.75])
    """

    codes: np.ndarray
    reconstructions: np.ndarray
    losses: np.ndarray
    loss: np.ndarray
    start_loss: np.ndarray
    loss_8bit: np.ndarray
    distances: np.ndarray
    mean_distances: np.ndarray
    distances_8bit: np.ndarray
    zero_gradient: np.ndarray
    diagnostics: dict

    @property
    def reduction(self):
        """Float64 array (pairs,), 1 - loss / start_loss: 1 where x is reached, 0 where nothing is; 0 if y_0 gives x."""
        share = np.divide(self.loss, self.start_loss, out=np.ones_like(self.loss), where=self.start_loss > 0)
        return 1 - share


class AdversarialEncoding:
    """Search for encodings near given ones that a decoder turns into given images.

    Args:
        decoder: G, `keras.Model` of any kind from image to image, or a differentiable function of images; one of mixed
            precision is computed in float32.
        radius: Number > 0, in grey levels: the largest change of a value of y_0. None (default) for no limit but
            [0, 1].
        steps: Integer >= 1, of Adam. Default 300.
        learning_rate: Number > 0, of the first step, in units of the pixels in [0, 1]; None (default) for the
            radius, 16 grey levels at most.
        loss: "l1" (default), mean |G(y) - x|, or "l2", the mean of its square.
        batch_size: Integer >= 1, pairs that are optimised at once; bounds the memory. Default 16.

    Call arguments:
        targets: float32 array (pairs, ...) in [0, 1], x, of the shape that G puts out.
        starts: float32 array (pairs, height, width, channels) in [0, 1], y_0.
        progress: None, or a function that is called with the share done, in [0, 1], now and then.

    Returns:
        `AdversarialCodes`.

    Raises:
        UnsupportedModelError: If no gradient reaches the encoding, or the model mixes the samples of a batch, is
            random or computes in half precision.
        ValueError: If an argument is not accepted, or targets do not fit what G makes of the starts.
        ArithmeticError: If the model puts out what is not finite.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from keras_repvis.analysis import information
        >>> code = keras.Input((8, 8, 1))
        >>> decoder = keras.Model(code, keras.layers.Rescaling(10.0, offset=-4.5)(code))
        >>> search = information.AdversarialEncoding(decoder, radius=8.0, steps=100)
        >>> found = search(np.full((1, 8, 8, 1), 0.75, "float32"), np.full((1, 8, 8, 1), 0.5, "float32"))
        >>> found.start_loss.round(1), found.loss.round(1), found.distances.round(1)
        (array([63.8]), array([0.]), array([6.4]))

    Reference:
        Chu, Zhmoginov and Sandler, "CycleGAN, a Master of Steganography", 2017.
    """

    def __init__(self, decoder, radius=None, steps=300, learning_rate=None, loss="l1", batch_size=16):
        self.radius = radius if radius is None else float(checks.number("radius", radius, above=0))
        self.steps = int(checks.number("steps", steps, low=1, integer=True))
        if learning_rate is None:
            learning_rate = min(self.radius or _UNLIMITED, _RATE) / GREY_LEVELS
        self.learning_rate = float(checks.number("learning_rate", learning_rate, above=0))
        self.loss = checks.one_of("loss", loss, LOSSES)
        self._map = DifferentiableMap("decoder", decoder, batch_size)
        self.batch_size = self._map.batch_size
        self._loops = {}

    def __call__(self, targets, starts, progress=None):
        starts, targets = check_images("starts", starts), check_images("targets", targets)
        diagnostics = self._map.check(starts[0], derivative=False)
        expected = (len(starts), *self._map.values(starts[:1]).shape[1:])
        if targets.shape != expected:
            raise ValueError(f"targets of shape {targets.shape} are not accepted for starts {starts.shape}: expected "
                             f"{expected}.")
        found = []
        for at in range(0, len(starts), self.batch_size):
            part = slice(at, at + self.batch_size)
            size = len(starts[part])

            def report(share, at=at, size=size):
                if progress is not None:
                    progress((at + share * size) / len(starts))

            found.append(self._search(targets[part], starts[part], report))
        joined = {name: np.concatenate([one[name] for one in found]) for name in found[0]}
        return AdversarialCodes(diagnostics=diagnostics, **joined)

    def _search(self, targets, starts, report):
        """Return the fields of `AdversarialCodes` for pairs that are optimised together."""
        begin, advance = self._compiled(starts.shape[1:], targets.shape[1:])
        given = tf.constant(targets), tf.constant(starts)
        state, gradient = begin(*given)
        losses, done, count = [], 0, 1
        while done < self.steps:
            began = time.monotonic()
            last = min(done + count, self.steps)
            state, curve = advance(*given, state, tf.constant(done), tf.constant(last))
            losses.append(curve.numpy())
            done = last
            report(done / self.steps)
            count *= 2 if time.monotonic() - began < _SECONDS else 1
        points, codes, best = (state[name].numpy() for name in ("points", "best", "loss"))
        last = self._losses(self._map.values(points), targets)
        better = last < best
        codes[better] = points[better]
        curve = np.concatenate([*losses, last[None]]).T.astype("float64")
        return self._describe(targets, starts, codes, self._in_grey_levels(curve), gradient.numpy())

    def _describe(self, targets, starts, codes, losses, gradient):
        reconstructions, kept = self._map.values(codes), store(codes)
        moved, moved_8bit = (np.abs(one.astype("float64") - starts).reshape(len(starts), -1) for one in (codes, kept))
        return {
            "codes": codes,
            "reconstructions": reconstructions,
            "losses": losses,
            "loss": _distance(reconstructions, targets),
            "start_loss": _distance(self._map.values(starts), targets),
            "loss_8bit": _distance(self._map.values(kept), targets),
            "distances": GREY_LEVELS * moved.max(axis=1),
            "mean_distances": GREY_LEVELS * moved.mean(axis=1),
            "distances_8bit": GREY_LEVELS * moved_8bit.max(axis=1),
            "zero_gradient": ~gradient.reshape(len(starts), -1).any(axis=1),
        }

    def _compiled(self, start, target):
        """Return the traced (begin, advance) for starts and targets of these shapes."""
        if start not in self._loops:
            pair = [tf.TensorSpec((None, *shape), "float32") for shape in (target, start)]
            number = tf.TensorSpec((), "int32")
            state = {name: pair[1] for name in ("points", "best", "first", "second")}
            state["loss"] = tf.TensorSpec((None,), "float32")
            self._loops[start] = (
                tf.function(self._begin, input_signature=pair, autograph=False),
                tf.function(self._advance, input_signature=[*pair, state, number, number], autograph=False),
            )
        return self._loops[start]

    def _begin(self, targets, starts):
        """Return (state, gradient at the starts), traced."""
        zeros, nothing = tf.zeros_like(starts), tf.fill(tf.shape(starts)[:1], float("inf"))
        state = {"points": starts, "best": starts, "first": zeros, "second": zeros, "loss": nothing}
        return state, self._evaluate(targets, starts)[1]

    def _advance(self, targets, starts, state, first, last):
        """Return (state, losses (steps, pairs) before each step) of the steps from `first` to before `last`, traced."""
        ball = Ball(starts, "linf", (self.radius or _UNLIMITED) / GREY_LEVELS)
        curve = tf.TensorArray("float32", size=last - first, element_shape=(None,))

        def body(step, state, curve):
            new, losses = self._step(targets, ball, state, step)
            new = tf.nest.map_structure(lambda one, old: tf.ensure_shape(one, old.shape), new, state)
            return step + 1, new, curve.write(step - first, losses)

        # One step at a time, or the memory would be that of several.
        loop = tf.while_loop(lambda step, *_: step < last, body, (first, state, curve), parallel_iterations=1)
        return loop[1], loop[2].stack()

    def _step(self, targets, ball, state, step):
        """Return (state after one step, losses before it)."""
        points = state["points"]
        losses, gradient = self._evaluate(targets, points)
        better = losses < state["loss"]
        one, two = _MOMENTS
        first = one * state["first"] + (1 - one) * gradient
        second = two * state["second"] + (1 - two) * tf.square(gradient)
        count = tf.cast(step + 1, "float32")
        rate = self.learning_rate * (1 - tf.cast(step, "float32") / self.steps)
        change = first / (1 - one**count) / (tf.sqrt(second / (1 - two**count)) + _EPSILON)
        state = {
            "points": ball.project(points - rate * change),
            "best": tf.where(better[:, None, None, None], points, state["best"]),
            "first": first,
            "second": second,
            "loss": tf.minimum(losses, state["loss"]),
        }
        return state, losses

    def _evaluate(self, targets, points):
        """Return (losses (pairs,), gradient of their sum by the points)."""
        losses = self._losses(self._map.call(points), targets)
        # Adam does not ask how large gradients are, unless they are so small that its epsilon counts.
        size = tf.cast(tf.size(points[0]), "float32")
        return losses, size * self._map.gradient(losses, points)

    def _losses(self, values, targets):
        away = values - targets
        away = tf.abs(away) if self.loss == "l1" else tf.square(away)
        losses = tf.reduce_mean(tf.reshape(away, (tf.shape(away)[0], -1)), axis=1)
        return losses if tf.is_symbolic_tensor(losses) else losses.numpy()

    def _in_grey_levels(self, losses):
        return GREY_LEVELS * (losses if self.loss == "l1" else np.sqrt(losses))


def _distance(images, others):
    away = np.abs(images.astype("float64") - others)
    return GREY_LEVELS * away.reshape(len(away), -1).mean(axis=1)
