"""Weights of keras.applications in this package's MobileNets: the same logits.

The definitions are compared in float64, to 1e-9, on networks made like trained ones: weights of its own for every batch
norm, and the statistics of a batch of images. (At the initial weights an image fades to 1e-10 before it reaches the
logits, which would hide any mistake; and random deep networks magnify the rounding of float32.) Then, in float32 and
from initial kernels, the logits agree to 1e-5. keras.applications takes [-1, 1] for V1 and V2 and [0, 255] for V3.
"""

import keras
import numpy as np
import pytest

from keras_repvis import models

APPLICATIONS = keras.applications
SYMMETRIC, BYTES = (lambda x: 2 * x - 1), (lambda x: 255 * x)
# source, name of ours, arguments of the source, alpha, size, scaling. V1 of Keras pads for even sizes only.
CASES = [
    (APPLICATIONS.MobileNet, "mobilenet_v1", {}, 0.25, (64, 96), SYMMETRIC),
    (APPLICATIONS.MobileNet, "mobilenet_v1", {}, 1.0, (32, 32), SYMMETRIC),
    (APPLICATIONS.MobileNetV2, "mobilenet_v2", {}, 0.35, (75, 64), SYMMETRIC),
    (APPLICATIONS.MobileNetV2, "mobilenet_v2", {}, 1.4, (33, 33), SYMMETRIC),
    (APPLICATIONS.MobileNetV3Large, "mobilenet_v3_large", {}, 1.0, (75, 64), BYTES),
    (APPLICATIONS.MobileNetV3Large, "mobilenet_v3_large_minimalistic", {"minimalistic": True}, 0.75, (47, 47), BYTES),
    (APPLICATIONS.MobileNetV3Small, "mobilenet_v3_small", {}, 1.25, (64, 64), BYTES),
    (APPLICATIONS.MobileNetV3Small, "mobilenet_v3_small_minimalistic", {"minimalistic": True}, 1.0, (47, 50), BYTES),
]


def make_like_trained(model, images, rng):
    for weight in model.weights:
        if "gamma" in weight.path:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif any(word in weight.path for word in ("beta", "bias")):
            weight.assign(rng.normal(0, 0.1, weight.shape))
        elif "moving" not in weight.path:
            seen = weight.shape[:2] if weight.shape[-1] == 1 else weight.shape[:-1]  # depthwise: one channel
            weight.assign(rng.normal(0, np.sqrt(2 / np.prod(seen)), weight.shape))
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0  # the next training step's statistics become the moving ones
    model(images, training=True)


@pytest.fixture
def double_precision():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("constructor, name, arguments, alpha, size, scaling", CASES)
def test_same_network(constructor, name, arguments, alpha, size, scaling, double_precision):
    rng = np.random.default_rng(0)
    if scaling is BYTES:  # Keras keeps 1 / 127.5 in float32: leave its scaling out
        arguments = {**arguments, "include_preprocessing": False}
    source = constructor((*size, 3), alpha=alpha, weights=None, classes=10, classifier_activation=None, **arguments)
    make_like_trained(source, SYMMETRIC(rng.random((8, *size, 3))), rng)
    target = models.build(name, input_shape=(*size, 3), classes=10, width_multiplier=alpha)
    assert models.port_weights(source, target) is target
    images = rng.random((2, *size, 3)) * [[[[1.0]]], [[[0.2]]]]
    expected = np.array(source(SYMMETRIC(images)))
    between_images = np.max(np.abs(expected[0] - expected[1]))
    assert between_images > 0.1, "the logits do not depend on the image: this test would show nothing"
    np.testing.assert_allclose(target(images), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("constructor, name, arguments, alpha, size, scaling", CASES[::2])
def test_same_logits_in_single_precision(constructor, name, arguments, alpha, size, scaling):
    rng = np.random.default_rng(0)
    source = constructor((*size, 3), alpha=alpha, weights=None, classes=10, classifier_activation=None, **arguments)
    for weight in source.weights:
        if any(word in weight.path for word in ("variance", "gamma")):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif any(word in weight.path for word in ("mean", "beta", "bias")):
            weight.assign(rng.normal(0, 0.1, weight.shape))
    target = models.port_weights(source, models.build(name, input_shape=(*size, 3), classes=10, width_multiplier=alpha))
    images = rng.random((2, *size, 3)).astype("float32")
    np.testing.assert_allclose(target(images), source(scaling(images)), atol=1e-5)
