"""Tests of keras_repvis.layers.squeeze_excite."""

import numpy as np
import pytest

from keras_repvis.layers import SqueezeExcite

# Expanded widths of MobileNetV3 and the squeezed widths d(E / 4) of the published definitions.
SQUEEZED = {16: 8, 72: 24, 96: 24, 120: 32, 144: 40, 240: 64, 288: 72, 480: 120, 576: 144, 672: 168, 960: 240}


def test_widths_of_mobilenet_v3():
    for channels, squeezed in SQUEEZED.items():
        layer = SqueezeExcite()
        layer.build((None, 4, 4, channels))
        assert [tuple(weight.shape) for weight in layer.weights] == [
            (1, 1, channels, squeezed), (squeezed,), (1, 1, squeezed, channels), (channels,)
        ]


def test_against_formula():
    rng = np.random.default_rng(0)
    layer = SqueezeExcite(ratio=0.5, divisor=4)
    layer.build((None, None, None, 8))
    values = [rng.normal(size=weight.shape) for weight in layer.weights]
    layer.set_weights(values)
    reduce, reduce_bias, expand, expand_bias = values
    x = rng.normal(size=(3, 5, 4, 8))
    squeezed = np.maximum(x.mean((1, 2)) @ reduce[0, 0] + reduce_bias, 0)
    gate = np.clip(squeezed @ expand[0, 0] + expand_bias + 3, 0, 6) / 6
    np.testing.assert_allclose(layer(x.astype("float32")), x * gate[:, None, None], atol=1e-5)
    assert layer.compute_output_shape((3, 5, 4, 8)) == (3, 5, 4, 8)


def test_soft_gate():
    layer = SqueezeExcite(gate="sigmoid", kernel_initializer="zeros")
    x = np.ones((1, 2, 2, 8), "float32")
    layer(x)
    layer.weights[-1].assign(np.full(8, 2.0))
    np.testing.assert_allclose(layer(x), x / (1 + np.exp(-2)), rtol=1e-6)


@pytest.mark.parametrize("argument, value", [("ratio", 0), ("divisor", 0), ("gate", "door"), ("activation", 1)])
def test_bad_arguments_are_named(argument, value):
    with pytest.raises(ValueError, match=f"{argument}="):
        SqueezeExcite(**{argument: value})
