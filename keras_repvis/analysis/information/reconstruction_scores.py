"""Two scores of a translation that has to be undone: reconstruction honesty (RH) and sensitivity to noise (SN).

Version 1 of their definitions. F: x -> y and G: y -> x are the models, q rounds to 8 bits, d is the mean absolute
difference of two images in grey levels, N(s) white Gaussian noise of standard deviation s grey levels; y + N(s) is
clipped to the range of images.

    RH = mean_i d(G(q(F(x_i))), x_i) / mean_i d(G(q(y_i)), x_i),        y_i the true partner of x_i

1: the model's own encoding tells its decoder no more than the true partner does. 0: the encoding tells everything, and
the true partner less. Above 1 the own encoding is the worse one. The gap, denominator minus numerator, is the same as a
difference in grey levels.

    SN(s) = mean_i root mean square of G(F(x_i) + N(s)) - G(F(x_i)),    in grey levels
    SN    = (integral of SN(s) ds over the grid) / (integral of s ds over the grid)

by the trapezium rule on the grid of levels, which belongs to the number; the default is the published grid, from 0 to 5
grey levels. 1: noise comes through as strong as it went in. In a version for files y + N(s) is rounded to 8 bits as
well.

Differs from the paper: the idea of both scores is that of Bashkirova et al.; constants and normalisation are ours, so
that numbers of other papers do not compare.
"""

import dataclasses

import numpy as np
from scipy import integrate

from keras_repvis.analysis.evaluation import table
from keras_repvis.analysis.evaluation.mean_interval import MeanInterval
from keras_repvis.analysis.information import image_corruptions
from keras_repvis.analysis.information.sensitivity_curve import measure_curves
from keras_repvis.analysis.information.translation_pair import as_pair, check_images, store

VERSION = "1"


@dataclasses.dataclass(frozen=True)
class ScoredReconstruction(table.Rows):
    """Scores of a pair of models, and what they are made of; distances in grey levels.

    Args:
        own_error: Array (images,), d(G(q(F(x))), x).
        own_error_float: Array (images,), d(G(F(x)), x).
        partner_error: Array (images,), d(G(q(y)), x) of the true partners, or None.
        levels: Array (levels,), standard deviations of the noise in grey levels.
        response: Array (images, levels), root mean square of what noise changes.
        response_8bit: The same through 8 bits.
        version: String, of the definitions.

    Example:
        >>> import numpy as np
        >>> levels = np.array([0.0, 1.0, 2.0])
        >>> errors, response = (np.full(3, 2.0), np.full(3, 1.0), np.full(3, 8.0)), np.tile(5 * levels, (3, 1))
        >>> found = ScoredReconstruction(*errors, levels, response, response)
        >>> found.honesty.mean, found.honesty_gap.mean, found.noise_gain().mean
        (0.25, 6.0, 5.0)
    """

    own_error: np.ndarray
    own_error_float: np.ndarray
    partner_error: np.ndarray | None
    levels: np.ndarray
    response: np.ndarray
    response_8bit: np.ndarray
    version: str = VERSION

    @property
    def honesty(self):
        """RH as `MeanInterval`, linearised; None without true partners, NaN where partners have no error."""
        if self.partner_error is None:
            return None
        partner = self.partner_error.mean()
        if not partner:
            return MeanInterval.of([])
        ratio = self.own_error.mean() / partner
        return MeanInterval.of(ratio + (self.own_error - ratio * self.partner_error) / partner)

    @property
    def honesty_gap(self):
        """The gap of RH in grey levels as `MeanInterval`; None without true partners."""
        return None if self.partner_error is None else MeanInterval.of(self.partner_error - self.own_error)

    def noise_gain(self, through_8bit=False):
        """Return SN as `MeanInterval` over the images."""
        response = self.response_8bit if through_8bit else self.response
        area = integrate.trapezoid(response, self.levels, axis=1)
        return MeanInterval.of(area / integrate.trapezoid(self.levels, self.levels))

    def rows(self):
        """Return a row a number."""
        rows = [("error of the own encoding", MeanInterval.of(self.own_error_float)),
                ("error of the own encoding, 8 bits", MeanInterval.of(self.own_error))]
        if self.partner_error is not None:
            rows += [("error of the true partner, 8 bits", MeanInterval.of(self.partner_error)),
                     ("reconstruction honesty (RH)", self.honesty), ("gap of RH", self.honesty_gap)]
        rows += [("sensitivity to noise (SN)", self.noise_gain()),
                 ("sensitivity to noise (SN), 8 bits", self.noise_gain(through_8bit=True))]
        return [{"score": name, "value": value, "version": self.version} for name, value in rows]


class ReconstructionScores:
    """Measures reconstruction honesty and sensitivity to noise of two models that translate images to and fro.

    Args:
        encoder: F, `keras.Model` from images to images, or a function of images; or a `TranslationPair`, whose
            functions and `batch_size` serve here too.
        decoder: G, in the other direction; None (default) with a pair only.
        noise_levels: At least two increasing standard deviations in grey levels; default the published grid.
        seed: Integer >= 0, of the noise.
        batch_size: Integer >= 1, images at once; bounds the memory, changes no result.

    Call arguments:
        images: float array (images, height, width, channels) in [0, 1], x.
        partners: The same of the true partners y of the images, in their order, or None: no honesty then.
        progress: Function of the share that is done, or None.

    Returns:
        `ScoredReconstruction`.

    Raises:
        ValueError: If an argument is not accepted.
        UnsupportedModelError: If the models are not a pair.
        ArithmeticError: If a model puts out what is not finite.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from keras_repvis.analysis import information
        >>> image = keras.Input((8, 8, 3))
        >>> same = keras.Model(image, keras.layers.Identity()(image))
        >>> images = np.random.default_rng(0).uniform(0.2, 0.8, (2, 8, 8, 3))
        >>> found = information.ReconstructionScores(same, same)(images, partners=images)
        >>> round(found.noise_gain().mean, 1), found.honesty.mean, found.version
        (1.0, 1.0, '1')

    Reference:
        Bashkirova, Usman and Saenko, "Adversarial Self-Defense for Cycle-Consistent GANs", 2019.
    """

    def __init__(self, encoder, decoder=None, noise_levels=image_corruptions.PUBLISHED_LEVELS, seed=0, batch_size=8):
        self.pair = as_pair(encoder, decoder, batch_size)
        self.noise = image_corruptions.noise(noise_levels, seed=seed)
        if len(self.noise.levels) < 2 or np.any(np.diff(self.noise.levels) <= 0):
            raise ValueError(f"noise_levels={noise_levels!r} is not accepted: expected two or more, increasing.")

    def __call__(self, images, partners=None, progress=None):
        images = check_images("images", images)
        error = None if partners is None else self._partner_error(images, check_images("partners", partners))
        clean, curves = measure_curves(self.pair, images, (self.noise,), progress)
        curve = curves[self.noise.name]
        responses = (curve.in_float.change_rms, curve.in_8bit.change_rms)
        return ScoredReconstruction(clean.error_8bit, clean.error, error, np.array(self.noise.levels), *responses)

    def _partner_error(self, images, partners):
        if len(partners) != len(images):
            raise ValueError(f"{len(partners)} partners of {len(images)} images are not accepted: expected one each.")
        shape = self.pair.encode(images[:1]).shape[1:]
        if partners.shape[1:] != shape:
            raise ValueError(f"partners of shape {partners.shape[1:]} are not accepted: expected {shape}.")
        parts = [self.pair.compare(store(partners[part]), images[part], images[part]) for part in
                 self.pair.batches(images)]
        return np.concatenate(parts)[:, 0]
