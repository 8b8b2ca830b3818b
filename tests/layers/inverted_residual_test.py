"""Tests of keras_repvis.layers.inverted_residual."""

import keras
import numpy as np
import pytest

from keras_repvis.layers import InvertedResidual, SqueezeExcite


def roles(block, channels):
    """Roles of the sub-layers of `block`, in the order of execution."""
    block.build((None, 8, 8, channels))
    return [layer.name.removeprefix(f"{block.name}_") for layer in block.branch]


def set_like_identity(block, channels):
    """Make each convolution copy its input channels and each batch norm the identity."""
    block.build((None, None, None, channels))
    for weight in block.weights:
        value = np.zeros(weight.shape)
        if weight.path.endswith("depthwise/kernel"):
            value[value.shape[0] // 2, value.shape[1] // 2] = 1
        elif weight.path.endswith("kernel"):
            value[0, 0] = np.eye(*value.shape[2:])
        elif weight.path.endswith("gamma"):
            value[:] = 1
        elif weight.path.endswith("moving_variance"):
            value[:] = 1 - block.epsilon
        weight.assign(value)


@pytest.mark.parametrize("kernel_size", [3, 5])
def test_block_that_copies_doubles_its_input(kernel_size):
    """Within (0, 6), where ReLU6 is the identity; the shortcut adds the input once more."""
    block = InvertedResidual(8, kernel_size=kernel_size)
    set_like_identity(block, 8)
    x = np.random.default_rng(0).uniform(0.01, 5.99, (2, 6, 7, 8)).astype("float32")
    np.testing.assert_allclose(block(x), 2 * x, rtol=1e-5)


def test_without_shortcut_the_copy_stays_single():
    block = InvertedResidual(8, shortcut=False)
    set_like_identity(block, 8)
    x = np.random.default_rng(0).uniform(0.01, 5.99, (2, 6, 7, 8)).astype("float32")
    np.testing.assert_allclose(block(x), x, rtol=1e-5)


def test_bottleneck_is_linear_unless_asked():
    """With a negated projection the linear bottleneck passes -x on, the other one clips it to 0."""
    x = np.random.default_rng(0).uniform(0.01, 5.99, (1, 4, 4, 8)).astype("float32")
    for linear, expected in ((True, -x), (False, np.zeros_like(x))):
        block = InvertedResidual(8, linear_bottleneck=linear, shortcut=False)
        set_like_identity(block, 8)
        kernel = next(weight for weight in block.weights if weight.path.endswith("project/kernel"))
        kernel.assign(-np.array(kernel))
        np.testing.assert_allclose(block(x), expected, rtol=1e-5)


def test_layout():
    plain = ["expand", "expand_norm", "expand_activation", "depthwise", "depthwise_norm", "depthwise_activation",
             "project", "project_norm"]
    assert roles(InvertedResidual(24), 16) == plain
    assert roles(InvertedResidual(24, expansion=1), 16) == plain[3:]
    assert roles(InvertedResidual(24, linear_bottleneck=False), 16) == [*plain, "project_activation"]
    assert roles(InvertedResidual(24, squeeze_excite=0.25), 16) == [*plain[:6], "gate", *plain[6:]]


def test_shortcut_only_where_shapes_agree():
    for arguments, channels, residual in (
        ({"filters": 16}, 16, True),
        ({"filters": 24}, 16, False),
        ({"filters": 16, "strides": 2}, 16, False),
        ({"filters": 16, "shortcut": False}, 16, False),
    ):
        block = InvertedResidual(**arguments)
        block.build((None, 8, 8, channels))
        assert (block.join is not None) == residual


def test_gate_acts_on_the_expanded_features():
    block = InvertedResidual(16, expansion=6, squeeze_excite=0.25)
    block.build((None, 8, 8, 16))
    gate = next(layer for layer in block.branch if isinstance(layer, SqueezeExcite))
    assert [weight.shape[-1] for weight in gate.weights] == [24, 24, 96, 96]


@pytest.mark.parametrize("expansion, channels, expanded", [(6, 16, 96), (2.3, 80, 184), (88 / 24, 24, 88), (6, 3, 24)])
def test_expanded_width_is_rounded(expansion, channels, expanded):
    block = InvertedResidual(8, expansion=expansion)
    block.build((None, 8, 8, channels))
    assert block.branch[0].filters == expanded


def test_parameters_and_shape():
    """E: c tc, D: 9 tc, P: tc c'; two numbers a channel for each batch norm and two for its statistics."""
    block = InvertedResidual(24, expansion=6, strides=2)
    block.build((None, 15, 16, 16))
    assert block.count_params() == 16 * 96 + 9 * 96 + 96 * 24 + 4 * (96 + 96 + 24)
    assert block.compute_output_shape((3, 15, 16, 16)) == (3, 8, 8, 24)
    assert block(keras.Input((15, 16, 16))).shape == (None, 8, 8, 24)


@pytest.mark.parametrize(
    "argument, value",
    [("filters", 0), ("expansion", 0), ("kernel_size", -3), ("strides", 0), ("squeeze_excite", 0),
     ("linear_bottleneck", "no"), ("shortcut", None), ("divisor", 0), ("activation", "swoosh")],
)
def test_bad_arguments_are_named(argument, value):
    with pytest.raises(ValueError, match=f"{argument}="):
        InvertedResidual(**{"filters": 8, argument: value})
