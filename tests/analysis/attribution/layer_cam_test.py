"""Layer-CAM against its formula and tf-keras-vis."""

import numpy as np
import pytest

from keras_repvis import analysis
from keras_repvis.analysis.attribution import GradCAM, LayerCAM, LinearApproximation


def test_agrees_with_the_formula(rectified):
    result = LayerCAM(rectified.model, batch_size=3)(rectified.images, rectified.targets)
    expected = (np.maximum(rectified.gradient, 0) * rectified.code).sum(axis=-1)
    np.testing.assert_allclose(result.maps, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(result.diagnostics["largest"], expected.max(axis=(1, 2)), rtol=1e-4)


def test_equals_tf_keras_vis(rectified, keras_vis):
    from tf_keras_vis.layercam import Layercam

    found = LayerCAM(rectified.model)(rectified.images, rectified.targets).maps
    np.testing.assert_allclose(found, keras_vis(Layercam, rectified), rtol=1e-5, atol=1e-6)


def test_before_a_rectifier_negative_activations_count_against(rectified):
    model, images, targets = rectified.model, rectified.images, rectified.targets
    linear = images.astype("float64") @ model.get_layer("conv").kernel.numpy()[0, 0]
    gradient = rectified.gradient * (linear > 0)
    expected = (np.maximum(gradient, 0) * linear).sum(axis=-1)
    maps = LayerCAM(model, "conv", relu=False)(images, targets).maps
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-6)


def test_is_neither_grad_cam_nor_the_linear_approximation(rectified):
    maps = [method(rectified.model)(rectified.images, 1).maps for method in (LayerCAM, GradCAM, LinearApproximation)]
    for other in maps[1:]:
        assert np.abs(maps[0] - other).max() > 0.01


def test_is_enlarged(rectified):
    maps = LayerCAM(rectified.model, upsample=True)(rectified.images, 1).maps
    np.testing.assert_allclose(maps, LayerCAM(rectified.model)(rectified.images, 1).maps, rtol=1e-6)
    with pytest.raises(analysis.UnsupportedModelError, match="cannot be seen"):
        LayerCAM(lambda images: rectified.model(images))
