"""Degradation: the output while tiles of the image go, the most or the least relevant first, and the area between.

The image is cut into tiles of t x t pixels, ranked by the mean of the map in them (the last row and column of tiles
take in what is left over). Tile by tile is replaced by the mean colour of the image. With p_k the softmax of the class
that the image is taken for when a share k of the tiles is gone,

    area = int_0^1 (p_k of least relevant first - p_k of most relevant first) dk

is large for a good map, 0 on average for a random one. To compare models it is divided by the fall of the mean output
from the image to its mean colour.

Reference:
    Schulz, Sixt, Tombari and Landgraf, "Restricting the Flow: Information Bottlenecks for Attribution", 2020, section
    4; its tiles are 8 x 8 and 14 x 14 at 224 pixels. Ancona et al., "Towards Better Understanding of Gradient-based
    Attribution Methods for Deep Neural Networks", 2018.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.analysis.evaluation import null_maps, replaced_pixels, table
from keras_repvis.analysis.evaluation.mean_interval import MeanInterval

PRESETS = {"schulz_2020_8": 8, "schulz_2020_14": 14}


@dataclasses.dataclass(frozen=True)
class DegradationCurves(table.Rows):
    """Curves of one or several methods on the same images.

    Args:
        most_first: Dict of the name of a method to float32 array (images, tiles + 1).
        least_first: The same.

    Example:
        >>> import numpy as np
        >>> result = DegradationCurves({"maps": np.array([[1.0, 0.0, 0.0]])}, {"maps": np.array([[1.0, 1.0, 0.0]])})
        >>> result.areas()
        {'maps': array([0.5])}
    """

    most_first: dict
    least_first: dict

    def areas(self):
        """Return {name: area between the two curves of each image}."""
        pairs = ((name, self.least_first[name], most) for name, most in self.most_first.items())
        return {name: replaced_pixels.area(least - most) for name, least, most in pairs}

    def fall(self):
        """Return the mean fall of the output from the images to their mean colour."""
        curves = next(iter(self.most_first.values()))
        return float((curves[:, 0] - curves[:, -1]).mean())

    def rows(self):
        """Return a row a method: its area, with the interval over the images, and the area over the fall."""
        fall = self.fall()
        return [
            {
                "maps": name,
                "area (more is better)": MeanInterval.of(areas),
                "area / fall": float(areas.mean() / fall) if fall else float("nan"),
            }
            for name, areas in self.areas().items()
        ]


class Degradation:
    """Measures the curves of degradation, batches of images and tiles at once.

    Args:
        model: `keras.Model` of any kind, or a function of images; see `attribution.Method`.
        tile: Integer >= 1, t; or "schulz_2020_8" (default) or "schulz_2020_14".
        seed: Integer >= 0, of the random map and of the order of equal tiles.
        score: "softmax" (default, the paper's), "sigmoid" or "output", see `attribution.Method`.
        **options: `input_index`, `batch_size`; see `attribution.Method`.

    Call arguments:
        images: float32 array (batch, height, width, channels) in [0, 1]; any batch size.
        maps: Array (batch, h, w), resized bilinearly to the image, or a dict of such by the names of methods.
        targets: None (default) for the class with the largest score, or as for `attribution.Method`.

    Returns:
        `DegradationCurves`, those of a random map and of the centre included.

    Raises:
        ValueError: If images, maps or targets do not fit, or the image is smaller than a tile.

    Example:
        >>> import numpy as np
        >>> import tensorflow as tf
        >>> # The output is how far the left half is from its mean.
        >>> model = lambda x: tf.reduce_sum(tf.abs(x[:, :, :2] - .5), axis=(1, 2))
        >>> image = np.tile([1.0, 0.0], (1, 4, 2))[..., None].astype("float32")
        >>> maps = np.tile([1.0, 1.0, 0.0, 0.0], (1, 4, 1))
        >>> measure = keras_repvis.analysis.evaluation.Degradation(model, tile=2, score="output")
        >>> result = measure(image, maps, targets=0)
        >>> result.most_first["maps"].tolist(), result.least_first["maps"].tolist()
        ([[4.0, 2.0, 0.0, 0.0, 0.0]], [[4.0, 4.0, 4.0, 2.0, 0.0]])

    Reference:
        Schulz, Sixt, Tombari and Landgraf, "Restricting the Flow: Information Bottlenecks for Attribution", 2020.
    """

    def __init__(self, model, tile="schulz_2020_8", seed=0, score="softmax", **options):
        tile = PRESETS[checks.one_of("tile", tile, PRESETS)] if isinstance(tile, str) else tile
        self.tile = int(checks.number("tile", tile, low=1, integer=True))
        self.seed = int(checks.number("seed", seed, low=0, integer=True))
        self._measure = replaced_pixels.ReplacedPixels(model, self._thresholds, _ends, score=score, **options)

    def __call__(self, images, maps, targets=None):
        arrays, index = self._measure._read_images(images)
        sizes = arrays[index].shape
        if min(sizes[1:3]) < self.tile:
            raise ValueError(f"tile={self.tile} is not accepted for images of {sizes[1]} x {sizes[2]} pixels.")
        named = null_maps.with_null_maps(maps, *sizes[:3], seed=self.seed)
        most, least = {}, {}
        for name, some in named.items():
            tiles = self._tile_means(some)
            for found, sign in ((most, 1), (least, -1)):
                ranks = self._spread(replaced_pixels.rank_pixels(sign * tiles, self.seed), *sizes[1:3])
                found[name] = self._measure.measure(images, targets, ranks)["scores"]
        return DegradationCurves(most, least)

    def _thresholds(self, height, width):
        return list(range((height // self.tile) * (width // self.tile) + 1))

    def _tile_means(self, maps):
        edges = [np.arange(size // self.tile) * self.tile for size in maps.shape[1:]]
        sums, counts = (
            np.add.reduceat(np.add.reduceat(some, edges[0], axis=1), edges[1], axis=2)
            for some in (maps.astype("float64"), np.ones((1, *maps.shape[1:])))
        )
        return sums / counts

    def _spread(self, ranks, height, width):
        """Return the rank of each pixel's tile."""
        places = [np.minimum(np.arange(size) // self.tile, size // self.tile - 1) for size in (height, width)]
        return ranks[:, places[0][:, None], places[1][None]]


def _ends(images):
    return images, tf.zeros_like(images) + tf.reduce_mean(images, axis=(1, 2), keepdims=True)
