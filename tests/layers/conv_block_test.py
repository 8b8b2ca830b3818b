"""Tests of keras_repvis.layers.conv_block."""

import numpy as np
import pytest

from keras_repvis.layers import ConvBlock


def reference(x, kernel, gamma, beta, mean, variance, strides, epsilon):
    """ReLU6(BN(convolution)) in float64, with TF "same" padding written out."""
    side = kernel.shape[0]
    out = [-(-size // strides) for size in x.shape[1:3]]
    pads = [max((count - 1) * strides + side - size, 0) for count, size in zip(out, x.shape[1:3])]
    x = np.pad(x, [(0, 0), *[(pad // 2, pad - pad // 2) for pad in pads], (0, 0)])
    y = np.zeros((len(x), *out, kernel.shape[-1]))
    for row in range(out[0]):
        for column in range(out[1]):
            patch = x[:, row * strides : row * strides + side, column * strides : column * strides + side]
            y[:, row, column] = np.tensordot(patch, kernel, 3)
    return np.clip((y - mean) / np.sqrt(variance + epsilon) * gamma + beta, 0, 6)


@pytest.mark.parametrize("size, strides", [((6, 7), 1), ((6, 7), 2), ((9, 8), 3)])
def test_against_formula(size, strides):
    rng = np.random.default_rng(0)
    layer = ConvBlock(5, kernel_size=3, strides=strides, epsilon=1e-2)
    layer.build((None, None, None, 4))
    kernel, gamma, beta, mean = (rng.normal(size=weight.shape) for weight in layer.weights[:4])
    variance = rng.uniform(0.5, 2, 5)
    layer.set_weights([kernel, gamma, beta, mean, variance])
    x = rng.normal(size=(2, *size, 4))
    expected = reference(x, kernel, gamma, beta, mean, variance, strides, 1e-2)
    np.testing.assert_allclose(layer(x.astype("float32")), expected, atol=1e-5)
    assert layer.compute_output_shape((None, *size, 4))[1:] == expected.shape[1:]


def test_no_activation():
    layer = ConvBlock(3, kernel_size=1, activation=None)
    assert np.min(layer(np.random.default_rng(0).normal(size=(2, 4, 4, 3)))) < 0


@pytest.mark.parametrize(
    "argument, value",
    [("filters", 0), ("kernel_size", 0), ("strides", 1.5), ("momentum", 2), ("epsilon", 0), ("activation", "rulu")],
)
def test_bad_arguments_are_named(argument, value):
    with pytest.raises(ValueError, match=f"{argument}="):
        ConvBlock(**{"filters": 8, argument: value})
