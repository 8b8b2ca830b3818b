"""Rules of layer-wise relevance propagation: how one linear operation shares out the relevance of its outputs.

For z_k = sum_j z_jk + b_k with contributions z_jk = a_j w_jk, every rule is R_j = sum_k share_jk R_k:

    zero          z_jk / z_k                                                      LRP-0
    epsilon       z_jk / (z_k + epsilon sign(z_k)), with sign(0) = 1
    gamma         (z_jk + gamma (z_jk)+) / sum of these where z_k > 0, which for a_j >= 0 is
                  a_j (w_jk + gamma (w_jk)+) / sum; (z_jk + gamma (z_jk)-) / sum of these where z_k < 0
    alpha2_beta1  2 (z_jk)+ / sum_j (z_jk)+ - (z_jk)- / sum_j (z_jk)-
    z_plus        (z_jk)+ / sum_j (z_jk)+, also called alpha1_beta0
    z_box         (a_j w_jk - l_j (w_jk)+ - h_j (w_jk)-) / sum of these, for l <= a <= h
    w_square      w_jk^2 / sum_j w_jk^2
    flat          1 / number of inputs of k

with (x)+ = max(x, 0) and (x)- = min(x, 0). Where there is a bias, the sums of the first five include it, the positive
part of it in a sum of positive parts, and its share of the relevance is lost; the other rules have no bias. Without
biases each conserves: the shares of each k sum to 1. A sum that is 0 shares out nothing. Zeros that padding adds are no
inputs.

Differs from the papers: where all contributions to z_k have one sign, alpha2_beta1 gives them a total share of 1;
the formula as it stands would give 2, or -1, and relevance would grow from layer to layer (a depthwise kernel has few
weights, so this is common). Gamma for contributions of any sign is that of Andeol et al. 2021.

References:
    Bach, Binder, Montavon, Klauschen, Muller and Samek, "On Pixel-Wise Explanations for Non-Linear Classifier Decisions
    by Layer-Wise Relevance Propagation", 2015 (epsilon, alpha-beta). Montavon, Lapuschkin, Binder, Samek and Muller,
    "Explaining NonLinear Classification Decisions with Deep Taylor Decomposition", 2017 (z+, z^B, w^2). Montavon,
    Binder, Lapuschkin, Samek and Muller, "Layer-Wise Relevance Propagation: An Overview", 2019 (gamma). Lapuschkin et
    al., "Unmasking Clever Hans Predictors and Assessing What Machines Really Learn", 2019 (flat). Andeol, Kawakami,
    Wada, Kanamori, Muller and Montavon, "Learning Domain Invariant Representations by Joint Wasserstein Distance
    Minimization", 2021 (gamma for any sign).
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

# Sums this small are rounding errors of float32; nothing is shared out by them.
_TINY = 1e-20


@dataclasses.dataclass(frozen=True)
class Linear:
    """One linear operation z = L(a, w) + b, all in float32.

    Attributes:
        inputs: a.
        weights: w, of the form that `apply` takes.
        bias: b, which is added to z, or None.
        apply: Function L, linear in each of its two arguments.
        nonnegative: Whether the network's structure makes a >= 0.
        bounds: Function without arguments that returns (l, h) with l <= a <= h for every image.
        presence: Function without arguments that returns 1 where an input is a number of the network, and 0 where
            padding put it there.
    """

    inputs: tf.Tensor
    weights: tf.Tensor
    bias: tf.Tensor | None
    apply: Callable
    nonnegative: bool = False
    bounds: Callable | None = None
    presence: Callable | None = None

    def parts(self):
        """Return the parts of a by sign: [a+, a-], or [a] where there are no negative ones."""
        return [self.inputs] if self.nonnegative else [tf.nn.relu(self.inputs), tf.minimum(self.inputs, 0)]

    def spread(self, signal, weights):
        """Return sum_k w_jk signal_k for each input j."""
        inputs = tf.identity(self.inputs)
        return tf.ensure_shape(tf.gradients(self.apply(inputs, weights), inputs, grad_ys=signal)[0], inputs.shape)

    def total(self, sum_, bias):
        """Return a sum of contributions with a part of the bias in it."""
        return sum_ if bias is None else sum_ + bias


def epsilon(linear, relevance, epsilon):
    """LRP-epsilon; LRP-0 for epsilon = 0."""
    z = linear.total(linear.apply(linear.inputs, linear.weights), linear.bias)
    z += tf.where(z >= 0, epsilon, -epsilon)
    return linear.inputs * linear.spread(divide(relevance, z), linear.weights)


def gamma(linear, relevance, gamma):
    """LRP-gamma for contributions of any sign."""
    plus, minus = by_sign(linear.weights)
    up, down = linear.weights + gamma * plus, linear.weights + gamma * minus
    bias = linear.bias
    more = None if bias is None else bias + gamma * tf.nn.relu(bias)
    less = None if bias is None else bias + gamma * tf.minimum(bias, 0)
    z = linear.total(linear.apply(linear.inputs, linear.weights), bias)
    where_up = _weighted_shares(linear, (up, down), tf.where(z > 0, relevance, 0), more)
    where_down = _weighted_shares(linear, (down, up), tf.where(z < 0, relevance, 0), less)
    return where_up + where_down


def alpha_beta(linear, relevance, alpha, beta):
    """LRP-alpha-beta, alpha - beta = 1; contributions of one sign only have a total share of 1 if beta > 0."""
    plus, minus = by_sign(linear.weights)
    positive, negative = by_sign(linear.bias) if linear.bias is not None else (None, None)
    if not beta:
        return alpha * _weighted_shares(linear, (plus, minus), relevance, positive)
    above, below = _sums(linear, (plus, minus), positive), _sums(linear, (minus, plus), negative)
    for_positive = relevance * tf.where(below < -_TINY, alpha, 1.0)
    for_negative = relevance * tf.where(above > _TINY, -beta, 1.0)
    return _shares(linear, (plus, minus), divide(for_positive, above)) + _shares(
        linear, (minus, plus), divide(for_negative, below)
    )


def z_box(linear, relevance):
    """The rule for inputs between bounds."""
    plus, minus = by_sign(linear.weights)
    low, high = linear.bounds()
    z = linear.apply(linear.inputs, linear.weights) - linear.apply(low, plus) - linear.apply(high, minus)
    signal = divide(relevance, z)
    return (
        linear.inputs * linear.spread(signal, linear.weights)
        - low * linear.spread(signal, plus)
        - high * linear.spread(signal, minus)
    )


def by_weights(linear, relevance, weights):
    """Shares in proportion to `weights` >= 0, whatever the inputs are: w^2, or ones."""
    presence = tf.ones_like(linear.inputs) if linear.presence is None else linear.presence()
    z = linear.apply(presence, weights)
    return presence * linear.spread(divide(relevance, z), weights)


def divide(numerator, denominator):
    """Return the quotient, 0 where the denominator is."""
    small = tf.abs(denominator) <= _TINY
    return tf.where(small, 0.0, numerator / tf.where(small, 1.0, denominator))


def by_sign(tensor):
    """Return the positive and the negative part of a tensor."""
    return tf.nn.relu(tensor), tf.minimum(tensor, 0)


def _weighted_shares(linear, weights, relevance, bias):
    """Share out by contributions (positive inputs) x (first weights) and (negative inputs) x (second weights)."""
    return _shares(linear, weights, divide(relevance, _sums(linear, weights, bias)))


def _sums(linear, weights, bias):
    parts = [linear.apply(part, some) for part, some in zip(linear.parts(), weights)]
    return linear.total(tf.add_n(parts), bias)


def _shares(linear, weights, signal):
    return tf.add_n([part * linear.spread(signal, some) for part, some in zip(linear.parts(), weights)])


RULES = {
    "alpha1_beta0": lambda linear, relevance, options: alpha_beta(linear, relevance, 1.0, 0.0),
    "alpha2_beta1": lambda linear, relevance, options: alpha_beta(linear, relevance, 2.0, 1.0),
    "epsilon": lambda linear, relevance, options: epsilon(linear, relevance, options.epsilon),
    "flat": lambda linear, relevance, options: by_weights(linear, relevance, tf.ones_like(linear.weights)),
    "gamma": lambda linear, relevance, options: gamma(linear, relevance, options.gamma),
    "w_square": lambda linear, relevance, options: by_weights(linear, relevance, linear.weights**2),
    "z_box": lambda linear, relevance, options: z_box(linear, relevance),
    "z_plus": lambda linear, relevance, options: alpha_beta(linear, relevance, 1.0, 0.0),
    "zero": lambda linear, relevance, options: epsilon(linear, relevance, 0.0),
}
