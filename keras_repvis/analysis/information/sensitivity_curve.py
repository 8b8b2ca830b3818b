"""How far a reconstruction moves when its encoding is corrupted, level by level, as floats and through 8 bits."""

import dataclasses
import math

import numpy as np

from keras_repvis import checks
from keras_repvis.analysis.evaluation.mean_interval import MeanInterval
from keras_repvis.analysis.information.translation_pair import (
    GREY_LEVELS, MEASURES, check_images, check_reconstruction, store,
)


@dataclasses.dataclass(frozen=True)
class CorruptionEffect:
    """What corruptions of encodings do, arrays (images, levels) in grey levels.

    Args:
        amount: Mean |y' - F(x)|, what arrived of the corruption.
        error: Mean |G(y') - x|.
        change: Mean |G(y') - G(F(x))|.
        change_rms: Root of the mean of (G(y') - G(F(x)))^2.

    Example:
        >>> import numpy as np
        >>> CorruptionEffect(*np.ones((4, 2, 3))).mean("error")[0].mean
        1.0
    """

    amount: np.ndarray
    error: np.ndarray
    change: np.ndarray
    change_rms: np.ndarray

    def mean(self, measure):
        """Return a list of `MeanInterval`, one a level, over the images."""
        accepted = [field.name for field in dataclasses.fields(self)]
        return [MeanInterval.of(column) for column in getattr(self, checks.one_of("measure", measure, accepted)).T]


@dataclasses.dataclass(frozen=True)
class SensitivityCurve:
    """The effects of one family of corruptions.

    Args:
        name: String.
        unit: String, what the levels are measured in.
        levels: Tuple of numbers, from the weakest to the strongest.
        in_float: `CorruptionEffect` of the corrupted encoding as it is.
        in_8bit: `CorruptionEffect` of the corrupted encoding rounded to 8 bits.

    Example:
        >>> import numpy as np
        >>> effect = CorruptionEffect(*np.array([[[0.0, 1.0, 4.0]]] * 4))
        >>> SensitivityCurve("white noise", "grey levels", (0.0, 1.0, 2.0), effect, effect).crossing(2.5)
        array([1.5])
    """

    name: str
    unit: str
    levels: tuple
    in_float: CorruptionEffect
    in_8bit: CorruptionEffect

    def crossing(self, thresholds, through_8bit=False):
        """Return the level at which the error of each image first reaches a threshold.

        Args:
            thresholds: Number, or array (images,) with one an image, in grey levels.
            through_8bit: Whether encodings go through 8 bits.

        Returns:
            float array (images,): linear between levels, inf where no level reaches the threshold.
        """
        errors = (self.in_8bit if through_8bit else self.in_float).error
        thresholds = np.broadcast_to(thresholds, len(errors))
        return np.array([_crossing(self.levels, row, limit) for row, limit in zip(errors, thresholds)])


@dataclasses.dataclass(frozen=True)
class Reconstruction:
    """How good the reconstruction is without any corruption, arrays (images,) in grey levels.

    Args:
        error: Mean |G(F(x)) - x|.
        error_8bit: The same through an encoding of 8 bits.
        chance: Mean |G(F(x')) - x| with another image x' of the set, the next one: what an encoding is worth that says
            nothing of its image but its domain. NaN for one image alone.

    Example:
        >>> import numpy as np
        >>> found = Reconstruction(np.zeros(2), np.ones(2), np.full(2, 40.0))
        >>> found.doubled, found.halfway
        (array([1., 1.]), array([20., 20.]))
    """

    error: np.ndarray
    error_8bit: np.ndarray
    chance: np.ndarray

    def increase(self, effect):
        """Return a list of `MeanInterval`, one a level, of how much larger the errors of a `CorruptionEffect` are.

        Over the images, each compared with itself: how much images differ among each other does not widen them.
        """
        return [MeanInterval.of(column) for column in (effect.error - self.error[:, None]).T]

    @property
    def doubled(self):
        """Twice the error, which counts as half a grey level at least: no file of 8 bits keeps less."""
        return 2 * np.maximum(self.error, 0.5)

    @property
    def halfway(self):
        """The middle between the error and chance."""
        return (self.error + self.chance) / 2


def measure_curves(pair, images, corruptions, progress=None):
    """Return what corruptions of the encodings do to the reconstructions.

    Args:
        pair: `TranslationPair`.
        images: Array (images, height, width, channels) in [0, 1], x.
        corruptions: Sequence of `Corruption`.
        progress: Function of the share that is done, or None.

    Returns:
        Pair of a `Reconstruction` and a dict of name -> `SensitivityCurve`.

    Raises:
        ValueError: If images are not accepted, or two corruptions have one name.
        UnsupportedModelError: If the models are not a pair.
        ArithmeticError: If a model puts out what is not finite.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from keras_repvis.analysis import information
        >>> image = keras.Input((8, 8, 1))
        >>> same = keras.Model(image, keras.layers.Identity()(image))
        >>> pair = information.TranslationPair(same, same)
        >>> blur = information.image_corruptions.blur((0.0, 4.0))
        >>> _, curves = information.measure_curves(pair, np.random.default_rng(0).random((2, 8, 8, 1)), [blur])
        >>> curves["blur"].in_float.error.mean(axis=0).round().tolist()
        [0.0, 67.0]
    """
    images = check_images("images", images)
    names = [one.name for one in corruptions]
    if len(set(names)) != len(names):
        raise ValueError(f"corruptions named {names} are not accepted: expected names that differ.")
    # (float or 8 bits, amount and MEASURES, images) for each corruption and level.
    found = [np.zeros((len(one.levels), 2, 1 + len(MEASURES), len(images))) for one in corruptions]
    clean, clean_8bit = np.zeros(images.shape, "float32"), np.zeros(len(images))
    steps, done = len(images) * sum(len(one.levels) for one in corruptions), 0
    for part in pair.batches(images):
        batch = images[part]
        codes = pair.encode(batch)
        clean[part] = _decoded(pair, codes, batch)
        clean_8bit[part] = pair.compare(store(codes), batch, clean[part])[:, 0]
        for one, arrays in zip(corruptions, found):
            change = one.prepare(codes, range(len(images))[part])
            for place, level in enumerate(one.levels):
                arrays[place, ..., part] = _effects(pair, change(level), codes, batch, clean[part])
                done += len(batch)
                if progress is not None:
                    progress(done / steps)
    curves = {
        one.name: SensitivityCurve(one.name, one.unit, one.levels, *(_effect(arrays[:, way]) for way in (0, 1)))
        for one, arrays in zip(corruptions, found)
    }
    return Reconstruction(_distance(clean, images), clean_8bit, _chance(clean, images)), curves


def _decoded(pair, codes, images):
    decoded = pair.decode(codes)
    check_reconstruction(decoded, images)
    return decoded


def _effects(pair, changed, codes, images, clean):
    """Return array (2, amount and MEASURES, images)."""
    kept = store(changed)
    rows = [_row(pair, changed, codes, images, clean)]
    # What is on the grid of 8 bits already need not be decoded twice.
    rows.append(rows[0] if np.array_equal(kept, changed) else _row(pair, kept, codes, images, clean))
    return np.stack(rows)


def _row(pair, changed, codes, images, clean):
    return np.concatenate([_distance(changed, codes)[None], pair.compare(changed, images, clean).T])


def _effect(values):
    """Return the `CorruptionEffect` of an array (levels, amount and MEASURES, images)."""
    return CorruptionEffect(*np.transpose(values, (1, 2, 0)))


def _distance(first, second):
    return GREY_LEVELS * np.abs(first - second).reshape(len(first), -1).mean(axis=1, dtype="float64")


def _chance(clean, images):
    if len(images) == 1:
        return np.full(1, np.nan)
    return _distance(np.roll(clean, -1, axis=0), images)


def _crossing(levels, errors, limit):
    """Return the level where errors reach the limit for the first time."""
    reached = np.flatnonzero(errors >= limit)
    if not len(reached):
        return math.inf
    last = reached[0]
    if last == 0:
        return float(levels[0])
    share = (limit - errors[last - 1]) / (errors[last] - errors[last - 1])
    return float(levels[last - 1] + share * (levels[last] - levels[last - 1]))
