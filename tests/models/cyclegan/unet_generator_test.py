"""Tests of keras_repvis.models.cyclegan.unet_generator; tests/parity/ compares it with PyTorch."""

import keras
import numpy as np
import pytest

from keras_repvis import models


def trainable(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


@pytest.mark.parametrize(
    "downsamplings, norm, expected",
    [(7, "instance", 41_825_667), (8, "instance", 54_409_603), (8, "batch", 54_413_955)],
)
def test_parameter_counts(downsamplings, norm, expected):
    """Those of the authors' networks for 128 and 256 pixels, and of the one of pix2pix."""
    assert trainable(models.UNetGenerator(downsamplings=downsamplings, norm=norm)) == expected


def test_layers():
    """The published widths 64, 128, 256, 512, 512, ... down, and back up with twice the width from the shortcut."""
    model = models.UNetGenerator((128, 128, 3), downsamplings=7)
    down = [layer.filters for layer in model.layers if type(layer) is keras.layers.Conv2D]
    up = [layer.kernel.shape for layer in model.layers if isinstance(layer, keras.layers.Conv2DTranspose)]
    assert down == [64, 128, 256, 512, 512, 512, 512]
    assert up == [
        (4, 4, 512, 512), (4, 4, 512, 1024), (4, 4, 512, 1024), (4, 4, 256, 1024), (4, 4, 128, 512),
        (4, 4, 64, 256), (4, 4, 3, 128),
    ]  # fmt: skip
    norms = [layer.name.removesuffix("_norm") for layer in model.layers if layer.name.endswith("norm")]
    assert norms == [*(f"down_{depth}" for depth in range(1, 6)), *(f"up_{depth}" for depth in range(6, 0, -1))]
    assert model.get_layer("down_6_conv").output.shape == (None, 1, 1, 512)
    rectifiers = [layer for layer in model.layers if isinstance(layer, keras.layers.LeakyReLU)]
    slopes = [round(float(layer.negative_slope), 6) for layer in rectifiers]
    assert slopes == 6 * [0.2]


def test_activations_stand_before_the_convolutions():
    model = models.UNetGenerator((8, 8, 3), downsamplings=3, filters=2)
    order = [layer.name for layer in model.layers if layer.name.startswith(("down_0", "down_1", "up_1", "last"))]
    assert order == [
        "down_0_pad", "down_0_conv", "down_1_relu", "down_1_pad", "down_1_conv", "down_1_norm",
        "up_1_relu", "up_1_conv", "up_1_norm", "up_1_concat", "last_relu", "last_conv",
    ]  # fmt: skip


def test_dropout_is_in_the_widest_levels_but_the_innermost():
    model = models.UNetGenerator(downsamplings=8, filters=2, dropout=0.5)
    dropped = [layer.name for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert dropped == ["up_6_dropout", "up_5_dropout", "up_4_dropout"]
    assert model.get_layer("up_4_dropout").rate == 0.5
    few = models.UNetGenerator(downsamplings=5, filters=2, dropout=0.5)
    assert not any(isinstance(layer, keras.layers.Dropout) for layer in few.layers)


def test_outputs_are_images_of_the_input_size():
    model = models.UNetGenerator(downsamplings=3, filters=4, output_channels=2)
    for shape in ((1, 8, 8, 3), (2, 16, 40, 3)):
        found = np.asarray(model(np.random.default_rng(0).uniform(size=shape).astype("float32")))
        assert found.shape == (*shape[:3], 2) and 0 <= found.min() < found.max() <= 1


def test_a_constant_added_to_a_channel_is_seen():
    """Unlike in the residual generator: no norm follows the first convolution, whose map goes to the last one."""
    model = models.UNetGenerator((16, 16, 3), downsamplings=3, filters=8)
    model.set_weights([10 * weight for weight in model.get_weights()])
    images = np.random.default_rng(0).uniform(size=(1, 16, 16, 3)).astype("float32")
    assert np.abs(model(images + np.float32(0.3)) - model(images)).max() > 1e-3


def test_multiply_adds():
    """16 x pixels of the smaller map x both widths, once down and once up, where the shortcut doubles the width."""
    cost = models.cost(models.UNetGenerator(downsamplings=2, filters=4), (16, 8, 3))
    assert cost.multiply_adds == 16 * (8 * 4 * (3 * 4 + 2 * 4 * 3) + 4 * 2 * (4 * 8 + 8 * 4))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"input_shape": (256, 128, 3), "downsamplings": 8}, "width 128 are not accepted: expected a multiple of 256"),
        ({"input_shape": (12, None, 3)}, "height 12 are not accepted: expected a multiple of 8"),
        ({"downsamplings": 1}, "downsamplings=1 is not accepted: expected an integer >= 2"),
        ({"output_channels": -1}, "output_channels=-1"),
        ({"dropout": -0.1}, "dropout=-0.1"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.UNetGenerator(**{"filters": 2, "downsamplings": 3, **arguments})


def test_images_of_a_size_it_cannot_have_are_refused_when_they_arrive():
    with pytest.raises(ValueError, match="width 12 are not accepted: expected a multiple of 8"):
        models.UNetGenerator(downsamplings=3, filters=2)(np.zeros((1, 8, 12, 3), "float32"))
