"""Tests of keras_repvis.layers.aligned_conv2d_transpose; tests/parity/ compares it with PyTorch."""

import keras
import numpy as np
import pytest

from keras_repvis.layers import AlignedConv2DTranspose, Cropping

KERNELS_AND_STRIDES = [(3, 2), (4, 2), (2, 2), (5, 2), (5, 3), (7, 4), (1, 1), (3, 1)]


def built(kernel_size, strides, channels=3, filters=2):
    layer = AlignedConv2DTranspose(filters, kernel_size, strides)
    layer.build((None, None, None, channels))
    rng = np.random.default_rng(0)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.weights])
    return layer


@pytest.mark.parametrize("kernel_size, strides", KERNELS_AND_STRIDES)
def test_against_sums(kernel_size, strides):
    """Input pixel i adds x[i] times the kernel's entry a at the output's pixel s i + a - ceil((k - s) / 2)."""
    layer = built(kernel_size, strides)
    kernel, bias = layer.get_weights()
    x = np.random.default_rng(1).normal(size=(1, 3, 4, 3))
    start = -(-(kernel_size - strides) // 2)
    expected = np.zeros((1, 3 * strides, 4 * strides, 2)) + bias
    for row, column, i, j in np.ndindex(3, 4, kernel_size, kernel_size):
        to_row, to_column = strides * row + i - start, strides * column + j - start
        if 0 <= to_row < 3 * strides and 0 <= to_column < 4 * strides:
            expected[0, to_row, to_column] += kernel[i, j] @ x[0, row, column]
    np.testing.assert_allclose(layer(x.astype("float32")), expected, atol=1e-5)
    assert layer.compute_output_shape((1, 3, 4, 3)) == expected.shape


@pytest.mark.parametrize("kernel_size", [3, 4])
def test_is_the_transpose_of_the_halving_convolution(kernel_size):
    """<conv(x), y> = <x, transposed(y)>, with the convolution of the generators: stride 2, one zero on each side."""
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(1, 8, 10, 2)).astype("float32"), rng.normal(size=(1, 4, 5, 3)).astype("float32")
    transposed = built(kernel_size, 2)
    kernel = transposed.get_weights()[0]
    transposed.set_weights([kernel, np.zeros(2)])
    halving = keras.layers.Conv2D(3, kernel_size, strides=2, use_bias=False)
    halving.build((None, None, None, 2))
    halving.set_weights([kernel])
    down = halving(keras.layers.ZeroPadding2D(1)(x))
    np.testing.assert_allclose(np.sum(down * y), np.sum(x * transposed(y)), rtol=1e-5)


def test_same_padding_of_keras_is_shifted_by_a_pixel():
    layer = built(3, 2)
    same = keras.layers.Conv2DTranspose(2, 3, strides=2, padding="same")
    same.build((None, None, None, 3))
    same.set_weights(layer.get_weights())
    x = np.random.default_rng(3).normal(size=(1, 6, 6, 3)).astype("float32")
    np.testing.assert_allclose(layer(x)[:, :-1, :-1], same(x)[:, 1:, 1:], atol=1e-5)
    assert np.abs(layer(x) - same(x)).max() > 0.1


def test_inlined_it_is_a_convolution_and_a_crop_if_it_needs_one():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, AlignedConv2DTranspose(4, 3, name="up").inline(image))
    assert [type(layer) for layer in model.layers[1:]] == [keras.layers.Conv2DTranspose, Cropping]
    assert [layer.name for layer in model.layers[1:]] == ["up_conv", "up_crop"]
    even = keras.Model(image, AlignedConv2DTranspose(4, 4, name="up").inline(image))
    assert [layer.name for layer in even.layers[1:]] == ["up_conv"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"filters": 0}, "filters=0"),
        ({"kernel_size": 1}, "kernel_size=1 is not accepted: expected an integer >= 2"),
        ({"strides": 0}, "strides=0"),
        ({"use_bias": None}, "use_bias=None"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        AlignedConv2DTranspose(**{"filters": 4, "kernel_size": 3, **arguments})
