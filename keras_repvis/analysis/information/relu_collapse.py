"""How often ReLU(Bx) loses its input: the closed form behind linear bottlenecks, and the bounds put on it.

B is an m x n matrix that expands a bottleneck of n channels to m. The pre-image of y = ReLU(Bx) is one point if and
only if the rows of B at the positive coordinates of y span the n dimensions. If the distribution of B has a density
and does not change when a row changes its sign, the signs of Bx are m fair coins for every fixed x, and n or more
positive rows span with probability one. Hence

    P(x is preserved) = P(Binomial(m, 1/2) >= n) = 2^-m sum_{k=0}^{m-n} C(m, k),

for every fixed x, and so on average over any set of inputs. The probabilities are tiny at real sizes (2e-12 for 96
over 16), so the shares are exact fractions here and everything else speaks of exponents: log2 of the collapsed share.

Reference:
    Sandler et al., 2018, MobileNetV2: Inverted Residuals and Linear Bottlenecks, appendix A.
"""

import fractions
import math

from keras_repvis import checks


def collapsed_share(expanded, bottleneck):
    """Return the exact probability that ReLU(Bx) does not determine x: P(Binomial(m, 1/2) < n).

    Args:
        expanded: Number m of rows of B, the expanded channels. Integer >= 1.
        bottleneck: Number n of columns of B, the bottleneck's channels. Integer >= 1.

    Returns:
        `fractions.Fraction` in (0, 1]; 1 if `expanded` < `bottleneck`.

    Raises:
        ValueError: If a size is not a positive integer.

    Example:
        >>> from keras_repvis.analysis import information
        >>> information.collapsed_share(6, 3)
        Fraction(11, 32)
        >>> f"{float(information.collapsed_share(96, 16)):.2e}"
        '2.01e-12'

    Reference:
        Sandler et al., 2018, MobileNetV2, appendix A, lemma 2. Differs from the paper: its closing line calls the
        preserved share the collapsed one.
    """
    return fractions.Fraction(_collapsed_sign_patterns(expanded, bottleneck), 2**expanded)


def preserved_share(expanded, bottleneck):
    """Return the exact probability that ReLU(Bx) determines x: P(Binomial(m, 1/2) >= n).

    Args:
        expanded: Number m of rows of B. Integer >= 1.
        bottleneck: Number n of columns of B. Integer >= 1.

    Returns:
        `fractions.Fraction` in [0, 1), equal to 1 - `collapsed_share(expanded, bottleneck)`.

    Raises:
        ValueError: If a size is not a positive integer.

    Example:
        >>> from keras_repvis.analysis import information
        >>> information.preserved_share(6, 3)
        Fraction(21, 32)
    """
    return 1 - collapsed_share(expanded, bottleneck)


def collapse_exponent(expanded, bottleneck):
    """Return log2 of the collapsed share, accurate where the share itself underflows a float.

    Args:
        expanded: Number m of rows of B. Integer >= 1.
        bottleneck: Number n of columns of B. Integer >= 1.

    Returns:
        Float <= 0.

    Raises:
        ValueError: If a size is not a positive integer.

    Example:
        >>> from keras_repvis.analysis import information
        >>> round(information.collapse_exponent(96, 16), 2)
        -38.85
    """
    return math.log2(_collapsed_sign_patterns(expanded, bottleneck)) - expanded


def slide_bound_exponent(expanded):
    """Return log2 of the collapsed share that the talk's bound allows: -m/2.

    The talk states that the preserved share is bounded by 1 - 2^(-m/2) for m much larger than n. Read as a lower
    bound it holds in the limit from m/n of about 9.09 on (where the binary entropy of n/m falls to 1/2), and is false
    at MobileNetV2's own m/n = 6; see `slide_bound_holds` and `chernoff_exponent`.

    Args:
        expanded: Number m of rows of B. Integer >= 1.

    Returns:
        Float < 0.

    Raises:
        ValueError: If `expanded` is not a positive integer.

    Example:
        >>> from keras_repvis.analysis import information
        >>> information.slide_bound_exponent(96)
        -48.0
    """
    return -checks.number("expanded", expanded, low=1, integer=True) / 2


def slide_bound_holds(expanded, bottleneck):
    """Say whether the preserved share is at least 1 - 2^(-m/2), in exact integer arithmetic.

    Args:
        expanded: Number m of rows of B. Integer >= 1.
        bottleneck: Number n of columns of B. Integer >= 1.

    Returns:
        True or False; no rounding is involved, for odd m neither.

    Raises:
        ValueError: If a size is not a positive integer.

    Example:
        >>> from keras_repvis.analysis import information
        >>> information.slide_bound_holds(6 * 16, 16), information.slide_bound_holds(8 * 16, 16)
        (False, True)
    """
    # collapsed / 2^m <= 2^(-m/2), squared and multiplied by 2^(2m).
    return _collapsed_sign_patterns(expanded, bottleneck) ** 2 <= 2**expanded


def chernoff_exponent(expanded, bottleneck):
    """Return log2 of the Chernoff bound on the collapsed share: -m (1 - H2((n - 1) / m)).

    H2 is the binary entropy in bits. This bound is true at every size with n - 1 <= m/2, and is the one to use in
    place of the talk's.

    Args:
        expanded: Number m of rows of B. Integer >= 1.
        bottleneck: Number n of columns of B. Integer with 1 <= n <= m/2 + 1.

    Returns:
        Float <= 0, never below `collapse_exponent(expanded, bottleneck)`.

    Raises:
        ValueError: If a size is not a positive integer, or n - 1 > m/2, where the bound does not apply.

    Example:
        >>> from keras_repvis.analysis import information
        >>> round(2 ** information.chernoff_exponent(96, 16) * 1e11, 1)
        1.5
    """
    checks.number("expanded", expanded, low=1, integer=True)
    checks.number("bottleneck", bottleneck, low=1, high=expanded / 2 + 1, integer=True)
    return -expanded * (1 - _binary_entropy((bottleneck - 1) / expanded))


def volume_bound_exponent(expanded, bottleneck):
    """Return log2 of the bound m^(n+1) / (2^m n!) from which the paper derives its own.

    Args:
        expanded: Number m of rows of B. Integer >= 1.
        bottleneck: Number n of columns of B. Integer >= 1.

    Returns:
        Float; positive where the bound says nothing.

    Raises:
        ValueError: If a size is not a positive integer.

    Example:
        >>> from keras_repvis.analysis import information
        >>> information.collapse_exponent(96, 16) < information.volume_bound_exponent(96, 16) < 0
        True

    Reference:
        Sandler et al., 2018, MobileNetV2, appendix A.
    """
    checks.number("expanded", expanded, low=1, integer=True)
    checks.number("bottleneck", bottleneck, low=1, integer=True)
    return (bottleneck + 1) * math.log2(expanded) - expanded - math.log2(math.factorial(bottleneck))


def _collapsed_sign_patterns(expanded, bottleneck):
    """Number of the 2^m sign patterns of Bx with fewer than n positive signs."""
    checks.number("expanded", expanded, low=1, integer=True)
    checks.number("bottleneck", bottleneck, low=1, integer=True)
    expanded, bottleneck = int(expanded), int(bottleneck)
    return sum(math.comb(expanded, positive) for positive in range(min(bottleneck, expanded + 1)))


def _binary_entropy(share):
    return -sum(part * math.log2(part) for part in (share, 1 - share) if part > 0)
