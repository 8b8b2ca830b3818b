"""Tests of keras_repvis.layers.channels."""

import pytest

from keras_repvis.layers.channels import make_divisible

V2_WIDTHS = {
    0.35: (16, 8, 8, 16, 24, 32, 56, 112),
    0.5: (16, 8, 16, 16, 32, 48, 80, 160),
    0.75: (24, 16, 24, 24, 48, 72, 120, 240),
    1.0: (32, 16, 24, 32, 64, 96, 160, 320),
    1.3: (40, 24, 32, 40, 80, 128, 208, 416),
    1.4: (48, 24, 32, 48, 88, 136, 224, 448),
}


@pytest.mark.parametrize("width_multiplier", sorted(V2_WIDTHS))
def test_widths_of_mobilenet_v2(width_multiplier):
    widths = tuple(make_divisible(width_multiplier * filters) for filters in V2_WIDTHS[1.0])
    assert widths == V2_WIDTHS[width_multiplier]


def test_definition():
    for value in [tenth / 10 for tenth in range(1, 2000)]:
        rounded = make_divisible(value)
        assert rounded % 8 == 0
        assert rounded >= 8
        assert rounded >= 0.9 * value
        # Nearest multiple, or the next one where the nearest would lose more than a tenth.
        assert rounded - value <= 4 or (rounded - 8 < 0.9 * value and rounded - value < 8) or rounded == 8


def test_other_divisors():
    assert [make_divisible(value, divisor=1) for value in (1, 2.4, 2.6, 100.2)] == [1, 3, 3, 100]
    assert make_divisible(17, divisor=16) == 16
    assert make_divisible(23, divisor=16) == 32  # 16 would lose more than a tenth


@pytest.mark.parametrize(
    "arguments", [{"value": 0}, {"value": "8"}, {"value": 8, "divisor": 0}, {"value": 8, "divisor": 1.5}]
)
def test_bad_arguments_are_named(arguments):
    with pytest.raises(ValueError, match=f"{list(arguments)[-1]}=.*expected"):
        make_divisible(**arguments)
