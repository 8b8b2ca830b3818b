"""Tests of keras_repvis.layers.universal_inverted_bottleneck."""

import numpy as np
import pytest

from keras_repvis.layers import UniversalInvertedBottleneck

EXPAND = ["expand", "expand_norm", "expand_activation"]
PROJECT = ["project", "project_norm"]
START = ["start", "start_norm"]
MIDDLE = ["depthwise", "depthwise_norm", "depthwise_activation"]


def built(channels=16, **arguments):
    block = UniversalInvertedBottleneck(**{"filters": 16, **arguments})
    block.build((None, 8, 8, channels))
    return block


@pytest.mark.parametrize(
    "start, middle, roles",
    [
        (0, 5, EXPAND + MIDDLE + PROJECT),
        (3, 0, START + EXPAND + PROJECT),
        (3, 5, START + EXPAND + MIDDLE + PROJECT),
        (0, 0, EXPAND + PROJECT),
    ],
)
def test_the_four_forms(start, middle, roles):
    block = built(start_kernel_size=start, middle_kernel_size=middle)
    assert [layer.name.removeprefix(f"{block.name}_") for layer in block.branch] == roles
    norms = 16 * (start > 0) + 64 + 64 * (middle > 0) + 16
    assert block.count_params() == start**2 * 16 + 16 * 64 + middle**2 * 64 + 64 * 16 + 4 * norms


@pytest.mark.parametrize("start, middle, strided", [(3, 5, "depthwise"), (3, 0, "start"), (0, 3, "depthwise")])
def test_the_stride_is_on_the_middle_if_there_is_one(start, middle, strided):
    block = built(start_kernel_size=start, middle_kernel_size=middle, strides=2)
    strides = {layer.name.removeprefix(f"{block.name}_"): layer.strides
               for layer in block.branch if hasattr(layer, "strides")}
    assert {role for role, steps in strides.items() if steps != (1, 1)} == {strided}
    assert block.compute_output_shape((1, 7, 8, 16)) == (1, 4, 4, 16)


def test_layer_scale_of_zero_leaves_the_input():
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 16)).astype("float32")
    np.testing.assert_array_equal(built(layer_scale=0.0)(x), x)
    assert np.any(np.array(built()(x)) != x)


def test_drop_path_drops_whole_branches_and_keeps_the_mean():
    """Each of 4000 examples keeps x + branch / 0.75 with probability 0.75; 5 sigma of that share are 0.034."""
    block = built(drop_path=0.25, seed=3, momentum=1.0)
    x = np.tile(np.random.default_rng(0).normal(size=(1, 2, 2, 16)).astype("float32"), (4000, 1, 1, 1))
    # A zero projection and a shift of 3 make the branch a known constant.
    weights = {weight.path.removeprefix(f"{block.name}/{block.name}_"): weight for weight in block.weights}
    weights["project/kernel"].assign(np.zeros((1, 1, 64, 16)))
    weights["project_norm/beta"].assign(np.full(16, 3.0))
    change = np.array(block(x, training=True)) - x
    dropped = np.all(np.abs(change) < 1e-3, axis=(1, 2, 3))
    kept = np.all(np.abs(change - 4.0) < 1e-3, axis=(1, 2, 3))
    assert np.all(dropped | kept)
    assert abs(np.mean(kept) - 0.75) < 0.034
    quiet = np.array(block(x[:2], training=False))
    np.testing.assert_array_equal(quiet, np.array(block(x[:2], training=False)))


def test_no_drop_path_without_a_shortcut():
    assert not any("drop_path" in layer.name for layer in built(drop_path=0.5, strides=2).branch)


def test_a_stride_needs_a_depthwise_convolution():
    with pytest.raises(ValueError, match="strides=2 .*start_kernel_size"):
        UniversalInvertedBottleneck(8, middle_kernel_size=0, strides=2)


@pytest.mark.parametrize(
    "argument, value",
    [("filters", 0), ("expansion", 0), ("start_kernel_size", -1), ("middle_kernel_size", None), ("strides", 0),
     ("layer_scale", "x"), ("drop_path", 1.0), ("drop_path", -0.1), ("divisor", 0)],
)
def test_bad_arguments_are_named(argument, value):
    with pytest.raises(ValueError, match=f"{argument}="):
        UniversalInvertedBottleneck(**{"filters": 8, argument: value})
