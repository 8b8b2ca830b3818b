"""Tests of keras_repvis.layers.fused_inverted_bottleneck."""

import numpy as np
import pytest

from keras_repvis.layers import FusedInvertedBottleneck


def test_layout_and_parameters():
    block = FusedInvertedBottleneck(48, strides=2)
    block.build((None, 15, 16, 32))
    roles = [layer.name.removeprefix(f"{block.name}_") for layer in block.branch]
    assert roles == ["expand", "expand_norm", "expand_activation", "project", "project_norm"]
    assert block.count_params() == 9 * 32 * 128 + 128 * 48 + 4 * (128 + 48)
    assert block.compute_output_shape((None, 15, 16, 32)) == (None, 8, 8, 48)


def test_residual_where_shapes_agree():
    """With a zero projection the block is the identity if it has a shortcut, and zero if it has none."""
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 8)).astype("float32")
    for filters, expected in ((8, x), (16, np.zeros((2, 4, 4, 16)))):
        block = FusedInvertedBottleneck(filters)
        block.build(x.shape)
        kernel = next(weight for weight in block.weights if weight.path.endswith("project/kernel"))
        kernel.assign(np.zeros(kernel.shape))
        np.testing.assert_array_equal(block(x), expected)


@pytest.mark.parametrize("argument, value", [("filters", 0), ("expansion", -1), ("kernel_size", 0), ("strides", 0)])
def test_bad_arguments_are_named(argument, value):
    with pytest.raises(ValueError, match=f"{argument}="):
        FusedInvertedBottleneck(**{"filters": 8, argument: value})
