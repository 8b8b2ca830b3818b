"""Into how many cells m hyperplanes cut R^n, and how many of them ReLU(Bx) keeps apart.

The rows of an m x n matrix B are the normals of m hyperplanes through the origin; all x of one cell share the signs
of Bx, so ReLU(Bx) is linear there. Counting cells answers other questions than the collapsed share of one input:
`half_space_probability` is the probability that *some* direction is sent to the zero vector.

Reference:
    Sandler et al., 2018, MobileNetV2: Inverted Residuals and Linear Bottlenecks, appendix A (cells).
    Wendel, 1962, A Problem in Geometric Probability (rows in one half-space).
"""

import fractions
import math

from keras_repvis import checks
from keras_repvis.analysis.information import relu_collapse


def region_count(expanded, bottleneck, biases=False):
    """Return the number of cells of m hyperplanes in general position in R^n.

    Through the origin 2 sum_{k<n} C(m-1, k); with biases, that is displaced, sum_{k<=n} C(m, k).

    Args:
        expanded: Number m of hyperplanes. Integer >= 1.
        bottleneck: Dimension n of the space. Integer >= 1.
        biases: Whether the hyperplanes may miss the origin. Default False.

    Returns:
        Integer.

    Raises:
        ValueError: If a size is not a positive integer.

    Example:
        >>> from keras_repvis.analysis import information
        >>> information.region_count(4, 2), information.region_count(4, 2, biases=True)
        (8, 11)
    """
    expanded = int(checks.number("expanded", expanded, low=1, integer=True))
    bottleneck = int(checks.number("bottleneck", bottleneck, low=1, integer=True))
    if biases:
        return sum(math.comb(expanded, k) for k in range(bottleneck + 1))
    return 2 * sum(math.comb(expanded - 1, k) for k in range(bottleneck))


def expected_preserved_regions(expanded, bottleneck):
    """Return the expected number of cells in which ReLU(Bx) determines x, for B with fair, independent row signs.

    Every cell keeps its shape when rows change sign, and has each sign pattern equally often, so the expectation is
    the number of cells times `relu_collapse.preserved_share`.

    Args:
        expanded: Number m of rows of B. Integer >= 1.
        bottleneck: Number n of columns of B. Integer >= 1.

    Returns:
        `fractions.Fraction`.

    Raises:
        ValueError: If a size is not a positive integer.

    Example:
        >>> from keras_repvis.analysis import information
        >>> information.expected_preserved_regions(6, 3)
        Fraction(21, 1)
    """
    return region_count(expanded, bottleneck) * relu_collapse.preserved_share(expanded, bottleneck)


def half_space_probability(expanded, bottleneck):
    """Return the probability that all m random rows lie in one open half-space of R^n (Wendel).

    It is also the probability that some x other than 0 has ReLU(Bx) = 0: the rows must then lie opposite to x.

    Args:
        expanded: Number m of rows, drawn independently from a density that is symmetric about 0. Integer >= 1.
        bottleneck: Dimension n. Integer >= 1.

    Returns:
        `fractions.Fraction`: 2^(1-m) sum_{k<n} C(m-1, k).

    Raises:
        ValueError: If a size is not a positive integer.

    Example:
        >>> from keras_repvis.analysis import information
        >>> information.half_space_probability(5, 3)
        Fraction(11, 16)
    """
    return fractions.Fraction(region_count(expanded, bottleneck), 2**expanded)
