"""One network at every image size: static and dynamic sizes agree, and with TF "same" padding."""

import keras
import numpy as np
import pytest

from keras_repvis import models

NAMES = ["mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "mobilenet_v4_conv_small"]


@pytest.fixture(scope="module")
def dynamic():
    """Function from a name to a narrow model with an open image size and features of all strides."""
    built = {}

    def of(name):
        if name not in built:
            built[name] = models.build(
                name, input_shape=(None, None, 3), width_multiplier=0.25, features_only=True
            )
        return built[name]

    return of


@pytest.mark.parametrize("name", NAMES)
def test_every_size_follows_same_padding(dynamic, name):
    """Stage s of an n pixel image has ceil(n / s) pixels; height and width together take every n from 32 to 256."""
    model = dynamic(name)
    for size in range(32, 145):
        shapes = model.compute_output_spec(keras.KerasTensor((1, size, 288 - size, 3)))
        assert list(shapes) == ["stride_2", "stride_4", "stride_8", "stride_16", "stride_32"]
        for stage, tensor in shapes.items():
            stride = int(stage.removeprefix("stride_"))
            assert tensor.shape[1:3] == (-(-size // stride), -(-(288 - size) // stride))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(33, 33), (47, 50), (150, 200)])
def test_static_and_dynamic_sizes_are_one_network(dynamic, name, size):
    """Layer for layer the same configuration, and with the same weights the same values."""
    static = models.build(name, input_shape=(*size, 3), width_multiplier=0.25, features_only=True)
    described = [[(type(layer), layer.get_config()) for layer in model.layers[1:]] for model in (static, dynamic(name))]
    for config in (config for model in described for _, config in model):
        for part in (value for value in config.values() if isinstance(value, dict)):
            part.pop("build_config", None)
    assert described[0] == described[1]
    rng = np.random.default_rng(0)
    weights = static.get_weights()
    for index, weight in enumerate(weights):
        if weight.ndim == 4:  # kernels of a size that carries the image to the last stage
            seen = weight.shape[:2] if weight.shape[-1] == 1 else weight.shape[:-1]
            weights[index] = rng.normal(0, np.sqrt(2 / np.prod(seen)), weight.shape)
    static.set_weights(weights)
    dynamic(name).set_weights(weights)
    images = rng.random((1, *size, 3)).astype("float32")
    expected = dynamic(name)(images)
    for stage, features in static(images).items():
        assert np.std(features) > 1e-3
        np.testing.assert_allclose(features, expected[stage], rtol=1e-5, atol=1e-5, err_msg=stage)


@pytest.mark.parametrize("name", ["mobilenet_v4_conv_medium", "mobilenet_v4_conv_large"])
def test_sizes_of_the_larger_v4(name):
    model = models.build(name, input_shape=(None, None, 1), width_multiplier=0.1, features_only=True)
    for size in (32, 33, 75, 150, 200, 255, 256):
        shapes = model.compute_output_spec(keras.KerasTensor((1, size, size, 1)))
        assert [tensor.shape[1] for tensor in shapes.values()] == [-(-size // 2**level) for level in range(1, 6)]
