import fractions
import math

import numpy as np
import pytest
from scipy import special, stats

from keras_repvis.analysis import information

# Collapse probability P(Bin(m, 1/2) <= n - 1) at MobileNetV2's expansions, and what the talk's bound would allow.
MOBILENET_V2 = {
    (96, 16): (2.01e-12, 3.6e-15),
    (144, 24): (1.46e-17, 2.1e-22),
    (192, 32): (1.12e-22, 1.3e-29),
    (384, 64): (4.7e-43, 1.6e-58),
    (576, 96): (2.3e-63, 2.0e-87),
    (960, 160): (6.2e-104, 3.2e-145),
}


@pytest.mark.parametrize(
    "sizes,preserved",
    [((3, 2), (1, 2)), ((6, 3), (21, 32)), ((12, 4), (3797, 4096)), ((8, 4), (163, 256)), ((2, 3), (0, 1))],
)
def test_shares_are_exact(sizes, preserved):
    assert information.preserved_share(*sizes) == fractions.Fraction(*preserved)
    assert information.collapsed_share(*sizes) == 1 - fractions.Fraction(*preserved)


def test_preserved_share_is_the_formula_of_the_talk():
    for expanded in range(1, 15):
        for bottleneck in range(1, expanded + 1):
            total = sum(math.comb(expanded, k) for k in range(expanded - bottleneck + 1))
            assert information.preserved_share(expanded, bottleneck) == fractions.Fraction(total, 2**expanded)


@pytest.mark.parametrize("sizes", MOBILENET_V2)
def test_mobilenet_v2_table(sizes):
    expanded, bottleneck = sizes
    collapsed, allowed = MOBILENET_V2[sizes]
    # The table rounds to two or three figures.
    assert float(information.collapsed_share(*sizes)) == pytest.approx(collapsed, rel=0.03)
    assert 2 ** information.slide_bound_exponent(expanded) == pytest.approx(allowed, rel=0.05)
    assert 2 ** information.collapse_exponent(*sizes) == pytest.approx(
        stats.binom.cdf(bottleneck - 1, expanded, 0.5), rel=1e-9
    )
    assert not information.slide_bound_holds(*sizes)
    exponent = information.collapse_exponent(*sizes)
    assert exponent <= information.chernoff_exponent(*sizes) < 0
    assert exponent <= information.volume_bound_exponent(*sizes)


@pytest.mark.parametrize("bottleneck,ratio", [(8, 7.25), (16, 8.0), (32, 8.5), (160, 8.95)])
def test_where_the_slide_bound_starts_to_hold(bottleneck, ratio):
    # Monotone from there on, but for the steps between odd and even m: the table names the ratio by even m.
    holds = {m: information.slide_bound_holds(m, bottleneck) for m in range(6 * bottleneck, 10 * bottleneck, 2)}
    assert min(m for m in holds if holds[m]) / bottleneck == pytest.approx(ratio, abs=0.007)
    assert all(holds[m] for m in holds if m >= ratio * bottleneck)


def test_slide_bound_is_decided_exactly_for_odd_sizes():
    # n = 1: the collapsed share is 2^-m, which is at most 2^(-m/2) at every m.
    assert all(information.slide_bound_holds(expanded, 1) for expanded in range(1, 40))
    # m = 2, n = 2 has 3/4 > 1/2; and 1 > 2^(-m/2) whenever m < n.
    assert not information.slide_bound_holds(2, 2)
    assert not information.slide_bound_holds(3, 7)


def test_chernoff_bound_is_never_violated():
    for expanded in range(1, 60):
        for bottleneck in range(1, expanded // 2 + 2):
            collapse = information.collapse_exponent(expanded, bottleneck)
            assert collapse <= information.chernoff_exponent(expanded, bottleneck) + 1e-9


def test_exponent_survives_where_a_float_does_not():
    assert float(information.collapsed_share(3000, 100)) == 0.0
    assert information.collapse_exponent(3000, 100) == pytest.approx(
        special.logsumexp(stats.binom.logpmf(np.arange(100), 3000, 0.5)) / np.log(2), rel=1e-9
    )


@pytest.mark.parametrize("function", ["collapsed_share", "preserved_share", "collapse_exponent", "slide_bound_holds"])
@pytest.mark.parametrize("sizes", [(0, 3), (6, 0), (6.5, 3), (6, True)])
def test_bad_sizes_are_named(function, sizes):
    with pytest.raises(ValueError, match="expanded=|bottleneck="):
        getattr(information, function)(*sizes)


def test_chernoff_refuses_sizes_where_it_does_not_apply():
    with pytest.raises(ValueError, match="bottleneck=5"):
        information.chernoff_exponent(6, 5)
