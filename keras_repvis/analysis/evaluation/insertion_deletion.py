"""Insertion and deletion: how fast the output falls and rises when pixels go and come in the order of a map.

Deletion begins with the image and replaces its pixels, the most salient first, by a constant; a good map makes the
output fall at once, so a small area under the curve is good. Insertion begins with a blurred image and brings the
pixels of the image back, the most salient first; a large area is good. With n steps and f_k the output after step k

    area = 1/n (f_0/2 + f_1 + ... + f_{n-1} + f_n/2)

and f the softmax of the class that the image is taken for. The blur is a Gaussian of standard deviation 5 cut to 11 x
11 pixels, with what it loses there reflected back, and with `fill` beyond the border.

Both confound the model's behaviour on images that no camera takes with the map. The areas of a random map and of one
that points at the centre stand beside.

Reference:
    Petsiuk, Das and Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", 2018, section 4.1.
    Constants: the reference code, eclique/RISE.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.analysis.attribution import baselines
from keras_repvis.analysis.evaluation import null_maps, replaced_pixels, table
from keras_repvis.analysis.evaluation.mean_interval import MeanInterval

BLUR_SIZE = 11
BLUR_SIGMA = 5.0


@dataclasses.dataclass(frozen=True)
class InsertionDeletionCurves(table.Rows):
    """Curves of one or several methods on the same images.

    Args:
        deletion: Dict of the name of a method to float32 array (images, steps + 1).
        insertion: The same.

    Example:
        >>> import numpy as np
        >>> curve = np.array([[1.0, 0.5, 0.0]])
        >>> result = InsertionDeletionCurves({"maps": curve}, {"maps": curve[:, ::-1]})
        >>> result.areas("deletion")
        {'maps': array([0.5])}
    """

    deletion: dict
    insertion: dict

    def areas(self, kind):
        """Return {name: area under the curve of each image}; kind is "deletion" or "insertion"."""
        curves = getattr(self, checks.one_of("kind", kind, ("deletion", "insertion")))
        return {name: replaced_pixels.area(some) for name, some in curves.items()}

    def rows(self):
        """Return a row a method: its areas with intervals over the images."""
        both = [self.areas(kind) for kind in ("deletion", "insertion")]
        keys = ("deletion (less is better)", "insertion (more is better)")
        return [
            {"maps": name, **{key: MeanInterval.of(areas[name]) for key, areas in zip(keys, both)}} for name in both[0]
        ]


class InsertionDeletion:
    """Measures curves of insertion and deletion, batches of images and steps at once.

    Differs from the reference code: there images are deleted to 0 after the network's own normalisation, that is, to
    the mean colour of its data; here images are in [0, 1] and go to black unless `fill` says otherwise. With the mean
    colour as `fill` both are the same, the blurred border too. Equal values of a map come in a random order, there in
    the order of a sorting algorithm.

    Args:
        model: `keras.Model` of any kind, or a function of images; see `attribution.Method`.
        pixels: Integer >= 1, pixels replaced at a step; None (default) for the width of the image, 224 at the 224
            pixels of the paper.
        fill: What deletion ends with and blurring sees beyond the border: a number, or an array that broadcasts to
            (height, width, channels). Default 0.
        seed: Integer >= 0, of the random map and of the order of equal values.
        score: "softmax" (default, the paper's), "sigmoid" or "output", see `attribution.Method`.
        **options: `input_index`, `batch_size`; see `attribution.Method`.

    Call arguments:
        images: float32 array (batch, height, width, channels) in [0, 1]; any batch size.
        maps: Array (batch, h, w), resized bilinearly to the image, or a dict of such by the names of methods.
        targets: None (default) for the class with the largest score, or as for `attribution.Method`.

    Returns:
        `InsertionDeletionCurves`, those of a random map and of the centre included.

    Raises:
        ValueError: If images, maps or targets do not fit, or `score` is "softmax" and the outputs are a distribution.

    Example:
        >>> import numpy as np
        >>> import tensorflow as tf
        >>> # One logit is the light in the left half, the other is 0.
        >>> left = lambda x: tf.reduce_sum(x[:, :, :2], axis=(1, 2, 3))
        >>> measure = keras_repvis.analysis.evaluation.InsertionDeletion(lambda x: tf.stack([left(x), 0 * left(x)], -1))
        >>> maps = np.tile([1.0, 1.0, 0.0, 0.0], (1, 4, 1))
        >>> result = measure(np.ones((1, 4, 4, 1), "float32"), {"left": maps, "right": 1 - maps})
        >>> found = result.areas("deletion")
        >>> found["left"] < found["centre"] < found["right"]
        array([ True])

    Reference:
        Petsiuk, Das and Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", 2018.
    """

    def __init__(self, model, pixels=None, fill=0.0, seed=0, score="softmax", **options):
        self.pixels = None if pixels is None else int(checks.number("pixels", pixels, low=1, integer=True))
        self.seed = int(checks.number("seed", seed, low=0, integer=True))
        fill = baselines.check(fill)
        options = {"score": score, **options}
        self._deletion = replaced_pixels.ReplacedPixels(
            model, self._thresholds, lambda images: (images, baselines.like(fill, images)), **options
        )
        self._insertion = replaced_pixels.ReplacedPixels(
            model, self._thresholds, lambda images: (blur(images, baselines.like(fill, images)), images), **options
        )

    def __call__(self, images, maps, targets=None):
        arrays, index = self._deletion._read_images(images)
        sizes = arrays[index].shape
        named = null_maps.with_null_maps(maps, *sizes[:3], seed=self.seed)
        curves = ({}, {})
        for name, some in named.items():
            ranks = replaced_pixels.rank_pixels(some, self.seed)
            for found, measure in zip(curves, (self._deletion, self._insertion)):
                # Insertion, too, explains what the image is taken for, not its blurred version.
                found[name] = measure.measure(images, targets, ranks)["scores"]
        return InsertionDeletionCurves(*curves)

    def _thresholds(self, height, width):
        pixels = self.pixels or width
        steps = -(-height * width // pixels)
        return [min(step * pixels, height * width) for step in range(steps + 1)]


def blur(images, fill):
    """Return images (batch, height, width, channels) blurred, with `fill` of the same shape beyond their borders."""
    channels = images.shape[-1]
    # Beyond the border the difference is zero.
    kernel = tf.tile(tf.constant(_blur_kernel())[:, :, None, None], (1, 1, channels, 1))
    return fill + tf.nn.depthwise_conv2d(images - fill, kernel, strides=(1, 1, 1, 1), padding="SAME")


def _blur_kernel():
    from scipy import ndimage

    kernel = np.zeros((BLUR_SIZE, BLUR_SIZE))
    kernel[BLUR_SIZE // 2, BLUR_SIZE // 2] = 1
    return ndimage.gaussian_filter(kernel, BLUR_SIGMA, mode="reflect").astype("float32")
