"""Tests of keras_repvis.models.mobilenet.v2."""

import numpy as np
import pytest

from keras_repvis import models

# Output widths of stem and rows; the last column is the 1 x 1 convolution of the head.
WIDTHS = {
    0.35: (16, 8, 8, 16, 24, 32, 56, 112, 1280),
    0.5: (16, 8, 16, 16, 32, 48, 80, 160, 1280),
    0.75: (24, 16, 24, 24, 48, 72, 120, 240, 1280),
    1.0: (32, 16, 24, 32, 64, 96, 160, 320, 1280),
    1.3: (40, 24, 32, 40, 80, 128, 208, 416, 1664),
    1.4: (48, 24, 32, 48, 88, 136, 224, 448, 1792),
}


@pytest.mark.parametrize("width_multiplier", WIDTHS)
def test_widths(width_multiplier):
    model = models.MobileNetV2((32, 32, 3), width_multiplier=width_multiplier, include_top=False)
    projections = [layer.output.shape[-1] for layer in model.layers if layer.name.endswith("_project")]
    stem, *rows, head = WIDTHS[width_multiplier]
    repeats = (1, 2, 3, 4, 3, 3, 1)
    assert projections == [width for width, count in zip(rows, repeats) for _ in range(count)]
    assert model.get_layer("stem_conv").filters == stem
    assert model.get_layer("head_conv").filters == head
    expanded = [layer for layer in model.layers if layer.name.endswith("_expand")]
    assert [layer.filters / layer.input.shape[-1] for layer in expanded] == [6] * 16  # t = 1 has no expansion


def test_strides_and_shortcuts():
    model = models.MobileNetV2((224, 224, 3), width_multiplier=0.35)
    strides = [layer.strides[0] for layer in model.layers if layer.name.endswith("_depthwise")]
    assert strides == [1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1]
    full = models.MobileNetV2((32, 32, 3), include_top=False)
    shortcuts = [layer.name for layer in full.layers if layer.name.endswith("_shortcut")]
    assert shortcuts == [f"block_{index}_shortcut" for index in (3, 5, 6, 8, 9, 10, 12, 13, 15, 16)]


def test_ablations_change_only_what_they_say():
    narrow = {"input_shape": (32, 32, 3), "width_multiplier": 0.35, "features_only": True}
    plain = models.MobileNetV2(**narrow)
    curved = models.MobileNetV2(**narrow, linear_bottleneck=False)
    cut = models.MobileNetV2(**narrow, shortcut=False)
    names = {model: [layer.name for layer in model.layers] for model in (plain, curved, cut)}
    added = set(names[curved]) - set(names[plain])
    assert added == {f"block_{index}_project_activation" for index in range(1, 18)}
    assert set(names[plain]) - set(names[curved]) == set()
    removed = set(names[plain]) - set(names[cut])
    assert removed and all(name.endswith("_shortcut") for name in removed) and set(names[cut]) < set(names[plain])
    assert plain.count_params() == curved.count_params() == cut.count_params()
    images = np.random.default_rng(0).random((2, 32, 32, 3)).astype("float32")
    expected = np.array(plain(images)["stride_32"])
    for model in (curved, cut):
        model.set_weights(plain.get_weights())
        assert np.max(np.abs(np.array(model(images)["stride_32"]) - expected)) > 0.1 * np.max(np.abs(expected))


@pytest.mark.parametrize("argument", ["linear_bottleneck", "shortcut"])
def test_bad_ablation_is_named(argument):
    with pytest.raises(ValueError, match=f"{argument}='maybe'"):
        models.MobileNetV2(**{argument: "maybe"})
