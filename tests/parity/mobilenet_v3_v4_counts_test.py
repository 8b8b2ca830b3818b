"""MobileNetV3 and V4 against their published definitions: weights and multiply-adds, errata named.

The V3 rows are those of keras.applications, whose first convolution keeps 16 filters at every width (visible in the
rows of alpha 1.25 only). V3-Small's published "66M multiply-adds, 2.9M parameters" and the minimalistic one's "65M"
belong to an earlier layout: the shipped definition has 56.5M and 2.54M, and 52.3M.
"""

import math

import pytest

from keras_repvis import models

# name, alpha: (all weights, trainable ones, million multiply-adds at 224 pixels)
V3 = {
    ("mobilenet_v3_large", 0.75): (4_012_616, 3_993_528, 154.56),
    ("mobilenet_v3_large", 1.0): (5_507_432, 5_483_032, 216.59),
    ("mobilenet_v3_large", 1.25): (8_286_760, 8_255_784, 349.90),
    ("mobilenet_v3_large_minimalistic", 1.0): (3_948_688, 3_924_288, 209.14),
    ("mobilenet_v3_small", 0.75): (2_051_552, 2_041_872, 43.40),
    ("mobilenet_v3_small", 1.0): (2_554_968, 2_542_856, 56.51),
    ("mobilenet_v3_small", 1.25): (3_660_640, 3_645_312, 87.70),
    ("mobilenet_v3_small_minimalistic", 1.0): (2_056_848, 2_044_736, 52.29),
}
V4 = {
    "mobilenet_v4_conv_small": 3_774_024,
    "mobilenet_v4_conv_medium": 9_715_512,
    "mobilenet_v4_conv_large": 32_590_864,
}
# Output widths of the rows of the tables under alpha, without repetitions.
V3_WIDTHS = {
    ("mobilenet_v3_large", 0.35): (8, 8, 16, 32, 40, 56),
    ("mobilenet_v3_large", 0.5): (8, 16, 24, 40, 56, 80),
    ("mobilenet_v3_large", 0.75): (16, 24, 32, 64, 88, 120),
    ("mobilenet_v3_large", 1.0): (16, 24, 40, 80, 112, 160),
    ("mobilenet_v3_large", 1.25): (24, 32, 48, 104, 144, 200),
    ("mobilenet_v3_small", 0.35): (8, 8, 16, 16, 32),
    ("mobilenet_v3_small", 0.5): (8, 16, 24, 24, 48),
    ("mobilenet_v3_small", 0.75): (16, 24, 32, 40, 72),
    ("mobilenet_v3_small", 1.0): (16, 24, 40, 48, 96),
    ("mobilenet_v3_small", 1.25): (24, 32, 48, 64, 120),
}
# kernel, expanded width, output width, squeeze-excite, stride: the paper's tables, typed in a second time.
LARGE = (
    (3, 16, 16, 0, 1), (3, 64, 24, 0, 2), (3, 72, 24, 0, 1), (5, 72, 40, 1, 2), (5, 120, 40, 1, 1), (5, 120, 40, 1, 1),
    (3, 240, 80, 0, 2), (3, 200, 80, 0, 1), (3, 184, 80, 0, 1), (3, 184, 80, 0, 1), (3, 480, 112, 1, 1),
    (3, 672, 112, 1, 1), (5, 672, 160, 1, 2), (5, 960, 160, 1, 1), (5, 960, 160, 1, 1),
)
SMALL = (
    (3, 16, 16, 1, 2), (3, 72, 24, 0, 2), (3, 88, 24, 0, 1), (5, 96, 40, 1, 2), (5, 240, 40, 1, 1), (5, 240, 40, 1, 1),
    (5, 120, 48, 1, 1), (5, 144, 48, 1, 1), (5, 288, 96, 1, 2), (5, 576, 96, 1, 1), (5, 576, 96, 1, 1),
)
# Width of the gate's code for each expanded width.
SQUEEZED = {16: 8, 72: 24, 96: 24, 120: 32, 144: 40, 240: 64, 288: 72, 480: 120, 576: 144, 672: 168, 960: 240}


@pytest.fixture(scope="module")
def network():
    """Function from (name, alpha) to the model, built once with an open image size."""
    built = {}

    def of(name, width_multiplier=1.0):
        key = (name, width_multiplier)
        if key not in built:
            built[key] = models.build(name, input_shape=(None, None, 3), width_multiplier=width_multiplier)
        return built[key]

    return of


def v3_multiply_adds(table, embedding, pixels):
    """Closed form at alpha 1: expansion, depthwise, gate (2 E q), projection of each block, then the head."""
    side, width = math.ceil(pixels / 2), 16
    total = side**2 * 27 * width
    for kernel, wide, out, gated, stride in table:
        total += side**2 * width * wide * (wide != width)
        side = math.ceil(side / stride)
        total += side**2 * wide * (kernel**2 + out) + 2 * wide * SQUEEZED.get(wide, 0) * gated
        width = out
    return total + side**2 * width * 6 * width + 6 * width * embedding + embedding * 1000


@pytest.mark.parametrize("name, alpha", V3)
def test_counts_of_v3(network, name, alpha):
    total, trainable, millions = V3[name, alpha]
    cost = models.cost(network(name, alpha), (224, 224, 3))
    assert (cost.total, cost.trainable, round(cost.multiply_adds / 1e6, 2)) == (total, trainable, millions)


@pytest.mark.parametrize("name, table, embedding", [("large", LARGE, 1280), ("small", SMALL, 1024)])
@pytest.mark.parametrize("pixels", [33, 150, 224])
def test_walk_equals_closed_form(network, name, table, embedding, pixels):
    walked = models.cost(network(f"mobilenet_v3_{name}"), (pixels, pixels, 3)).multiply_adds
    assert walked == v3_multiply_adds(table, embedding, pixels)


@pytest.mark.parametrize("name, alpha", V3_WIDTHS)
def test_widths_of_v3(name, alpha):
    model = models.build(name, input_shape=(32, 32, 3), width_multiplier=alpha, features_only=True)
    outputs = [layer.output.shape[-1] for layer in model.layers if layer.name.endswith("_project")]
    rows = {"mobilenet_v3_large": (1, 2, 3, 4, 2, 3), "mobilenet_v3_small": (1, 2, 3, 2, 3)}[name]
    assert outputs == [width for width, repeats in zip(V3_WIDTHS[name, alpha], rows) for _ in range(repeats)]
    assert model.get_layer("stem_conv").filters == 16


@pytest.mark.parametrize("alpha, stem", [(0.35, 8), (0.75, 16), (1.0, 16), (1.25, 24)])
def test_scaled_stem(alpha, stem):
    model = models.MobileNetV3Small(
        (32, 32, 3), width_multiplier=alpha, scale_stem=True, features_only=True, name="scaled"
    )
    assert model.get_layer("stem_conv").filters == stem


def test_erratum_of_v3_small(network):
    cost = models.cost(network("mobilenet_v3_small"), (224, 224, 3))
    assert abs(cost.multiply_adds / 1e6 - 66) > 9 and abs(cost.trainable / 1e6 - 2.9) > 0.3
    assert models.cost(network("mobilenet_v3_small_minimalistic"), (224, 224, 3)).multiply_adds / 1e6 < 65 - 12


@pytest.mark.parametrize("name", V4)
def test_counts_of_v4(network, name):
    cost = models.cost(network(name), (64, 64, 3))
    assert cost.trainable == V4[name]
    assert sum(row.parameters for row in cost.rows) == cost.total > cost.trainable
