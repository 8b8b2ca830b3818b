"""Tests of keras_repvis.models.cyclegan.resnet_generator; tests/parity/ compares it with PyTorch."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import models


def trainable(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


@pytest.fixture(scope="module")
def generator():
    """Small, with kernels that keep the size of what they are given, for images of any size."""
    model = models.ResNetGenerator(blocks=2, filters=8)
    return with_large_kernels(model)


def with_large_kernels(model):
    rng = np.random.default_rng(0)
    model.set_weights([
        rng.normal(0, np.sqrt(2 / np.prod(weight.shape[:3])) if weight.ndim == 4 else 0.1, weight.shape)
        for weight in model.get_weights()
    ])  # fmt: skip
    return model


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).uniform(size=(2, 32, 24, 3)).astype("float32")


@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
@pytest.mark.parametrize("blocks, expected", [(6, 7_837_699), (9, 11_378_179)])
def test_parameter_counts(blocks, expected, upsampling):
    """Those of the authors' networks; the enlargement without checkerboards has as many."""
    assert trainable(models.ResNetGenerator(blocks=blocks, upsampling=upsampling)) == expected


def test_layers():
    """The published list: c7s1-64, d128, d256, R256 x 2, u128, u64, c7s1-3."""
    model = models.ResNetGenerator((64, 64, 3), blocks=2)
    convolutions = [layer for layer in model.layers if layer.weights]
    assert [(layer.kernel.shape, layer.strides[0], layer.output.shape[1:3]) for layer in convolutions] == [
        ((7, 7, 3, 64), 1, (64, 64)),
        ((3, 3, 64, 128), 2, (32, 32)),
        ((3, 3, 128, 256), 2, (16, 16)),
        *4 * [((3, 3, 256, 256), 1, (16, 16))],
        ((3, 3, 128, 256), 2, (33, 33)),  # of transposed convolutions (out, in), before a row is cut off
        ((3, 3, 64, 128), 2, (65, 65)),
        ((7, 7, 64, 3), 1, (64, 64)),
    ]
    block = [layer.name.removeprefix("block_1_") for layer in model.layers if layer.name.startswith("block_1_")]
    assert block == ["first_pad", "first_conv", "first_norm", "first_relu", "second_pad", "second_conv",
                     "second_norm", "add"]  # fmt: skip
    after = model.get_layer("block_1_add")._outbound_nodes
    assert {node.operation.name for node in after} == {"block_2_first_pad", "block_2_add"}  # no ReLU after the sum


def test_outputs_are_images_of_the_input_size(generator):
    for shape in ((1, 8, 8, 3), (2, 12, 40, 3)):
        found = np.asarray(generator(np.random.default_rng(0).uniform(size=shape).astype("float32")))
        assert found.shape == shape and 0 <= found.min() < found.max() <= 1
    assert models.ResNetGenerator((8, 8, 5), blocks=1, filters=2).output_shape == (None, 8, 8, 5)
    assert models.ResNetGenerator((8, 8, 1), 16, blocks=1, filters=2).output_shape == (None, 8, 8, 16)


def test_a_constant_added_to_a_channel_is_not_seen(generator, images):
    """Reflection keeps constants constant, and the first instance norm takes them away. Rounding leaves 5e-6."""
    constant = np.array([0.2, -0.1, 0.4], "float32")
    np.testing.assert_allclose(generator(images + constant), generator(images), atol=2e-5)
    assert np.abs(generator(images * constant) - generator(images)).max() > 0.01


def test_contrast_is_hardly_seen(generator, images):
    """Only by epsilon, which is small against the variances."""
    np.testing.assert_allclose(generator(2 * images - 0.5), generator(images), atol=1e-3)


def test_biases_before_an_instance_norm_get_no_gradient(images):
    """All but the last one. In float64, where rounding is far below."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        model = with_large_kernels(models.ResNetGenerator(blocks=2, filters=8))
    finally:
        keras.config.set_dtype_policy(before)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(model(images.astype("float64")) ** 2)
    largest = {
        weight.path: np.abs(gradient).max()
        for weight, gradient in zip(model.trainable_weights, tape.gradient(loss, model.trainable_weights))
    }
    biases = {path: value for path, value in largest.items() if path.endswith("bias")}
    assert biases.pop("last_conv/bias") > 1e-4
    assert len(biases) == 9 and max(biases.values()) < 1e-14
    assert min(value for path, value in largest.items() if path.endswith("kernel")) > 1e-6


def test_without_checkerboards_a_flat_map_stays_flat():
    """The pattern is that of the enlargements alone: a map of ones behind the last block."""
    variation = {}
    for upsampling in ("transposed", "resize"):
        model = models.ResNetGenerator((32, 32, 3), blocks=1, filters=4, norm="none", upsampling=upsampling)
        after = keras.Model(model.get_layer("block_1_add").output, model.get_layer("up_0_relu").output)
        maps = np.asarray(after(np.ones((1, 8, 8, 16), "float32")))[:, 4:-4, 4:-4]
        variation[upsampling] = maps.std(axis=(1, 2)).max() / maps.max()
    assert variation["resize"] < 1e-4 and variation["transposed"] > 0.1


def test_dropout():
    model = models.ResNetGenerator((16, 16, 3), blocks=2, filters=4, dropout=0.5)
    assert [layer.name for layer in model.layers if isinstance(layer, keras.layers.Dropout)] == [
        "block_1_dropout", "block_2_dropout"
    ]  # fmt: skip
    assert model.get_layer("block_1_dropout").rate == 0.5
    assert not any(isinstance(layer, keras.layers.Dropout) for layer in models.ResNetGenerator(blocks=1).layers)


def test_multiply_adds():
    """8.8 G at 128 pixels and 6 blocks, of which the blocks are 12 x 32 x 32 x 9 x 256 x 256."""
    cost = models.cost(models.ResNetGenerator(blocks=6), (128, 128, 3))
    seven = 128 * 128 * 49 * 3 * 64
    halving = (64 * 64 * 64 * 128 + 32 * 32 * 128 * 256) * 9
    doubling = (32 * 32 * 256 * 128 + 64 * 64 * 128 * 64) * 9
    assert cost.multiply_adds == 2 * seven + halving + doubling + 12 * 32 * 32 * 9 * 256 * 256
    assert cost.total == 7_837_699
    affine = models.cost(models.ResNetGenerator(blocks=6, norm="instance_affine"), (128, 128, 3))
    assert affine.multiply_adds == cost.multiply_adds and affine.trainable == 7_837_699 + 3712


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"input_shape": (30, 32, 3)}, "height 30 are not accepted: expected a multiple of 4, at least 8"),
        ({"input_shape": (None, 4, 3)}, "width 4 are not accepted: expected a multiple of 4, at least 8"),
        ({"blocks": 0}, "blocks=0"),
        ({"output_channels": 0}, "output_channels=0"),
        ({"upsampling": "bilinear"}, "upsampling='bilinear'"),
        ({"dropout": 1.0}, "dropout=1.0 is not accepted: expected a rate < 1"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.ResNetGenerator(**{"filters": 2, "blocks": 1, **arguments})


def test_images_of_a_size_it_cannot_have_are_refused_when_they_arrive(generator):
    with pytest.raises(ValueError, match="height 30 are not accepted: expected a multiple of 4, at least 8"):
        generator(np.zeros((1, 30, 32, 3), "float32"))


@pytest.mark.parametrize("batch", [1, None])
def test_derivatives_forward_backward_and_dense_agree(generator, batch):
    """As the study of hidden signals takes them: for one image, and for a batch of unknown size."""
    rng = np.random.default_rng(2)
    image, along = (rng.normal(0.5, 0.2, size=(1, 8, 8, 3)).astype("float32") for _ in range(2))
    along -= along.mean(axis=(1, 2), keepdims=True)
    signature = 2 * [tf.TensorSpec((batch, 8, 8, 3))]

    @tf.function(input_signature=signature)
    def forward(images, along):
        with tf.autodiff.ForwardAccumulator(images, along) as accumulator:
            outputs = generator(images)
        return accumulator.jvp(outputs)

    @tf.function(input_signature=signature)
    def backward(images, weights):
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = generator(images)
        return tape.gradient(outputs, images, weights)

    with tf.GradientTape() as tape:
        constant = tf.constant(image)
        tape.watch(constant)
        outputs = generator(constant)
    dense = tape.jacobian(outputs, constant).numpy().reshape(192, 192)
    product = np.asarray(forward(image, along)).ravel()
    transposed = np.asarray(backward(image, product.reshape(image.shape))).ravel()
    assert np.abs(product).max() > 1e-3
    np.testing.assert_allclose(product, dense @ along.ravel(), atol=2e-5 * np.abs(product).max())
    np.testing.assert_allclose(transposed, product @ dense, atol=2e-5 * np.abs(transposed).max())
