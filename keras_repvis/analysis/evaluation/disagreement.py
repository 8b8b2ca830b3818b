"""Disagreement of methods: how alike the maps of several methods for the same images are, pair by pair.

Two methods that both claim to show the evidence should rank the pixels alike. Two numbers for each pair, means over
images:

    rank correlation    Spearman's, 1 for the same order
    overlap             the share of the k most salient pixels of one that are among those of the other; k/pixels by
    chance

The random map and the centre stand beside: methods that agree no more with each other than with the centre agree on the
composition of photographs.

Reference:
    Krishna et al., "The Disagreement Problem in Explainable Machine Learning: A Practitioner's Perspective", 2022.
"""

import dataclasses
import itertools

import numpy as np

from keras_repvis import checks
from keras_repvis.analysis.evaluation import null_maps, replaced_pixels, table
from keras_repvis.analysis.evaluation.map_similarity import spearman
from keras_repvis.analysis.evaluation.mean_interval import MeanInterval


@dataclasses.dataclass(frozen=True)
class Disagreement(table.Rows):
    """What `measure_disagreement` found.

    Args:
        correlations: Dict of a pair of names to float64 array (images,), Spearman's rank correlation; NaN where a map
            is constant.
        overlaps: Dict of a pair of names to float64 array (images,), shares of common most salient pixels.
        chance: Float, the overlap of maps that have nothing to do with each other.

    Example:
        >>> import numpy as np
        >>> found = Disagreement({("a", "b"): np.array([1.0, 0.0])}, {("a", "b"): np.array([0.5, 0.5])}, chance=0.1)
        >>> found.rows()[0]["rank correlation"].mean
        0.5
    """

    correlations: dict
    overlaps: dict
    chance: float

    def rows(self):
        """Return a row a pair: the two numbers, with intervals over the images."""
        key = f"overlap (chance {self.chance:.3f})"
        return [
            {
                "maps": " / ".join(pair),
                "rank correlation": MeanInterval.of(found),
                key: MeanInterval.of(self.overlaps[pair]),
            }
            for pair, found in self.correlations.items()
        ]


def measure_disagreement(maps, top=0.1, size=None, absolute=False, seed=0):
    """Compare the maps of several methods for the same images, pair by pair.

    Args:
        maps: Dict of the name of a method to array (images, h, w); they are resized bilinearly to one size.
        top: Number in (0, 1), the share of pixels that counts as most salient. Default 0.1.
        size: Pair (height, width) to compare at; None (default) for the largest height and width of the maps.
        absolute: Whether to compare sizes and not signs: maps with and without a sign agree only by it. Default False.
        seed: Integer >= 0, of the random map and of the order of equal values.

    Returns:
        `Disagreement`, the pairs with a random map and with the centre included.

    Raises:
        ValueError: If an argument is not accepted.

    Example:
        >>> import numpy as np
        >>> one = np.random.default_rng(0).normal(size=(3, 8, 8))
        >>> found = keras_repvis.analysis.evaluation.measure_disagreement({"one": one, "twice": 2 * one})
        >>> found.correlations["one", "twice"].round(6).tolist(), found.overlaps["one", "twice"].tolist()
        ([1.0, 1.0, 1.0], [1.0, 1.0, 1.0])

    Reference:
        Krishna et al., "The Disagreement Problem in Explainable Machine Learning: A Practitioner's Perspective", 2022.
    """
    checks.number("top", top, above=0, high=1)
    if not isinstance(maps, dict) or not maps:
        raise ValueError("maps are not accepted: expected a dict of the name of a method to its maps.")
    maps = {name: np.abs(some) if absolute else np.asarray(some) for name, some in maps.items()}
    if any(some.ndim != 3 for some in maps.values()):
        shapes = [some.shape for some in maps.values()]
        raise ValueError(f"maps of shapes {shapes} are not accepted: expected (images, height, width).")
    size = tuple(max(some.shape[axis] for some in maps.values()) for axis in (1, 2)) if size is None else tuple(size)
    named = null_maps.with_null_maps(maps, len(next(iter(maps.values()))), *size, seed=seed)
    pixels = size[0] * size[1]
    count = max(1, round(top * pixels))
    tops = {name: replaced_pixels.rank_pixels(some, seed) < count for name, some in named.items()}
    pairs = [pair for pair in itertools.combinations(named, 2) if pair != (null_maps.RANDOM, null_maps.CENTRE)]
    correlations = {(a, b): spearman(named[a], named[b]) for a, b in pairs}
    overlaps = {(a, b): (tops[a] & tops[b]).sum(axis=(1, 2)) / count for a, b in pairs}
    return Disagreement(correlations, overlaps, count / pixels)
