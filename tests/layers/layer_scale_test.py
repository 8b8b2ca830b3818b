"""Tests of keras_repvis.layers.layer_scale."""

import numpy as np
import pytest

from keras_repvis.layers import LayerScale


def test_scales_each_channel():
    layer = LayerScale()
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype("float32")
    np.testing.assert_allclose(layer(x), 1e-5 * x, rtol=1e-6)
    layer.gamma.assign(np.arange(5.0))
    np.testing.assert_allclose(layer(x), x * np.arange(5.0), rtol=1e-6)
    assert layer.count_params() == 5


def test_half_precision_stays_half():
    assert LayerScale(dtype="mixed_bfloat16")(np.ones((1, 3), "float32")).dtype == "bfloat16"


def test_bad_argument_is_named():
    with pytest.raises(ValueError, match="initial_value='small'"):
        LayerScale("small")
