"""A median over images with its interval, for numbers that may be infinite."""

import dataclasses
import math

import numpy as np
from scipy import stats


@dataclasses.dataclass(frozen=True)
class MedianInterval:
    """A median over images with its two-sided interval by order statistics, which may be infinite.

    Args:
        median: Float; NaN without images.
        low: Lower end; -inf where there are too few images for an interval (fewer than 6 at 95 %).
        high: Upper end.
        images: Integer, images with a number; NaN is left out.

    Example:
        >>> import numpy as np
        >>> found = MedianInterval.of([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, np.inf])
        >>> found.median, found.low, found.high
        (4.0, 1.0, inf)
    """

    median: float
    low: float
    high: float
    images: int

    @classmethod
    def of(cls, values, level=0.95):
        """Return the interval of values (images,) that covers the median with a probability of `level` at least."""
        values = np.sort(np.asarray(values, "float64").reshape(-1))
        values = values[~np.isnan(values)]
        if not len(values):
            return cls(math.nan, math.nan, math.nan, 0)
        # The middle by hand: the mean of two infinite values would be NaN.
        low, high = values[(len(values) - 1) // 2], values[len(values) // 2]
        median = float(low if low == high else (low + high) / 2)
        # The median is outside [v_r, v_(n+1-r)] with the probability 2 P(Binomial(n, 1/2) < r).
        rank = int(stats.binom.ppf((1 - level) / 2, len(values), 0.5))
        if not rank:
            return cls(median, -math.inf, math.inf, len(values))
        return cls(median, float(values[rank - 1]), float(values[-rank]), len(values))

    def __str__(self):
        return f"{self.median:.3f} [{self.low:.3f}, {self.high:.3f}]" if self.images else "undefined"
