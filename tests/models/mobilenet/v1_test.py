"""Tests of keras_repvis.models.mobilenet.v1."""

import pytest

from keras_repvis import models


def test_layout():
    """The paper's table 1, but for stride 1 in the last depthwise convolution."""
    model = models.MobileNetV1((224, 224, 3))
    convolutions = [layer for layer in model.layers if "Conv2D" in type(layer).__name__]
    described = [
        (type(layer).__name__, layer.kernel_size[0], layer.strides[0], layer.output.shape[-1], layer.output.shape[1])
        for layer in convolutions
    ]
    expected = [("Conv2D", 3, 2, 32, 112)]
    width, size = 32, 112
    table = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
    for filters, stride in table:
        size //= stride
        expected += [("DepthwiseConv2D", 3, stride, width, size), ("Conv2D", 1, 1, filters, size)]
        width = filters
    assert described == expected
    assert model.output_shape == (None, 1000)


@pytest.mark.parametrize("width_multiplier, stem", [(0.01, 8), (0.25, 8), (0.3, 9), (1.0, 32), (1.5, 48)])
def test_widths_are_cut_not_rounded(width_multiplier, stem):
    model = models.MobileNetV1((32, 32, 1), width_multiplier=width_multiplier, features_only=True)
    assert model.get_layer("stem_conv").filters == stem
    assert model.output["stride_32"].shape[-1] == max(8, int(1024 * width_multiplier))


@pytest.mark.parametrize("width_multiplier", [0, -1, "wide"])
def test_bad_width_is_named(width_multiplier):
    with pytest.raises(ValueError, match="width_multiplier="):
        models.MobileNetV1(width_multiplier=width_multiplier)
