"""Tests of keras_repvis.models.mobilenet.v4."""

import keras
import pytest

from keras_repvis import models

CONSTRUCTORS = {
    models.MobileNetV4ConvSmall: (12, [5, 5, *[3] * 4, 3, 3, 3, 5, 5, 5, 5, 3, 3]),
    models.MobileNetV4ConvMedium: (21, None),
    models.MobileNetV4ConvLarge: (26, None),
}


@pytest.mark.parametrize("constructor", CONSTRUCTORS)
def test_blocks(constructor):
    blocks, kernels = CONSTRUCTORS[constructor]
    model = constructor((64, 64, 3), width_multiplier=0.1, classes=10)
    universal = {layer.name.split("_")[1] for layer in model.layers
                 if layer.name.endswith("_expand") and layer.kernel_size == (1, 1)}
    assert len(universal) == blocks
    if kernels:
        depthwise = [layer.kernel_size[0] for layer in model.layers if isinstance(layer, keras.layers.DepthwiseConv2D)]
        assert depthwise == kernels
    assert model.get_layer("embedding").units == 1280
    assert not model.get_layer("embedding").use_bias
    assert {layer.max_value for layer in model.layers if isinstance(layer, keras.layers.ReLU)} == {None}


def test_drop_path_grows_with_depth():
    model = models.MobileNetV4ConvSmall((64, 64, 3), width_multiplier=0.1, classes=10, drop_path=0.3)
    rates = [layer.rate for layer in model.layers if layer.name.endswith("_drop_path")]
    assert rates == sorted(rates) and rates[-1] == pytest.approx(0.3)
    # Residual are the blocks of one width and stride 1: five of six at 96, all but the first at 128.
    assert len(rates) == 5 + 5
    assert rates[0] == pytest.approx(0.3 * 5 / 15)


@pytest.mark.parametrize("drop_path", [1.0, -0.1, "often"])
def test_bad_drop_path_is_named(drop_path):
    with pytest.raises(ValueError, match="drop_path="):
        models.MobileNetV4ConvSmall(drop_path=drop_path)
