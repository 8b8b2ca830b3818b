"""Rounding of channel numbers under a width multiplier."""

import math

from keras_repvis import checks


def make_divisible(value, divisor=8):
    """Round `value` to a multiple of `divisor` without losing more than a tenth of it.

    d(v) = max(D, floor((v + D/2) / D) D), and D more if d(v) < 0.9 v.

    Args:
        value: Wished number of channels, > 0, for instance a width multiplier times the paper's number.
        divisor: D, integer >= 1. 8 suits the vector units of mobile processors.

    Returns:
        Integer number of channels, >= `divisor`.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> from keras_repvis.layers import make_divisible
        >>> [make_divisible(width) for width in (3, 11.2, 22.4, 33.6)]
        [8, 16, 24, 32]

    Reference:
        Sandler, Howard, Zhu, Zhmoginov, Chen (2018), "MobileNetV2: Inverted Residuals and Linear Bottlenecks",
        section 5 (width multiplier); the rule itself is the authors' published code's.
    """
    checks.number("value", value, above=0)
    checks.number("divisor", divisor, low=1, integer=True)
    rounded = max(divisor, math.floor((value + divisor / 2) / divisor) * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded
