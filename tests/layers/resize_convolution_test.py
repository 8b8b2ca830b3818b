"""Tests of keras_repvis.layers.resize_convolution."""

import numpy as np
import pytest

from keras_repvis.layers import AlignedConv2DTranspose, ResizeConvolution


@pytest.mark.parametrize("kernel_size, factor", [(3, 2), (5, 3), (1, 2)])
def test_against_sums(kernel_size, factor):
    layer = ResizeConvolution(2, kernel_size, factor)
    layer.build((None, None, None, 3))
    rng = np.random.default_rng(0)
    kernel, bias = values = [rng.normal(size=weight.shape) for weight in layer.weights]
    layer.set_weights(values)
    x = rng.normal(size=(2, 4, 3, 3))
    margin = kernel_size // 2
    large = np.repeat(np.repeat(x, factor, axis=1), factor, axis=2)
    large = np.pad(large, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(large, (kernel_size, kernel_size), axis=(1, 2))
    expected = np.einsum("bhwcij,ijcf->bhwf", windows, kernel) + bias
    np.testing.assert_allclose(layer(x.astype("float32")), expected, atol=1e-5)
    assert layer.compute_output_shape((2, 4, 3, 3)) == expected.shape


def test_no_checkerboard():
    """A constant stays constant; the transposed convolution of kernel 3 gives pixels 1, 2 or 4 contributions."""
    image = np.ones((1, 6, 6, 1), "float32")
    smooth = ResizeConvolution(1, kernel_initializer="ones")(image)
    uneven = AlignedConv2DTranspose(1, 3, kernel_initializer="ones")(image)
    assert set(np.ravel(smooth)) == {9.0}
    assert set(np.ravel(uneven[:, 1:-1, 1:-1])) == {1.0, 2.0, 4.0}


def test_it_has_the_weights_of_the_transposed_convolution():
    shapes = [
        sorted(int(np.prod(weight.shape)) for weight in layer.weights)
        for layer in (ResizeConvolution(4), AlignedConv2DTranspose(4, 3))
        if layer.build((None, 8, 8, 6)) is None
    ]
    assert shapes[0] == shapes[1] == [4, 4 * 6 * 9]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"filters": 0}, "filters=0"),
        ({"kernel_size": 4}, "kernel_size=4 is not accepted: expected an odd integer"),
        ({"factor": 1}, "factor=1 is not accepted: expected an integer >= 2"),
        ({"use_bias": 1.5}, "use_bias=1.5"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        ResizeConvolution(**{"filters": 4, **arguments})


def test_images_without_room_for_the_padding_are_refused():
    with pytest.raises(ValueError, match="height and width > padding=2"):
        ResizeConvolution(1, 5).compute_output_shape((1, 1, 8, 3))
