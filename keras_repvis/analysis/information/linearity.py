"""How nearly linear a model is around an image: what its Jacobian does not predict of a change, by amplitude.

    error(e, d) = |G(y + e d) - G(y) - e J d| / |G(y + e d) - G(y)|,      J = dG/dy at y,

for directions d whose root mean square over the values of an image is 1, so that e is an amplitude in units of the
pixels in [0, 1], the same for every kind of direction:

    random     white noise
    data       towards other images of the batch
    singular   those that J enlarges most (`jacobian`)

0 is linear; 1 where the prediction is as good as none; above where it is worse. The points y + e d are not clipped to
[0, 1], which would bend every model.

Reference:
    Chu, Zhmoginov and Sandler, "CycleGAN, a Master of Steganography", 2017.
"""

import dataclasses

import numpy as np

from keras_repvis import checks
from keras_repvis.analysis.evaluation.mean_interval import MeanInterval
from keras_repvis.analysis.information import differentiable_map
from keras_repvis.analysis.information.jacobian import JacobianSpectrum
from keras_repvis.analysis.information.translation_pair import GREY_LEVELS, check_images

# An eighth of a grey level to 32 of them.
AMPLITUDES = tuple(2.0**power / GREY_LEVELS for power in range(-3, 6))
KINDS = ("random", "data", "singular")


@dataclasses.dataclass(frozen=True)
class LinearityErrors:
    """What the Jacobian does not predict of the changes along directions of several kinds.

    Args:
        amplitudes: Tuple of numbers e, root mean square of the changes of the image, in units of the pixels in [0, 1].
        errors: Dict of kind -> float64 array (images, directions, amplitudes), the relative error.
        changes: Dict of kind -> float64 array (images, directions, amplitudes), root mean square of G(y + e d) - G(y).
        gains: Dict of kind -> float64 array (images, directions), |J d| / |d|.
        noise: float64 array (images,), root mean square of what rounding the image to float32 changes of G(y).
        diagnostics: Dict of floats; see `JacobianSpectra`.

    Example:
        >>> import numpy as np
        >>> found = LinearityErrors((0.1,), {"random": np.full((2, 3, 1), 0.25)}, {"random": np.full((2, 3, 1), 0.01)},
        ...     {"random": np.ones((2, 3))}, np.full(2, 1e-6), {})
        >>> found.mean("random")[0].mean, float(found.floor("random").max().round(6))
        (0.25, 0.0001)
    """

    amplitudes: tuple
    errors: dict
    changes: dict
    gains: dict
    noise: np.ndarray
    diagnostics: dict

    def mean(self, kind):
        """Return a list of `MeanInterval` over the images, one an amplitude, of a kind's mean error."""
        checks.one_of("kind", kind, self.errors)
        return [MeanInterval.of(column) for column in self.errors[kind].mean(axis=1).T]

    def floor(self, kind):
        """Return the relative errors that rounding makes alone, like `errors`; errors of this size mean nothing."""
        changes = self.changes[checks.one_of("kind", kind, self.changes)]
        noise = np.broadcast_to(self.noise[:, None, None], changes.shape)
        return np.divide(noise, changes, out=np.full_like(changes, np.inf), where=changes > 0)


class LocalLinearity:
    """Measure how nearly linear a model is along random, data and singular directions.

    Args:
        model: As `JacobianSpectrum` takes it.
        amplitudes: Sequence of numbers e > 0, in units of the pixels in [0, 1]. Default an eighth of a grey level
            (1/255) to 32 of them, by factors of 2.
        random: Integer >= 0, random directions at each image, the same at all. Default 4.
        data: Integer >= 0, other images of the batch to go towards, those that follow; all of them if there are less.
            Default 4.
        singular: Integer >= 0, singular directions. Default 4.
        passes: Integer >= 0, of `JacobianSpectrum` for the singular directions. Default 3.
        seed: Integer >= 0.
        batch_size: Integer >= 1, images that go through the model at once; bounds the memory. Default 32.

    Call arguments:
        images: float32 array (images, height, width, channels) in [0, 1], y; at least two of them for data directions.
        progress: None, or a function that is called with the share done, in [0, 1].

    Returns:
        `LinearityErrors`, with the kinds that were asked for.

    Raises:
        UnsupportedModelError: As `JacobianSpectrum`.
        ValueError: If an argument is not accepted, there are no directions, or two images that follow are the same.
        ArithmeticError: If the model puts out what is not finite.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from keras_repvis.analysis import information
        >>> image = keras.Input((8, 8, 1))
        >>> enlarge = keras.Model(image, keras.layers.Rescaling(3.0)(image))
        >>> linearity = information.LocalLinearity(enlarge, amplitudes=(0.01, 0.1), singular=0)
        >>> found = linearity(np.random.default_rng(0).random((2, 8, 8, 1), "float32"))
        >>> sorted(found.errors), bool(found.errors["random"].max() < 1e-4)
        (['data', 'random'], True)
    """

    def __init__(
        self, model, amplitudes=AMPLITUDES, random=4, data=4, singular=4, passes=3, seed=0, batch_size=32
    ):
        self.amplitudes = tuple(float(checks.number("amplitudes", one, above=0)) for one in amplitudes)
        if not self.amplitudes:
            raise ValueError("amplitudes=() is not accepted: expected at least one.")
        self.random = int(checks.number("random", random, low=0, integer=True))
        self.data = int(checks.number("data", data, low=0, integer=True))
        self.singular = int(checks.number("singular", singular, low=0, integer=True))
        if not self.random + self.data + self.singular:
            raise ValueError("random=0, data=0 and singular=0 leave no direction: expected at least one.")
        self.seed = int(checks.number("seed", seed, low=0, integer=True))
        self._spectrum = JacobianSpectrum(
            model, rank=max(self.singular, 1), passes=passes, seed=seed, batch_size=batch_size
        )
        self._map = self._spectrum.differentiable_map

    def __call__(self, images, progress=None):
        images = check_images("images", images)
        if self.data and len(images) == 1:
            raise ValueError("images are one: data directions go towards another. Give two, or set data=0.")
        diagnostics = self._map.check(images[0])
        found = []
        for place, image in enumerate(images):
            found.append(self._measure(image, self._directions(images, place)))
            if progress is not None:
                progress((place + 1) / len(images))
        fields = [{kind: np.stack([one[at][kind] for one in found]) for kind in found[0][at]} for at in range(3)]
        return LinearityErrors(self.amplitudes, *fields, np.array([one[3] for one in found]), diagnostics)

    def _directions(self, images, place):
        """Return a dict of kind -> float32 array (directions, height, width, channels) of root mean square 1."""
        found = {}
        if self.random:
            random = np.random.default_rng(self.seed)
            found["random"] = random.standard_normal((self.random, *images.shape[1:]), "float32")
        if self.data:
            others = [(place + step) % len(images) for step in range(1, min(self.data, len(images) - 1) + 1)]
            found["data"] = images[others] - images[place]
        if self.singular:
            found["singular"] = self._spectrum(images[place : place + 1]).right[0]
        for kind, directions in found.items():
            lengths = np.sqrt(np.mean(np.square(directions, dtype="float64"), axis=(1, 2, 3), keepdims=True))
            if not lengths.all():
                other = others[int(lengths.argmin())]
                raise ValueError(f"images {place} and {other} are the same: no direction between.")
            found[kind] = (directions / lengths).astype("float32")
        return found

    def _measure(self, image, directions):
        """Return (errors, changes, gains, noise) at one image."""
        values, off = self._map.values(np.stack([image, differentiable_map.rounded(image)])).astype("float64")
        errors, changes, gains = {}, {}, {}
        for kind, some in directions.items():
            pushed = self._map.jvp(image, some).astype("float64")
            gains[kind] = _rms(pushed) * np.sqrt(values.size / image.size)
            measured = []
            for amplitude in self.amplitudes:
                change = self._map.values(image + np.float32(amplitude) * some) - values
                measured.append((_rms(change - amplitude * pushed), _rms(change)))
            # (directions, amplitudes)
            missed, changes[kind] = np.moveaxis(measured, 0, -1)
            nothing = np.where(missed > 0, np.inf, 0.0)
            errors[kind] = np.divide(missed, changes[kind], out=nothing, where=changes[kind] > 0)
        return errors, changes, gains, _rms((off - values)[None])[0]


def _rms(arrays):
    return np.sqrt(np.mean(np.square(arrays).reshape(len(arrays), -1), axis=1))
