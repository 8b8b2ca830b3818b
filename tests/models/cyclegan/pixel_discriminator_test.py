"""Tests of keras_repvis.models.cyclegan.pixel_discriminator; tests/parity/ compares it with PyTorch."""

import numpy as np
import pytest

from keras_repvis import models


def test_parameter_count():
    assert models.PixelDiscriminator().count_params() == 8705


def test_a_score_for_each_pixel_from_its_colour_alone():
    """Without a norm, shuffled pixels have shuffled scores."""
    model = models.PixelDiscriminator((8, 8, 3), filters=4, norm="none")
    rng = np.random.default_rng(0)
    images, order = rng.uniform(size=(2, 8, 8, 3)).astype("float32"), rng.permutation(64)
    scores = np.asarray(model(images))
    shuffled = images.reshape(2, 64, 3)[:, order].reshape(images.shape)
    assert scores.shape == (2, 8, 8, 1) and scores.std() > 0
    np.testing.assert_allclose(model(shuffled), scores.reshape(2, 64)[:, order].reshape(scores.shape), atol=1e-7)


def test_layers():
    model = models.PixelDiscriminator((8, 8, 3))
    assert [layer.name for layer in model.layers[1:]] == [
        "size", "rescale", "pixel_0_conv", "pixel_0_relu", "pixel_1_conv", "pixel_1_norm", "pixel_1_relu", "last_conv"
    ]  # fmt: skip
    assert [layer.filters for layer in model.layers if layer.weights] == [64, 128, 1]


def test_multiply_adds():
    assert models.cost(models.PixelDiscriminator(), (4, 5, 3)).multiply_adds == 20 * (3 * 64 + 64 * 128 + 128)


def test_single_pixels_are_refused():
    with pytest.raises(ValueError, match="height 1 are not accepted: expected at least 2"):
        models.PixelDiscriminator((1, 8, 3))
