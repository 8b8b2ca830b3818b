"""Weights of keras.applications in this package's MobileNets: the same logits to 1e-5.

The source's weights are random, its batch norms' too: at their initial values they are close to the identity and would
hide an exchange. keras.applications takes [-1, 1] for V1 and V2 and [0, 255] for V3.
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


@pytest.mark.parametrize("constructor, name, arguments, alpha, size, scaling", CASES)
def test_same_logits(constructor, name, arguments, alpha, size, scaling):
    rng = np.random.default_rng(0)
    source = constructor(
        (*size, 3), alpha=alpha, weights=None, classes=10, classifier_activation=None, **arguments
    )
    for weight in source.weights:
        if any(word in weight.path for word in ("variance", "gamma")):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif any(word in weight.path for word in ("mean", "beta", "bias")):
            weight.assign(rng.normal(0, 0.1, weight.shape))
    target = models.build(name, input_shape=(*size, 3), classes=10, width_multiplier=alpha)
    assert models.port_weights(source, target) is target
    images = rng.random((2, *size, 3)).astype("float32")
    expected = np.array(source(scaling(images)))
    assert np.ptp(expected) > 0.05
    np.testing.assert_allclose(target(images), expected, atol=1e-5)
