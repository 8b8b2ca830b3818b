"""Guided Grad-CAM is the product of the two it is made of."""

import keras
import numpy as np
import pytest

from keras_repvis import analysis
from keras_repvis.analysis.attribution import GradCAM, Gradient, GuidedBackprop, GuidedGradCAM

layers = keras.layers
IMAGES = np.random.default_rng(0).random((4, 12, 12, 3), "float32")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((12, 12, 3))
    hidden = layers.Conv2D(8, 3, activation="relu", name="first")(inputs)
    hidden = layers.Conv2D(6, 3, strides=2, activation="relu", name="second")(hidden)
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(hidden)))


@pytest.mark.parametrize("reduction", ["max_abs", "l2", "sum"])
@pytest.mark.parametrize("layer", ["spatial", "first"])
def test_is_the_product(model, reduction, layer):
    found = GuidedGradCAM(model, layer, reduction, batch_size=3)(IMAGES, [2, 0, 1, 2])
    cam = GradCAM(model, layer, upsample=True)(IMAGES, [2, 0, 1, 2])
    guided = GuidedBackprop(model, reduction=reduction)(IMAGES, [2, 0, 1, 2])
    # A factor that is not negative goes through each of the reductions.
    np.testing.assert_allclose(found.maps, cam.maps * guided.maps, rtol=1e-4, atol=1e-7)
    assert found.maps.shape == (4, 12, 12) and np.abs(found.maps).max() > 0
    for name in ("score", "target", "largest"):
        np.testing.assert_allclose(found.diagnostics[name], cam.diagnostics[name], rtol=1e-5)


def test_it_is_guided_and_grad_cam_is_not(model):
    cam = GradCAM(model, upsample=True)(IMAGES, 0).maps
    plain = cam * Gradient(model)(IMAGES, 0).maps
    assert np.abs(GuidedGradCAM(model)(IMAGES, 0).maps - plain).max() > 1e-4


def test_a_network_without_rectifiers_is_refused():
    inputs = keras.Input((12, 12, 3))
    hidden = layers.Conv2D(8, 3, activation="tanh")(inputs)
    model = keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(hidden)))
    with pytest.raises(analysis.UnsupportedModelError, match="no rectifier"):
        GuidedGradCAM(model)(IMAGES, 1)
    with pytest.raises(ValueError, match="reduction='mean' is not known"):
        GuidedGradCAM(model, reduction="mean")
