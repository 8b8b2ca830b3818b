"""Whether an encoding hides an image piece by piece: how local edits are in it, and whether they add up.

Locality. A patch of x is changed, x -> x'. The energy of F(x') - F(x) at a pixel u is the sum of its squares over the
channels; its distance is max(|rows|, |columns|) from u to the nearest pixel that was changed, since receptive fields
are squares. The profile is the share of the energy within each distance. A model that normalises over the whole image
spreads a little of every edit everywhere.

Additivity. With D = F(x') - F(x), the edit of the encoding, and R = G(F(x')) - G(F(x)), what it does at home:

- transplanted, into the encoding of another image z:   G(F(z) + D) - G(F(z))          against R
- summed, with a second edit of the same image:          G(F(x) + D1 + D2) - G(F(x))    against R1 + R2
- in the encoder itself, with both edits made at once:   F(x12) - F(x)                  against D1 + D2

each as the relative error |a - b| / |b| (Euclidean; 0 for a linear map) and as the cosine of a and b.

As floats nothing is clipped. Through 8 bits every encoding and every sum of such is clipped to [0, 1] and rounded.
"""

import dataclasses

import numpy as np
from scipy import ndimage

from keras_repvis import checks
from keras_repvis.analysis.evaluation import table
from keras_repvis.analysis.evaluation.mean_interval import MeanInterval
from keras_repvis.analysis.information.translation_pair import (
    as_pair, check_images, check_reconstruction, store,
)
from keras_repvis.analysis.unsupported import UnsupportedModelError

COMPARISONS = ("edit", "transplanted", "summed", "summed in the encoder")


@dataclasses.dataclass(frozen=True)
class EditEffect:
    """What edits do, one number an image; NaN where an edit changes nothing that could be compared.

    Args:
        profile: Array (images, distances): share of the energy of F(x') - F(x) within 0, 1, 2, ... pixels of the patch.
        relative_error: Dict of a comparison -> array (images,). "edit" compares what the edit does in the
            reconstruction with the edit itself, x' - x; the others are those of the module.
        cosine: The same, of the cosines.

    Example:
        >>> import numpy as np
        >>> effect = EditEffect(np.array([[0.5, 0.5, 0.95, 1.0]]), {}, {})
        >>> effect.distance(0.9), effect.outside(reach=2).round(2)
        (array([2.]), array([0.05]))
    """

    profile: np.ndarray
    relative_error: dict
    cosine: dict

    def outside(self, reach=0):
        """Return the share of the energy (images,) farther than `reach` pixels from the patch."""
        checks.number("reach", reach, low=0, integer=True)
        return 1 - self.profile[:, min(reach, self.profile.shape[1] - 1)]

    def distance(self, share=0.9):
        """Return the distance (images,) in pixels within which that share of the energy lies."""
        checks.number("share", share, above=0, high=1)
        # A sum of floats may stay below 1 by their rounding.
        reached = self.profile >= share - 1e-9
        return np.where(reached.any(axis=1), reached.argmax(axis=1), np.nan).astype("float64")


@dataclasses.dataclass(frozen=True)
class Edits(table.Rows):
    """What edits do with encodings as floats and through 8 bits.

    Args:
        in_float: `EditEffect`.
        in_8bit: `EditEffect`.

    Example:
        >>> import numpy as np
        >>> effect = EditEffect(np.array([[0.5, 1.0]]), {"edit": np.zeros(1)}, {"edit": np.ones(1)})
        >>> Edits(effect, effect).rows()[0]["energy beyond the patch"].mean
        0.5
    """

    in_float: EditEffect
    in_8bit: EditEffect

    def rows(self):
        """Return two rows, as floats and through 8 bits, with intervals over the images."""
        found = []
        for name, effect in (("floats", self.in_float), ("8 bits", self.in_8bit)):
            row = {
                "encodings": name,
                "energy beyond the patch": MeanInterval.of(effect.outside()),
                "pixels to 90 % of it": MeanInterval.of(effect.distance(0.9)),
            }
            row.update({f"relative error, {key}": MeanInterval.of(some) for key, some in effect.relative_error.items()})
            found.append(row)
        return found


class EditEffects:
    """Measures locality and additivity of edits, on any two models that translate images to and fro.

    Args:
        encoder: F, `keras.Model` from images to images, or a function of images; or a `TranslationPair`, whose
            functions and `batch_size` serve here too. F(x) has the height and width of x.
        decoder: G, in the other direction; None (default) with a pair only.
        batch_size: Integer >= 1, images at once; bounds the memory.

    Call arguments:
        images: float array (images, height, width, channels) in [0, 1], x.
        first: The same after an edit, x'; `replace_patch` makes one.
        second: The same after another edit, or None: no sums then. Where both change a pixel, the sum of the changes is
            clipped.
        others: The images z, or None (default) for the next image of the set; one image alone has none.
        progress: Function of the share that is done, or None.

    Returns:
        `Edits`.

    Raises:
        ValueError: If an argument is not accepted, or an edit changes nothing.
        UnsupportedModelError: If the models are not a pair, or F changes height or width.
        ArithmeticError: If a model puts out what is not finite.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from keras_repvis.analysis import information
        >>> image = keras.Input((16, 16, 1))
        >>> fade = keras.Model(image, keras.layers.Rescaling(0.5, 0.25)(image))
        >>> revive = keras.Model(image, keras.layers.Rescaling(2.0, -0.5)(image))
        >>> images = np.random.default_rng(0).random((3, 16, 16, 1))
        >>> edited = information.replace_patch(images, size=4, top=6, left=6)
        >>> effect = information.EditEffects(fade, revive)(images, edited).in_float
        >>> effect.outside(), bool(effect.relative_error["transplanted"].max() < 1e-5)
        (array([0., 0., 0.]), True)

    Reference:
        Chu, Zhmoginov and Sandler, "CycleGAN, a Master of Steganography", 2017, on edits of a patch.
    """

    def __init__(self, encoder, decoder=None, batch_size=8):
        self.pair = as_pair(encoder, decoder, batch_size)

    def __call__(self, images, first, second=None, others=None, progress=None):
        images, first = check_images("images", images), _edited("first", images, first)
        second = None if second is None else _edited("second", images, second)
        if others is None and len(images) > 1:
            others = np.roll(images, -1, axis=0)
        others = None if others is None else _same("others", images, others)
        found = []
        for part in self.pair.batches(images):
            arrays = [None if array is None else array[part] for array in (images, first, second, others)]
            found.append(self._measure(*arrays))
            if progress is not None:
                progress(min(part.stop, len(images)) / len(images))
        return Edits(*(_join([batch[way] for batch in found]) for way in (0, 1)))

    def _measure(self, images, first, second, others):
        """Return the `EditEffect`s of one batch, as floats and through 8 bits."""
        both = None if second is None else np.clip(first + second - images, 0, 1)
        sources = {"x": images, "1": first, "2": second, "12": both, "z": others}
        codes = {name: self.pair.encode(array) for name, array in sources.items() if array is not None}
        if codes["x"].shape[:3] != images.shape[:3]:
            raise UnsupportedModelError(
                f"encoder makes {codes['x'].shape} of {images.shape}: edits need the same height and width."
            )
        distances = _distances(first != images)
        stored = {name: store(array) for name, array in codes.items()}
        return [
            self._effect(images, first, codes, distances, lambda array: array),
            self._effect(images, first, stored, distances, store),
        ]

    def _effect(self, images, first, codes, distances, keep):
        base = self.pair.decode(codes["x"])
        check_reconstruction(base, images)
        edit = codes["1"] - codes["x"]
        home = self.pair.decode(codes["1"]) - base
        pairs = {"edit": (home, first - images)}
        if "z" in codes:
            moved = self.pair.decode(keep(codes["z"] + edit)) - self.pair.decode(codes["z"])
            pairs["transplanted"] = (moved, home)
        if "2" in codes:
            other_edit = codes["2"] - codes["x"]
            summed = self.pair.decode(keep(codes["x"] + edit + other_edit)) - base
            pairs["summed"] = (summed, home + self.pair.decode(codes["2"]) - base)
            pairs["summed in the encoder"] = (codes["12"] - codes["x"], edit + other_edit)
        compared = {name: _compare(*pair) for name, pair in pairs.items()}
        errors, cosines = ({name: both[which] for name, both in compared.items()} for which in (0, 1))
        return EditEffect(_profile(edit, distances), errors, cosines)


def replace_patch(images, size, top, left, donors=None):
    """Return images in which a square patch comes from other images.

    Args:
        images: Array (images, height, width, channels).
        size: Integer >= 1, side of the patch in pixels.
        top: Integer >= 0, its first row.
        left: Integer >= 0, its first column.
        donors: Array like `images`, or None (default) for the next image of the set; one image alone is its own donor,
            upside down.

    Returns:
        Array like `images`.

    Raises:
        ValueError: If the patch is not inside.

    Example:
        >>> import numpy as np
        >>> from keras_repvis.analysis import information
        >>> images = np.stack([np.zeros((4, 4, 1)), np.ones((4, 4, 1))])
        >>> information.replace_patch(images, size=2, top=1, left=1)[0, :, :, 0].sum(axis=1)
        array([0., 2., 2., 0.])
    """
    images = np.asarray(images)
    for name, value, side in (("top", top, images.shape[1]), ("left", left, images.shape[2])):
        checks.number("size", size, low=1, high=side, integer=True)
        checks.number(name, value, low=0, high=side - size, integer=True)
    if donors is None:
        donors = np.roll(images, -1, axis=0) if len(images) > 1 else images[:, ::-1, ::-1]
    place = np.s_[:, top : top + size, left : left + size]
    found = images.copy()
    found[place] = _same("donors", images, donors)[place]
    return found


def _same(argument, images, array):
    array = check_images(argument, array)
    if array.shape != images.shape:
        raise ValueError(f"{argument} of shape {array.shape} is not accepted: expected {images.shape}, that of images.")
    return array


def _edited(argument, images, array):
    array = _same(argument, images, array)
    unchanged = np.flatnonzero((array == images).all(axis=(1, 2, 3)))
    if len(unchanged):
        raise ValueError(f"{argument} leaves images {unchanged.tolist()} as they are: expected an edit in each.")
    return array


def _distances(changed):
    """Return how many pixels each pixel (images, height, width) is away from a changed one, for masks by channel."""
    masks = changed.any(axis=-1)
    return np.stack([ndimage.distance_transform_cdt(~mask, metric="chessboard") for mask in masks])


def _profile(edit, distances):
    energy = np.square(edit, dtype="float64").sum(axis=-1)
    longest = max(distances.shape[1:])
    rows = [np.bincount(d.ravel(), e.ravel(), longest) for d, e in zip(distances, energy)]
    with np.errstate(invalid="ignore"):
        return np.cumsum(rows, axis=1) / energy.sum(axis=(1, 2))[:, None]


def _compare(found, expected):
    """Return (relative error, cosine) of two batches, arrays (images,)."""
    found, expected = (array.reshape(len(array), -1).astype("float64") for array in (found, expected))
    norms = np.linalg.norm(expected, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = np.linalg.norm(found - expected, axis=1) / norms
        cosines = (found * expected).sum(axis=1) / (norms * np.linalg.norm(found, axis=1))
    return np.where(norms > 0, errors, np.nan), cosines


def _join(parts):
    """Return one `EditEffect` of those of the batches."""
    errors, cosines = (
        {name: np.concatenate([getattr(part, field)[name] for part in parts]) for name in getattr(parts[0], field)}
        for field in ("relative_error", "cosine")
    )
    return EditEffect(np.concatenate([part.profile for part in parts]), errors, cosines)
