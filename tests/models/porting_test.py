"""Tests of keras_repvis.models.porting; the port from keras.applications is tested under tests/parity."""

import keras
import numpy as np
import pytest

from keras_repvis import models


def narrow(**arguments):
    return models.MobileNetV1((32, 32, 3), **{"width_multiplier": 0.25, "classes": 4, **arguments})


def test_between_layouts_of_one_network():
    """A dense layer and a 1 x 1 convolution of pooled features are one thing; nesting does not matter."""
    image = keras.Input((8, 8, 3))
    conv = keras.layers.Conv2D(4, 1)(keras.layers.GlobalAveragePooling2D(keepdims=True)(image))
    source = keras.Model(image, keras.layers.Flatten()(conv))
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    target = keras.Model(image, inner(keras.layers.GlobalAveragePooling2D()(image)))
    models.port_weights(source, target)
    images = np.random.default_rng(0).random((2, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(source(images), target(images), atol=1e-6)


@pytest.mark.parametrize(
    "other, message",
    [
        ({"classes": 5}, "'logits'"),
        ({"width_multiplier": 0.5}, "'stem_conv'"),
        ({"include_top": False}, "layers with weights"),
        ({"batch_norm_epsilon": 1e-5}, "epsilon 1e-05 where source has 0.001"),
    ],
)
def test_other_networks_are_refused_and_left_alone(other, message):
    source, target = narrow(), narrow(**other)
    before = target.get_weights()
    with pytest.raises(ValueError, match=f"target.*{message}"):
        models.port_weights(source, target)
    for weight, value in zip(target.weights, before):
        np.testing.assert_array_equal(weight, value)


def test_kinds_are_told_apart():
    """A depthwise and a plain convolution of equal shapes are not the same layer."""
    image = keras.Input((8, 8, 1))
    source = keras.Model(image, keras.layers.Conv2D(1, 3)(image))
    target = keras.Model(image, keras.layers.DepthwiseConv2D(3)(image))
    with pytest.raises(ValueError, match="DepthwiseConv2D.*Conv2D"):
        models.port_weights(source, target)
