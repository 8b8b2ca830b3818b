"""Tests of keras_repvis.layers.depthwise_separable."""

import keras
import numpy as np
import pytest

from keras_repvis import models
from keras_repvis.layers import DepthwiseSeparable


@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize("strides", [1, 2])
def test_against_formula(size, strides):
    """One pixel and one channel at a time, in float64, with TF "same" padding written out."""
    rng = np.random.default_rng(0)
    layer = DepthwiseSeparable(3, strides=strides)
    layer.build((None, None, None, 2))
    values = [rng.uniform(0.2, 1, weight.shape) for weight in layer.weights]
    layer.set_weights(values)
    by_role = {weight.path.split("/", 1)[1].removeprefix(f"{layer.name}_"): value
               for weight, value in zip(layer.weights, values)}
    x = rng.normal(size=(1, size, size, 2))

    def normalised(y, role):
        norm = {name: by_role[f"{role}_norm/{name}"] for name in ("gamma", "beta", "moving_mean", "moving_variance")}
        y = (y - norm["moving_mean"]) / np.sqrt(norm["moving_variance"] + 1e-3) * norm["gamma"] + norm["beta"]
        return np.clip(y, 0, 6)

    out = -(-size // strides)
    pad = max((out - 1) * strides + 3 - size, 0)
    padded = np.pad(x, [(0, 0), (pad // 2, pad - pad // 2), (pad // 2, pad - pad // 2), (0, 0)])
    filtered = np.zeros((1, out, out, 2))
    for row in range(out):
        for column in range(out):
            for channel in range(2):
                top, left = row * strides, column * strides
                patch = padded[0, top : top + 3, left : left + 3, channel]
                filtered[0, row, column, channel] = np.sum(patch * by_role["depthwise/kernel"][:, :, channel, 0])
    expected = normalised(normalised(filtered, "depthwise") @ by_role["pointwise/kernel"][0, 0], "pointwise")
    np.testing.assert_allclose(layer(x.astype("float32")), expected, atol=1e-5)


@pytest.mark.parametrize("filters, kernel_size", [(64, 3), (1024, 3), (64, 5)])
def test_cost_ratio(filters, kernel_size):
    """Against a full convolution of equal channels: 1/C_out + 1/k^2, exactly."""
    image = keras.Input((16, 16, filters))
    separable = keras.Model(image, DepthwiseSeparable(filters, kernel_size)(image))
    full = keras.Model(image, keras.layers.Conv2D(filters, kernel_size, padding="same")(image))
    ratio = models.cost(separable).multiply_adds / models.cost(full).multiply_adds
    assert ratio == pytest.approx(1 / filters + 1 / kernel_size**2, rel=1e-12)


@pytest.mark.parametrize("argument, value", [("filters", -1), ("kernel_size", 2.5), ("strides", 0)])
def test_bad_arguments_are_named(argument, value):
    with pytest.raises(ValueError, match=f"{argument}="):
        DepthwiseSeparable(**{"filters": 8, argument: value})
