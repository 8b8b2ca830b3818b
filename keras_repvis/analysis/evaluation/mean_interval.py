"""A mean over images with its interval."""

import dataclasses
import math

import numpy as np
from scipy import stats


@dataclasses.dataclass(frozen=True)
class MeanInterval:
    """The mean of a number over images, and the two-sided t-interval of that mean.

    Args:
        mean: Float; NaN without images.
        low: Lower end of the interval; -inf for one image, which says nothing about the spread.
        high: Upper end.
        images: Integer, images with a number; those where it is undefined (NaN) are left out.

    Example:
        >>> found = MeanInterval.of([1.0, 2.0, 3.0, float("nan")])
        >>> found.mean, round(found.low, 2), found.images
        (2.0, -0.48, 3)
        >>> print(found)
        2.000 [-0.484, 4.484]
    """

    mean: float
    low: float
    high: float
    images: int

    @classmethod
    def of(cls, values, level=0.95):
        """Return the interval of values (images,) at a confidence `level`."""
        values = np.asarray(values, "float64").reshape(-1)
        values = values[~np.isnan(values)]
        if not len(values):
            return cls(math.nan, math.nan, math.nan, 0)
        mean = float(values.mean())
        if len(values) == 1:
            return cls(mean, -math.inf, math.inf, 1)
        half = float(stats.t.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)))
        return cls(mean, mean - half, mean + half, len(values))

    def __str__(self):
        if not self.images:
            return "undefined"
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"
