"""Where an encoding hides what its domain does not show: at which spatial frequencies, and with which amplitude.

Three views of y = F(x):

- Its power against spatial frequency beside that of real images of its domain. What a generator adds beyond the domain
  shows as a surplus, as a rule at high frequencies.
- What is left of it after a filter that keeps what people see, the residual, with its amplitude in grey levels.
- What the decoder needs: the reconstruction G(y') from encodings y' that lost all frequencies above a cutoff, or one
  band. Of a signal that G does not read, a surplus alone would be no code.

And pictures for the eye: adaptive histogram equalisation of F(x) beside that of a real y.
"""

import dataclasses
import itertools

import numpy as np
from scipy import ndimage

from keras_repvis import checks
from keras_repvis.analysis.evaluation import table
from keras_repvis.analysis.evaluation.mean_interval import MeanInterval
from keras_repvis.analysis.information import image_corruptions, spatial_frequency
from keras_repvis.analysis.information.median_interval import MedianInterval
from keras_repvis.analysis.information.sensitivity_curve import Reconstruction, SensitivityCurve, measure_curves
from keras_repvis.analysis.information.translation_pair import GREY_LEVELS, as_pair, check_images, store

# Edges of the bands, in cycles per pixel.
CUTOFFS = (1 / 32, 1 / 16, 1 / 8, 3 / 16, 1 / 4, 3 / 8, 1 / 2)
_NEIGHBOURS = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)[None, :, :, None]
RESIDUALS = ("median", "low_pass", "rounding")


@dataclasses.dataclass(frozen=True)
class HiddenCode(table.Rows):
    """What was found of a hidden signal.

    Args:
        reconstruction: `Reconstruction`, without corruption.
        code_spectrum: `RadialSpectrum` of the encodings F(x).
        reference_spectrum: `RadialSpectrum` of real images of their domain, or None.
        source_spectrum: `RadialSpectrum` of the images x.
        bands: Tuple of pairs (low, high), in cycles per pixel; the mean of an image is in none.
        code_bands: Array (images, bands), standard deviation of the encodings in each band, grey levels.
        reference_bands: The same of the real images, or None.
        code_residuals: Dict of "median", "low_pass", "rounding" -> array (images,), root mean square of the residual of
            the encodings in grey levels; see `residual`.
        reference_residuals: The same of the real images, or None.
        low_pass: `SensitivityCurve` against the cutoff, from the highest to the lowest.
        band_stop: `SensitivityCurve` against the number of the band that is taken out.

    Example:
        >>> from keras_repvis.analysis import information
        >>> [field for field in HiddenCode.__dataclass_fields__ if field.endswith("bands")]
        ['bands', 'code_bands', 'reference_bands']
    """

    reconstruction: Reconstruction
    code_spectrum: spatial_frequency.RadialSpectrum
    reference_spectrum: spatial_frequency.RadialSpectrum | None
    source_spectrum: spatial_frequency.RadialSpectrum
    bands: tuple
    code_bands: np.ndarray
    reference_bands: np.ndarray | None
    code_residuals: dict
    reference_residuals: dict | None
    low_pass: SensitivityCurve
    band_stop: SensitivityCurve

    def cutoff(self, threshold="doubled", through_8bit=False):
        """Return the cutoff of a low-pass at which the error of the reconstruction reaches a threshold.

        Args:
            threshold: "doubled" or "halfway", see `Sensitivity.amplitude`.
            through_8bit: Whether encodings go through 8 bits.

        Returns:
            `MedianInterval` over the images, in cycles per pixel; inf where even the lowest cutoff leaves the error
            below the threshold.
        """
        thresholds = getattr(self.reconstruction, checks.one_of("threshold", threshold, ("doubled", "halfway")))
        return MedianInterval.of(self.low_pass.crossing(thresholds, through_8bit))

    def rows(self):
        """Return a row a band: its amplitude, and the errors without it, and without it and all above it."""
        low_pass = dict(zip(self.low_pass.levels, self.low_pass.in_float.mean("error")))
        rows = []
        for number, (low, high) in enumerate(self.bands):
            row = {
                "cycles/pixel": f"{low:.2g} to {min(high, spatial_frequency.HIGHEST):.2g}",
                "amplitude": MeanInterval.of(self.code_bands[:, number]),
            }
            if self.reference_bands is not None:
                row["amplitude of real y"] = MeanInterval.of(self.reference_bands[:, number])
            rows.append({
                **row,
                "error without it": self.band_stop.in_float.mean("error")[number],
                "and without all above": low_pass.get(low, MeanInterval.of([])),
            })
        return rows


class HiddenSignal:
    """Looks for the signal that an encoding hides, in any two models that translate images to and fro.

    Args:
        encoder: F, `keras.Model` from images to images, or a function of images; or a `TranslationPair`, whose
            functions and `batch_size` serve here too.
        decoder: G, in the other direction; None (default) with a pair only.
        cutoffs: Numbers in (0, 0.707), edges of the bands in cycles per pixel. Default 1/32, 1/16, 1/8, 3/16, 1/4, 3/8,
            1/2.
        bins: Integer >= 1, of the spectra. Default 48.
        batch_size: Integer >= 1, images at once; bounds the memory, changes no result.

    Call arguments:
        images: float array (images, height, width, channels) in [0, 1], x.
        references: The same of real images of the domain of y, any number of them, or None. Best of the size of F(x):
            a change of size changes a spectrum.
        progress: Function of the share that is done, or None.

    Returns:
        `HiddenCode`.

    Raises:
        ValueError: If an argument is not accepted.
        UnsupportedModelError: If the models are not a pair.
        ArithmeticError: If a model puts out what is not finite.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from keras_repvis.analysis import information
        >>> # The identity hides nothing: an image of low frequencies survives a low-pass.
        >>> image = keras.Input((16, 16, 1))
        >>> same = keras.Model(image, keras.layers.Identity()(image))
        >>> ramp = np.tile(np.linspace(0, 1, 16), (2, 16, 1))[..., None]
        >>> found = information.HiddenSignal(same, same, cutoffs=(0.25,))(ramp)
        >>> bool(found.low_pass.in_float.error.max() < 1.5)
        True

    Reference:
        Chu, Zhmoginov and Sandler, "CycleGAN, a Master of Steganography", 2017.
    """

    def __init__(self, encoder, decoder=None, cutoffs=CUTOFFS, bins=48, batch_size=8):
        self.pair = as_pair(encoder, decoder, batch_size)
        self.bins = int(checks.number("bins", bins, low=1, integer=True))
        for cutoff in cutoffs:
            checks.number("cutoffs", cutoff, above=0, high=spatial_frequency.HIGHEST)
        self.cutoffs = tuple(sorted(set(cutoffs), reverse=True))
        self.edges = (0.0, *reversed(self.cutoffs), 2 * spatial_frequency.HIGHEST)

    def __call__(self, images, references=None, progress=None):
        corruptions = (image_corruptions.low_pass(self.cutoffs), image_corruptions.band_stop(self.edges))
        reconstruction, curves = measure_curves(self.pair, images, corruptions, progress)
        images = check_images("images", images)
        code = self._describe(self.pair.encode(images))
        real = (None,) * 3 if references is None else self._describe(check_images("references", references))
        source = spatial_frequency.radial_spectrum(images, self.bins)
        bands = tuple(itertools.pairwise(self.edges))
        low_pass, band_stop = (curves[one.name] for one in corruptions)
        return HiddenCode(
            reconstruction, code[0], real[0], source, bands, code[1], real[1], code[2], real[2], low_pass, band_stop
        )

    def _describe(self, images):
        """Return (spectrum, amplitudes of the bands, amplitudes of the residuals)."""
        bands = [spatial_frequency.band_amplitude(images, *edges) for edges in itertools.pairwise(self.edges)]
        residuals = {kind: residual(images, kind) for kind in RESIDUALS}
        amplitudes = {
            kind: GREY_LEVELS * np.sqrt(np.square(found, dtype="float64").mean(axis=(1, 2, 3)))
            for kind, found in residuals.items()
        }
        return spatial_frequency.radial_spectrum(images, self.bins), np.stack(bands, axis=1), amplitudes


def residual(images, kind="median"):
    """Return what a filter takes from images: the part that people hardly see.

    Args:
        images: Array (images, height, width, channels) in [0, 1].
        kind: "median", without the median of the eight neighbours of each pixel, which keeps edges and no chess board;
            "low_pass", without the frequencies below a quarter of a cycle per pixel; or "rounding", what a file of 8
            bits does not keep.

    Returns:
        float32 array like `images`.

    Raises:
        ValueError: If `kind` is not known.

    Example:
        >>> import numpy as np
        >>> from keras_repvis.analysis import information
        >>> edge = np.repeat([0.0, 1.0], 4)[None, None, :, None] * np.ones((1, 8, 1, 1))
        >>> float(np.abs(information.residual(edge)).max())
        0.0
    """
    images = np.asarray(images, "float32")
    if checks.one_of("kind", kind, RESIDUALS) == "median":
        # With the pixel itself among them, the median of a chess board is the chess board.
        ranks = [ndimage.rank_filter(images, rank, footprint=_NEIGHBOURS, mode="reflect") for rank in (3, 4)]
        return images - (ranks[0] + ranks[1]) / 2
    if kind == "low_pass":
        return images - spatial_frequency.keep_band(images, 0.0, 0.25)
    return images - store(images)


def enhance_contrast(images, clip_limit=0.01):
    """Return images after adaptive histogram equalisation (CLAHE), which makes faint signals visible.

    Images are rounded to 8 bits first, as the files that people would look at: what is below that is not seen.

    Args:
        images: Array (images, height, width, 1 or 3) in [0, 1].
        clip_limit: Number in (0, 1], how much contrast; see `skimage.exposure.equalize_adapthist`. Default 0.01.

    Returns:
        float32 array like `images`, in [0, 1].

    Raises:
        ValueError: If `clip_limit` is out of range.

    Example:
        >>> import numpy as np
        >>> from keras_repvis.analysis import information
        >>> faint = 0.5 + np.random.default_rng(0).choice([0.0, 3 / 255], (1, 32, 32, 1))
        >>> bool(information.enhance_contrast(faint).std() > 20 * faint.std())
        True
    """
    from skimage import exposure

    checks.number("clip_limit", clip_limit, above=0, high=1)
    found = []
    for image in store(images):
        if image.shape[-1] == 1:
            found.append(exposure.equalize_adapthist(image[..., 0], clip_limit=clip_limit)[..., None])
        else:
            found.append(exposure.equalize_adapthist(image, clip_limit=clip_limit))
    return np.stack(found).astype("float32")
