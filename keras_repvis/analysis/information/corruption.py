"""How sensitive the reconstruction G(F(x)) is to what happens to the encoding F(x) on its way.

A translation F: x -> y that has to be undone by G hides in y what y does not show. Where that is a signal of low
amplitude and high frequency, changes that nobody sees destroy it: noise of a grey level, the rounding to 8 bits, a JPEG
file. This measures the mean absolute errors

    |G(y') - x|   and   |G(y') - G(F(x))|

against the strength of a corruption y' of F(x): white and low-passed Gaussian noise on the published grid, rounding,
JPEG, blur, and scaling down and up; with y' as floats, and with y' rounded to 8 bits as a file keeps it.
"""

import dataclasses

import numpy as np

from keras_repvis.analysis.evaluation import table
from keras_repvis.analysis.evaluation.mean_interval import MeanInterval
from keras_repvis.analysis.information import image_corruptions
from keras_repvis.analysis.information.image_corruptions import PUBLISHED_LEVELS
from keras_repvis.analysis.information.median_interval import MedianInterval
from keras_repvis.analysis.information.sensitivity_curve import Reconstruction, measure_curves
from keras_repvis.analysis.information.translation_pair import as_pair

THRESHOLDS = ("doubled", "halfway")
_COLUMNS = ("corruption", "level", "amount", "error", "increase", "error, 8 bits", "change")


@dataclasses.dataclass(frozen=True)
class Sensitivity(table.Rows):
    """Errors of the reconstruction without and with corruptions, in grey levels.

    Args:
        reconstruction: `Reconstruction`, without any.
        curves: Dict of the name of a corruption -> `SensitivityCurve`.

    Example:
        >>> import numpy as np
        >>> from keras_repvis.analysis import information
        >>> clean = information.Reconstruction(np.ones(2), np.ones(2), np.full(2, 9.0))
        >>> print(Sensitivity(clean, {}))
        corruption  level  amount  error                 increase              error, 8 bits  change
        none               0.000   1.000 [1.000, 1.000]  0.000 [0.000, 0.000]  1.000          0.000
    """

    reconstruction: Reconstruction
    curves: dict

    def amplitude(self, name="white noise", threshold="doubled", through_8bit=False):
        """Return at which level of a corruption the error reaches a threshold.

        Args:
            name: Name of the corruption.
            threshold: "doubled", twice the error without corruption, which counts as half a grey level at least; or
                "halfway", the middle between that error and the error of another image's encoding.
            through_8bit: Whether encodings go through 8 bits.

        Returns:
            `MedianInterval` over the images, inf where no level reaches the threshold.
        """
        if threshold not in THRESHOLDS or name not in self.curves:
            raise ValueError(
                f"name={name!r}, threshold={threshold!r} are not accepted: expected one of {', '.join(self.curves)} "
                f"and one of {', '.join(THRESHOLDS)}."
            )
        thresholds = getattr(self.reconstruction, threshold)
        return MedianInterval.of(self.curves[name].crossing(thresholds, through_8bit))

    def rows(self):
        """Return a row a corruption and level, with intervals over the images."""
        clean = self.reconstruction
        none = (0.0, MeanInterval.of(clean.error), MeanInterval.of(0 * clean.error), clean.error_8bit.mean(), 0.0)
        rows = [("none", "", *none)]
        for name, curve in self.curves.items():
            effect = curve.in_float
            columns = zip(
                effect.amount.mean(axis=0), effect.mean("error"), clean.increase(effect),
                curve.in_8bit.error.mean(axis=0), effect.change.mean(axis=0),
            )
            rows += [(name, f"{level:g} {curve.unit}", *numbers) for level, numbers in zip(curve.levels, columns)]
        return [dict(zip(_COLUMNS, row)) for row in rows]


class ReconstructionSensitivity:
    """Measures the sensitivity of the reconstruction, on any two models that translate images to and fro.

    Args:
        encoder: F, `keras.Model` from images to images, or a function of images; or a `TranslationPair`, whose
            functions and `batch_size` serve here too.
        decoder: G, in the other direction; None (default) with a pair only.
        noise_levels: Standard deviations in grey levels; default 0, 0.1, 0.2, 0.5, 1, 2, 3, 5, the published grid
            (s / 127.5 for images in [-1, 1]).
        noise_widths: Widths in pixels of the Gaussian blur that noise went through; 0 is white noise. Default 0, 1, 2,
            4.
        bits: Integers, bits of the rounding. Default 8 to 4.
        jpeg_qualities: Integers from 1 to 100. Default 95, 90, 75, 50, 25; () for images that JPEG cannot hold.
        blur_widths: Numbers, standard deviations in pixels. Default 0.5, 1, 2.
        resize_factors: Numbers >= 1. Default 2, 4.
        seed: Integer >= 0, of the noise.
        batch_size: Integer >= 1, images at once; bounds the memory, changes no result.

    Call arguments:
        images: float array (images, height, width, channels) in [0, 1], x.
        progress: Function of the share that is done, or None.

    Returns:
        `Sensitivity`.

    Raises:
        ValueError: If an argument is not accepted.
        UnsupportedModelError: If the models are not a pair.
        ArithmeticError: If a model puts out what is not finite.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from keras_repvis.analysis import information
        >>> # F keeps a tenth of the contrast; G brings it back, and ten times the noise with it.
        >>> image = keras.Input((8, 8, 3))
        >>> fade = keras.Model(image, keras.layers.Rescaling(0.1, 0.45)(image))
        >>> revive = keras.Model(image, keras.layers.Rescaling(10.0, -4.5)(image))
        >>> measure = information.ReconstructionSensitivity(fade, revive, jpeg_qualities=())
        >>> found = measure(np.random.default_rng(0).random((4, 8, 8, 3)))
        >>> effect = found.curves["white noise"].in_float
        >>> (effect.change[:, 1:] / effect.amount[:, 1:]).mean(axis=0).round(2)
        array([10., 10., 10., 10., 10., 10., 10.])

    Reference:
        Chu, Zhmoginov and Sandler, "CycleGAN, a Master of Steganography", 2017, on noise, white and blurred. The grid:
        the code of Almahairi et al., "Augmented CycleGAN", 2018.
    """

    def __init__(
        self,
        encoder,
        decoder=None,
        noise_levels=PUBLISHED_LEVELS,
        noise_widths=(0.0, 1.0, 2.0, 4.0),
        bits=(8, 7, 6, 5, 4),
        jpeg_qualities=(95, 90, 75, 50, 25),
        blur_widths=(0.5, 1.0, 2.0),
        resize_factors=(2.0, 4.0),
        seed=0,
        batch_size=8,
    ):
        self.pair = as_pair(encoder, decoder, batch_size)
        corruptions = [
            *(image_corruptions.noise(noise_levels, width, seed) for width in noise_widths),
            image_corruptions.rounding(bits),
            image_corruptions.jpeg(jpeg_qualities),
            image_corruptions.blur(blur_widths),
            image_corruptions.resize(resize_factors),
        ]
        self.corruptions = tuple(one for one in corruptions if one.levels)

    def __call__(self, images, progress=None):
        return Sensitivity(*measure_curves(self.pair, images, self.corruptions, progress))
