"""MobileNetV1 and V2 against their published definitions: weights and multiply-adds of every row, errata named.

Multiply-adds are those of convolutions and the classifier, for one image and 1000 classes. Published tables that
disagree with the published definitions:

- slim's page on V1 gives 317, 233, 162 and 104 million multiply-adds for alpha 0.75 at 224, 192, 160 and 128 pixels,
  and 34 million for alpha 0.25 at 192; the definition has 325, 239, 166, 107 and 30.
- V2's "params" (3.47 million at alpha 1.0, 6.06 million at 1.4) leave all weights of batch norms out.
- V1's table 2 gives the first convolution 1.19 % of the multiply-adds; it has 1.91 % (the digits are swapped: with
  the other shares only that adds up to 100 %).
"""

import math

import pytest

from keras_repvis import models

# alpha: (all weights, trainable ones, {pixels: million multiply-adds})
V1 = {
    0.25: (475_544, 470_072, {224: 41.03, 192: 30.21, 160: 21.06, 128: 13.57}),
    0.5: (1_342_536, 1_331_592, {224: 149.50, 192: 109.97, 160: 76.52, 128: 49.16}),
    0.75: (2_601_976, 2_585_560, {224: 325.40, 192: 239.27, 160: 166.40, 128: 106.77}),
    1.0: (4_253_864, 4_231_976, {224: 568.74, 192: 418.12, 160: 290.68, 128: 186.40}),
}
V2 = {
    0.35: (1_691_208, 1_677_128, {224: 59.29, 192: 43.90, 160: 30.87, 128: 20.22, 96: 11.93}),
    0.5: (1_987_224, 1_968_680, {224: 97.13, 192: 71.70, 160: 50.18, 128: 32.58, 96: 18.89}),
    0.75: (2_663_064, 2_636_424, {224: 209.07, 192: 153.94, 160: 107.30, 128: 69.13, 96: 39.45}),
    1.0: (3_538_984, 3_504_872, {224: 300.77, 192: 221.32, 160: 154.08, 128: 99.07, 96: 56.29}),
    1.3: (5_431_048, 5_386_792, {224: 509.37, 192: 374.68, 160: 260.70, 128: 167.45, 96: 94.92}),
    1.4: (6_156_712, 6_108_776, {224: 582.20, 192: 428.21, 160: 297.92, 128: 191.31, 96: 108.40}),
}
SLIM_PAGE_V1 = {(0.75, 224): 317, (0.75, 192): 233, (0.75, 160): 162, (0.75, 128): 104, (0.25, 192): 34}


@pytest.fixture(scope="module")
def network():
    """Function from (name, alpha) to the model, built once with an open image size."""
    built = {}

    def of(name, width_multiplier):
        key = (name, width_multiplier)
        if key not in built:
            built[key] = models.build(name, input_shape=(None, None, 3), width_multiplier=width_multiplier)
        return built[key]

    return of


def d(value):
    """Rounding rule of V2, in integers of eighths."""
    rounded = max(8, int(value + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * value else rounded


def v1_multiply_adds(alpha, pixels):
    """Closed form: 3x3 stem, then 9 c + c c' a pixel for each separable block, then the classifier."""
    widths = [max(8, int(c * alpha)) for c in (32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024)]
    side = math.ceil(pixels / 2)
    total = side**2 * 27 * widths[0]
    for index, (inner, outer) in enumerate(zip(widths, widths[1:])):
        side = math.ceil(side / (2 if index in (1, 3, 5, 11) else 1))
        total += side**2 * (9 * inner + inner * outer)
    return total + widths[-1] * 1000


def v2_multiply_adds(alpha, pixels):
    """Closed form: stem, t c c_in at the block's input size and (9 + c') t c at its output size, head, classifier."""
    table = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    side, width = math.ceil(pixels / 2), d(32 * alpha)
    total = side**2 * 27 * width
    for expansion, filters, repeats, stride in table:
        for repeat in range(repeats):
            wide, out = expansion * width, d(filters * alpha)
            total += side**2 * width * wide * (expansion > 1)
            side = math.ceil(side / (stride if repeat == 0 else 1))
            total += side**2 * wide * (9 + out)
            width = out
    last = 1280 if alpha <= 1 else d(1280 * alpha)
    return total + side**2 * width * last + last * 1000


ROWS = [("mobilenet_v1", alpha) for alpha in V1] + [("mobilenet_v2", alpha) for alpha in V2]
TABLES = {"mobilenet_v1": V1, "mobilenet_v2": V2}
CLOSED_FORMS = {"mobilenet_v1": v1_multiply_adds, "mobilenet_v2": v2_multiply_adds}


@pytest.mark.parametrize("name, alpha", ROWS)
def test_counts(network, name, alpha):
    total, trainable, multiply_adds = TABLES[name][alpha]
    for pixels, millions in multiply_adds.items():
        cost = models.cost(network(name, alpha), input_shape=(pixels, pixels, 3))
        assert (cost.total, cost.trainable) == (total, trainable)
        assert round(cost.multiply_adds / 1e6, 2) == millions
        assert sum(row.parameters for row in cost.rows) == total


@pytest.mark.parametrize("name, alpha", ROWS)
@pytest.mark.parametrize("pixels", [32, 97, 150, 224])
def test_walk_equals_closed_form(network, name, alpha, pixels):
    walked = models.cost(network(name, alpha), input_shape=(pixels, pixels, 3)).multiply_adds
    assert walked == CLOSED_FORMS[name](alpha, pixels)


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2"])
@pytest.mark.parametrize("alpha", [0.1, 0.6, 1.1])
def test_closed_form_at_unpublished_widths(network, name, alpha):
    assert models.cost(network(name, alpha), (77, 77, 3)).multiply_adds == CLOSED_FORMS[name](alpha, 77)


def test_erratum_of_the_page_on_v1(network):
    for (alpha, pixels), printed in SLIM_PAGE_V1.items():
        counted = models.cost(network("mobilenet_v1", alpha), (pixels, pixels, 3)).multiply_adds / 1e6
        assert abs(counted - printed) > 2.5
        assert round(counted, 2) == V1[alpha][2][pixels]


@pytest.mark.parametrize("alpha, printed", [(1.0, 3_470_760), (1.4, 6_060_840)])
def test_erratum_of_the_parameters_of_v2(network, alpha, printed):
    """The published numbers are the trainable weights without gamma and beta."""
    model = network("mobilenet_v2", alpha)
    norms = sum(math.prod(weight.shape) for weight in model.trainable_weights if "norm" in weight.path)
    assert models.cost(model, (224, 224, 3)).trainable - norms == printed


def test_shares_of_v1(network):
    """Pointwise and classifier 95.04 %, depthwise 3.06 %, stem 1.91 % (printed as 1.19 %)."""
    cost = models.cost(network("mobilenet_v1", 1.0), (224, 224, 3))
    shares = {"depthwise": 0, "stem": 0, "rest": 0}
    for row in cost.rows:
        kind = "stem" if row.name.startswith("stem") else "depthwise" if row.kind == "DepthwiseConv2D" else "rest"
        shares[kind] += row.multiply_adds / cost.multiply_adds
    assert {kind: round(100 * share, 2) for kind, share in shares.items()} == {
        "depthwise": 3.06, "stem": 1.91, "rest": 95.04
    }
    assert sum(shares.values()) == pytest.approx(1)
