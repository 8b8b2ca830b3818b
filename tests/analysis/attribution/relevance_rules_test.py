"""Every rule of relevance propagation against its formula, on networks written out as matrices in float64."""

import keras
import numpy as np
import pytest

from keras_repvis import analysis
from keras_repvis.analysis.attribution import LRP, Composite

layers = keras.layers
RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(size=(3, 5, 6, 2)).astype("float32")
RULES = ["zero", "epsilon", "gamma", "alpha1_beta0", "alpha2_beta1", "z_plus", "w_square", "flat", "z_box"]
EPSILON, GAMMA = 0.05, 0.4


def shares(rule, a, w, b, low, high):
    """share[j, k] of a rule for inputs a (j), weights w (j, k), of which those that are nan do not exist, biases b."""
    def ratio(numerator, denominator):
        return np.divide(numerator, denominator, out=np.zeros_like(z), where=denominator != 0)

    exists = ~np.isnan(w)
    w = np.nan_to_num(w)
    z = a[:, None] * w
    plus, minus = np.maximum(z, 0), np.minimum(z, 0)
    total = z.sum(0) + b
    if rule in ("zero", "epsilon"):
        return ratio(z, total + (EPSILON if rule == "epsilon" else 0.0) * np.where(total >= 0, 1, -1))
    if rule == "gamma":
        up = ratio(z + GAMMA * plus, total + GAMMA * (plus.sum(0) + np.maximum(b, 0)))
        down = ratio(z + GAMMA * minus, total + GAMMA * (minus.sum(0) + np.minimum(b, 0)))
        return np.where(total > 0, up, np.where(total < 0, down, 0))
    above, below = plus.sum(0) + np.maximum(b, 0), minus.sum(0) + np.minimum(b, 0)
    positive, negative = ratio(plus, above), ratio(minus, below)
    if rule in ("alpha1_beta0", "z_plus"):
        return positive
    if rule == "alpha2_beta1":
        return np.where(below == 0, 1, 2) * positive + np.where(above == 0, 1, -1) * negative
    if rule == "z_box":
        numerator = z - low[:, None] * np.maximum(w, 0) - high[:, None] * np.minimum(w, 0)
        return numerator / numerator.sum(0)
    numerator = w**2 if rule == "w_square" else exists.astype(float)
    return numerator / numerator.sum(0)


def convolution(kernel, shape, stride, padding, depthwise=False):
    """The matrix of a convolution (inputs, outputs), nan where there is no connection, and the shape of the outputs."""
    size = kernel.shape[0]
    sizes = [-(-n // stride) if padding == "same" else (n - size) // stride + 1 for n in shape[:2]]
    before = [max((m - 1) * stride + size - n, 0) // 2 if padding == "same" else 0 for m, n in zip(sizes, shape)]
    filters = kernel.shape[2] * kernel.shape[3] if depthwise else kernel.shape[3]
    matrix = np.full((*shape, *sizes, filters), np.nan)
    for i, j, di, dj in np.ndindex(*sizes, size, size):
        row, column = i * stride + di - before[0], j * stride + dj - before[1]
        if 0 <= row < shape[0] and 0 <= column < shape[1]:
            if depthwise:
                for c, m in np.ndindex(*kernel.shape[2:]):
                    matrix[row, column, c, i, j, c * kernel.shape[3] + m] = kernel[di, dj, c, m]
            else:
                matrix[row, column, :, i, j, :] = kernel[di, dj]
    return matrix.reshape(np.prod(shape), -1), (*sizes, filters)


def by_hand(steps, x, target, rules, keep_bias, low=0.0, high=1.0):
    """The relevance of x from steps (matrix, biases, ends of the activation) and a rule each."""
    inputs = [x.astype("float64").ravel()]
    for w, b, (bottom, top) in steps:
        inputs.append(np.clip(inputs[-1] @ np.nan_to_num(w) + b, bottom, top))
    relevance = np.eye(len(inputs[-1]))[target] * inputs[-1]
    for (w, b, _), a, rule in reversed(list(zip(steps, inputs, rules))):
        ends = [np.full(a.shape, end, "float64") for end in (low, high)]
        relevance = shares(rule, a, w, b if keep_bias else 0 * b, *ends) @ relevance
    return relevance


LINEAR, RELU, RELU6 = (-np.inf, np.inf), (0, np.inf), (0, 6)


def network():
    """A network of every kind of convolution, normalised ones too, and its steps as matrices."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((5, 6, 2))
    one = layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False)
    norm = layers.BatchNormalization(epsilon=1e-3)
    two = layers.DepthwiseConv2D(2, depth_multiplier=2, padding="same")
    three = layers.Dense(5)
    four = layers.Dense(3)
    hidden = layers.ReLU()(norm(one(inputs)))
    hidden = layers.ReLU(6.0)(two(hidden))
    hidden = layers.Flatten()(hidden)
    model = keras.Model(inputs, four(layers.Activation("relu")(three(hidden))))
    for layer in (one, norm, two, three, four):
        weights = [RNG.normal(size=w.shape) for w in layer.get_weights()]
        if layer is norm:
            weights[3] = weights[3] ** 2
        layer.set_weights(weights)
    gamma, beta, mean, variance = (w.astype("float64") for w in norm.get_weights())
    scale = gamma / np.sqrt(variance + 1e-3)
    w1, shape = convolution(one.get_weights()[0] * scale, (5, 6, 2), 2, "same")
    b1 = np.tile(beta - mean * scale, np.prod(shape[:2]))
    w2, shape = convolution(two.get_weights()[0], shape, 1, "same", depthwise=True)
    b2 = np.tile(two.get_weights()[1], np.prod(shape[:2]))
    dense = [(*layer.get_weights(), ends) for layer, ends in ((three, RELU), (four, LINEAR))]
    return model, [(w1, b1, RELU), (w2, b2, RELU6), *dense]


@pytest.fixture(scope="module")
def net():
    return network()


def test_the_matrices_are_the_network(net):
    model, steps = net
    for image, outputs in zip(IMAGES, model.predict(IMAGES, verbose=0)):
        x = image.ravel().astype("float64")
        for w, b, ends in steps:
            x = np.clip(x @ np.nan_to_num(w) + b, *ends)
        np.testing.assert_allclose(x, outputs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "rule, bias", [*((rule, "keep") for rule in RULES), ("gamma", "zero"), ("alpha2_beta1", "zero"), ("z_plus", "zero")]
)
def test_agrees_with_the_formula(net, rule, bias):
    model, steps = net
    composite = Composite(*(["gamma", "epsilon"] if rule == "z_box" else [rule, rule]), first=rule)
    rules = [composite.first, composite.convolution, composite.dense, composite.dense]
    method = LRP(model, composite, epsilon=EPSILON, gamma=GAMMA, bias=bias)
    targets = [0, 2, 1]
    maps = method(IMAGES, targets).maps
    for image, target, found in zip(IMAGES, targets, maps):
        expected = by_hand(steps, image, target, rules, bias == "keep").reshape(5, 6, 2).sum(-1)
        np.testing.assert_allclose(found, expected, atol=2e-4 * np.abs(expected).max())


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "z_box"])
def test_inputs_of_both_signs(rule):
    """The formulas for a_j < 0: behind a preprocessing that makes pixels negative, without a rectifier."""
    inputs = keras.Input((5, 6, 2))
    dense = layers.Dense(4)
    model = keras.Model(inputs, dense(layers.Flatten()(layers.Rescaling(2.0, offset=-1.0)(inputs))))
    w, b = RNG.normal(size=(60, 4)), RNG.normal(size=4)
    dense.set_weights([w, b])
    maps = LRP(model, rule, epsilon=EPSILON, gamma=GAMMA)(IMAGES, 3).maps
    for image, found in zip(2 * IMAGES - 1, maps):
        expected = by_hand([(w, b, LINEAR)], image, 3, [rule], True).reshape(5, 6, 2).sum(-1)
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_contributions_of_one_sign_are_shared_out_whole():
    inputs = keras.Input((5, 6, 2))
    dense = layers.Dense(2, use_bias=False)
    model = keras.Model(inputs, dense(layers.Flatten()(inputs)))
    w = np.abs(RNG.normal(size=(60, 2)))
    w[:, 1] *= -1
    dense.set_weights([w])
    for target in (0, 1):
        result = LRP(model, "alpha2_beta1")(IMAGES, target)
        np.testing.assert_allclose(result.diagnostics["conservation"], 1, rtol=1e-5)
        expected = (IMAGES * w[:, target].reshape(5, 6, 2)).sum(-1)
        np.testing.assert_allclose(result.maps, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("preprocessing", ["none", "rescaling", "normalization", "negative", "pad"])
def test_bounds_are_pushed_through_the_preprocessing(preprocessing):
    inputs = keras.Input((5, 6, 2))
    scale, shift = {
        "none": (np.ones(2), np.zeros(2)),
        "rescaling": (2 * np.ones(2), -np.ones(2)),
        "normalization": (np.array([4.0, 2.0]), np.array([-1.0, -0.5])),
        "negative": (-np.ones(2), np.ones(2)),
        "pad": (np.ones(2), np.zeros(2)),
    }[preprocessing]
    hidden = {
        "none": lambda x: x,
        "rescaling": layers.Rescaling(2.0, offset=-1.0),
        "normalization": layers.Normalization(mean=[0.25, 0.25], variance=[1 / 16, 1 / 4]),
        "negative": lambda x: 1.0 - x,
        "pad": layers.ZeroPadding2D(1),
    }[preprocessing](inputs)
    conv = layers.Conv2D(3, 3, padding="valid" if preprocessing == "pad" else "same")
    # At padded positions x = l = h = 0: they get nothing, as under "same" padding.
    model = keras.Model(inputs, layers.Flatten()(conv(hidden)))
    kernel, bias = RNG.normal(size=(3, 3, 2, 3)), RNG.normal(size=3)
    conv.set_weights([kernel, bias])
    matrix, _ = convolution(kernel, (5, 6, 2), 1, "same")
    maps = LRP(model, "epsilon_gamma_box")(IMAGES, 40).maps
    ends = np.sort([shift, scale + shift], axis=0)
    for image, found in zip(IMAGES, maps):
        x = image.astype("float64") * scale + shift
        f = (x.ravel() @ np.nan_to_num(matrix) + np.tile(bias, 30))[40]
        low, high = (np.broadcast_to(end, x.shape).ravel() for end in ends)
        expected = shares("z_box", x.ravel(), matrix[:, 40:41], np.zeros(1), low, high)[:, 0] * f
        np.testing.assert_allclose(found, expected.reshape(5, 6, 2).sum(-1), rtol=1e-3, atol=1e-5 * abs(f))


def test_other_bounds():
    inputs = keras.Input((5, 6, 2))
    dense = layers.Dense(2)
    model = keras.Model(inputs, dense(layers.Flatten()(inputs)))
    composite = Composite(convolution="zero", dense="zero", first="z_box")
    maps = LRP(model, composite, bounds=(-1, 2))(IMAGES, 0).maps
    expected = by_hand([(*dense.get_weights(), LINEAR)], IMAGES[0], 0, ["z_box"], True, -1, 2).reshape(5, 6, 2).sum(-1)
    np.testing.assert_allclose(maps[0], expected, rtol=1e-3, atol=1e-6)


def test_bounds_that_cannot_be_pushed_through_are_refused():
    inputs = keras.Input((5, 6, 2))
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(layers.Activation("silu")(inputs))))
    with pytest.raises(analysis.UnsupportedModelError, match="z_box.*do not pass"):
        LRP(model, "epsilon_gamma_box")(IMAGES, 1)
