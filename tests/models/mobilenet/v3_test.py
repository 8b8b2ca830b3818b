"""Tests of keras_repvis.models.mobilenet.v3."""

import keras
import pytest

from keras_repvis import models

CONSTRUCTORS = [models.MobileNetV3Large, models.MobileNetV3Small]


@pytest.mark.parametrize("constructor", CONSTRUCTORS)
def test_minimalistic_has_only_what_is_fast_everywhere(constructor):
    model = constructor((32, 32, 3), width_multiplier=0.35, classes=10, minimalistic=True)
    assert {layer.kernel_size[0] for layer in model.layers if hasattr(layer, "kernel_size")} == {1, 3}
    assert not any(isinstance(layer, (keras.layers.Multiply, keras.layers.Activation)) for layer in model.layers)
    assert {layer.max_value for layer in model.layers if isinstance(layer, keras.layers.ReLU)} == {None}


@pytest.mark.parametrize(
    "constructor, gates, hard",
    [(models.MobileNetV3Large, 8, 2 + 2 * 9 + 1), (models.MobileNetV3Small, 9, 2 + 2 * 8 + 1)],
)
def test_gates_and_activations(constructor, gates, hard):
    """Stem, head and dense layer have h-swish, and two activations in each of the HS rows."""
    model = constructor((32, 32, 3), width_multiplier=0.35, classes=10)
    assert sum(isinstance(layer, keras.layers.Multiply) for layer in model.layers) == gates
    named = [layer.activation.__name__ for layer in model.layers if isinstance(layer, keras.layers.Activation)]
    assert sorted(named) == ["hard_sigmoid"] * gates + ["hard_silu"] * hard


@pytest.mark.parametrize("constructor, blocks, size", [(*CONSTRUCTORS[:1], 15, 7), (*CONSTRUCTORS[1:], 11, 7)])
def test_depth_and_kernels(constructor, blocks, size):
    model = constructor((224, 224, 3), width_multiplier=0.35, include_top=False)
    depthwise = [layer.kernel_size[0] for layer in model.layers if layer.name.endswith("_depthwise")]
    assert len(depthwise) == blocks
    large = [3, 3, 3, 5, 5, 5, 3, 3, 3, 3, 3, 3, 5, 5, 5]
    assert depthwise == (large if blocks == 15 else [3, 3, 3, *[5] * 8])
    assert model.output_shape[1:3] == (size, size)


@pytest.mark.parametrize("width_multiplier, large, small", [(0.5, 1280, 1024), (1.25, 1600, 1280)])
def test_embedding_is_kept_for_thin_networks(width_multiplier, large, small):
    for constructor, units in zip(CONSTRUCTORS, (large, small)):
        model = constructor((32, 32, 3), width_multiplier=width_multiplier, classes=10)
        assert model.get_layer("embedding").units == units


@pytest.mark.parametrize("argument", ["minimalistic", "scale_stem"])
def test_bad_flags_are_named(argument):
    with pytest.raises(ValueError, match=f"{argument}='maybe'"):
        models.MobileNetV3Small(**{argument: "maybe"})
