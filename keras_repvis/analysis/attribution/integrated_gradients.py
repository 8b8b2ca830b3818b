"""Integrated gradients: the change of the output between a baseline and the image, shared out among the pixels.

    a = (x - x0) int_0^1 grad f(x0 + t (x - x0)) dt

The fundamental theorem of calculus makes the sum of a equal to f(x) - f(x0) (completeness), and each pixel gets its
share of that, with its sign. The integral is a sum over `steps` points t_j with weights w_j:

    gauss_legendre   roots of the Legendre polynomial on [0, 1]; exact for gradients of degree 2 steps - 1 in t
    trapezoid        t_j = j / (steps - 1) from 0 to 1, w_j = 1 / (steps - 1), half of that at both ends
    midpoint         t_j = (j + 1/2) / steps, w_j = 1 / steps
    riemann          t_j = (j + 1) / steps, w_j = 1 / steps, the paper's equation 3

The network's rectifiers make the gradient jump along the path, so no rule is exact there; what it misses is returned as
the diagnostic "completeness_gap".

Differs from peers: the weights of captum's rule "riemann_trapezoid" sum to (steps - 1) / steps, which at 50 steps takes
2 % from every map; here the weights of every rule sum to 1.
"""

import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.analysis.attribution import baselines, copies
from keras_repvis.analysis.attribution.gradient import REDUCTIONS, propagate, reduce_channels
from keras_repvis.analysis.attribution.method import Method


def _gauss_legendre(steps):
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    return (nodes + 1) / 2, weights / 2


def _trapezoid(steps):
    weights = np.full(steps, 1 / (steps - 1))
    weights[[0, -1]] /= 2
    return np.linspace(0, 1, steps), weights


def _midpoint(steps):
    return (np.arange(steps) + 0.5) / steps, np.full(steps, 1 / steps)


def _riemann(steps):
    return (np.arange(steps) + 1) / steps, np.full(steps, 1 / steps)


RULES = {"gauss_legendre": _gauss_legendre, "trapezoid": _trapezoid, "midpoint": _midpoint, "riemann": _riemann}


class IntegratedGradients(Method):
    """Map of the integral of the gradient from a baseline to the image, times their difference.

    Args:
        model: `keras.Model` of any kind, or a function of images; see `Method`.
        steps: Integer >= 2, points on the path. Default 50.
        baseline: The image x0 without evidence: a number (default 0.0, black), or an array that broadcasts to (height,
            width, channels).
        rule: Where the points are: "gauss_legendre" (default), "trapezoid", "midpoint" or "riemann".
        reduction: How the channels of a become one number: "sum" (default), which keeps the sign and completeness, or
            "max_abs" or "l2"; see `Gradient`.
        **options: `input_index`, `score`, `batch_size`; see `Method`. At most `batch_size` points of all images go
            through the model at once.

    Call arguments:
        images: float32 array (batch, height, width, channels) in [0, 1]; any batch size.
        targets: None for the class with the largest score of the image itself, a class index, (batch,) class indices, a
            mask over the outputs, or a function of them; see `Method`.

    Returns:
        `Attribution`, its maps (batch, height, width) of the size of the image; diagnostics "target", "score" (f(x)),
        "baseline_score" (f(x0)) and "completeness_gap", the sum of a over all pixels and channels minus
        (f(x) - f(x0)).

    Raises:
        UnsupportedModelError: If no gradient reaches the image.
        ValueError: If images, targets or the baseline do not fit the model.

    Example:
        >>> import numpy as np
        >>> model = keras_repvis.models.MobileNetV1(input_shape=(32, 32, 1), classes=10, width_multiplier=0.1)
        >>> method = keras_repvis.analysis.attribution.IntegratedGradients(model, steps=8)
        >>> result = method(np.full((2, 32, 32, 1), 0.5, "float32"), targets=3)
        >>> found = result.diagnostics
        >>> change = found["score"] - found["baseline_score"]
        >>> result.maps.shape, np.allclose(result.maps.sum(axis=(1, 2)), change + found["completeness_gap"], atol=1e-5)
        ((2, 32, 32), True)

    Reference:
        Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks", 2017, equations 1 and 3.
    """

    _changes_images = True

    def __init__(self, model, steps=50, baseline=0.0, rule="gauss_legendre", reduction="sum", **options):
        checks.number("steps", steps, low=2, integer=True)
        checks.one_of("rule", rule, RULES)
        checks.one_of("reduction", reduction, REDUCTIONS)
        super().__init__(model, **options)
        self.steps = steps
        self.baseline = baselines.check(baseline)
        self.rule = rule
        self.reduction = reduction

    def _explain(self, query):
        images = query.images
        start = baselines.like(self.baseline, images)
        way = images - start
        nodes, weights = (tf.constant(values, "float32") for values in RULES[self.rule](self.steps))

        def integrate(indices):
            shares = tf.gather(nodes, indices)[:, tf.newaxis, tf.newaxis, tf.newaxis]
            points = copies.interleave(start[:, tf.newaxis] + shares * way[:, tf.newaxis])
            gradients = propagate(query.score(query.outputs(points)), points, self._name())
            return tf.einsum("bj...,j->b...", copies.separate(gradients, images), tf.gather(weights, indices))

        shares = way * copies.total(integrate, self.steps, images, self.batch_size, tf.zeros_like(images))
        baseline_score = query.score(query.outputs(start))
        change = query.score(query.outputs()) - baseline_score
        gap = tf.reduce_sum(shares, axis=(1, 2, 3)) - change
        return reduce_channels(shares, self.reduction), {"baseline_score": baseline_score, "completeness_gap": gap}
