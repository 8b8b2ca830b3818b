"""Adversarial or genuine? A classifier learned on top of the saliency maps tells, or does not.

The experiment says something about maps: whether what an attack does to a classifier shows in where the classifier
looks. It is no defence: an attack that knows the detector can spare it.

    maps of clean and of adversarial images -> fixed grid, zero mean, unit variance -> classifier -> which was which

The size of a map's values, which follows the confidence of the classifier, is taken out; what is left is its shape.
Three separations belong together, each cross-validated by source image (`telling_apart`):

    maps      what is asked
    pixels    the same classifier on the images themselves, on the same grid and normalised in the same way: what
              maps must beat to tell more than the perturbation itself does
    random    the same on maps of noise: must be at chance, or the experiment leaks

A further control belongs to every experiment: `RandomPerturbation`s as the clean or as the adversarial images. A
detector of noise is not a detector of attacks.

Reference:
    Fong and Vedaldi, "Interpretable Explanations of Black Boxes by Meaningful Perturbation", 2017, section 5.5.
"""

import dataclasses

import numpy as np

from keras_repvis import checks
from keras_repvis.analysis.adversarial import telling_apart
from keras_repvis.analysis.adversarial.telling_apart import Separation


@dataclasses.dataclass(frozen=True)
class Detection:
    """How well adversarial images are told from clean ones.

    Args:
        maps: `Separation` by saliency maps.
        pixels: `Separation` by the images themselves; None if it was not asked for.
        random: `Separation` by maps of noise; None if it was not asked for.

    Example:
        >>> import numpy as np
        >>> images = np.random.default_rng(0).random((20, 8, 8, 1), "float32")
        >>> detection = keras_repvis.analysis.adversarial.detect(lambda images: images[..., 0], images, images)
        >>> detection.maps.auc.value, detection.pixels.auc.value
        (0.5, 0.5)
    """

    maps: Separation
    pixels: Separation | None
    random: Separation | None


def detect(
    method,
    clean,
    adversarial,
    sources=None,
    grid=(16, 16),
    classifier="logistic",
    folds=5,
    bootstraps=1000,
    seed=0,
    baselines=True,
):
    """Tell adversarial from clean images by a classifier on their saliency maps.

    Args:
        method: Attribution method, or any function of images that returns maps (batch, height, width) or an
            `Attribution`. It is called on images alone: what it explains is what the model sees in them, since a
            detector does not know the true class.
        clean: float32 array (batch, height, width, channels) in [0, 1].
        adversarial: The same, perturbed.
        sources: Pair of integer arrays, which image each of the two is made from; None (default) if image i of both is
            made from image i.
        grid: Pair (height, width) that maps are brought to by averaging, or by linear interpolation where they are
            smaller. Default (16, 16).
        classifier: "logistic" (default) or "forest"; see `tell_apart`.
        folds: Integer >= 2, parts of the sources, each left out once. Default 5.
        bootstraps: Integer >= 1, resamples of the sources. Default 1000.
        seed: Integer >= 0 of folds, trees, resamples and random maps. Default 0.
        baselines: Whether to separate by pixels and by random maps too. Default True.

    Returns:
        `Detection`.

    Raises:
        ValueError: If images, sources or maps do not fit together.

    Example:
        >>> import numpy as np
        >>> clean = np.random.default_rng(0).random((30, 8, 8, 1), "float32")
        >>> marked = clean.copy()
        >>> marked[:, 2, 2] = 5.0
        >>> keras_repvis.analysis.adversarial.detect(lambda images: images[..., 0], clean, marked).maps.auc.value
        1.0
    """
    pair = len(grid) if isinstance(grid, (tuple, list)) else 0
    if pair != 2:
        raise ValueError(f"grid={grid!r} is not accepted: expected a pair (height, width).")
    for side in grid:
        checks.number("grid", side, low=2, integer=True)
    images = [_images("clean", clean), _images("adversarial", adversarial)]
    options = dict(sources=sources, classifier=classifier, folds=folds, bootstraps=bootstraps, seed=seed)
    maps = telling_apart.tell_apart(*(map_features(_maps(method, one), grid) for one in images), **options)
    if not baselines:
        return Detection(maps, None, None)
    pixels = telling_apart.tell_apart(*(map_features(one.mean(-1), grid) for one in images), **options)
    generator = np.random.default_rng([seed, 2])
    noise = (map_features(generator.normal(size=(len(one), *grid)), grid) for one in images)
    return Detection(maps, pixels, telling_apart.tell_apart(*noise, **options))


def map_features(maps, grid=(16, 16)):
    """Return maps as features: on a fixed grid, each with mean 0 and variance 1; 0 where a map is constant.

    Args:
        maps: Array (batch, height, width).
        grid: Pair (height, width). Default (16, 16).

    Returns:
        float64 array (batch, grid height x grid width).

    Raises:
        ValueError: If the maps are not finite or have another rank.

    Example:
        >>> import numpy as np
        >>> features = keras_repvis.analysis.adversarial.map_features(np.eye(4)[np.newaxis], grid=(2, 2))
        >>> features.tolist()
        [[1.0, -1.0, -1.0, 1.0]]
    """
    maps = np.asarray(maps, "float64")
    if maps.ndim != 3 or not maps.size or not np.isfinite(maps).all():
        raise ValueError(f"maps of shape {maps.shape} are not accepted: expected finite (batch, height, width).")
    rows, columns = (_averaging(size, cells) for size, cells in zip(maps.shape[1:], grid))
    cells = np.einsum("gh,bhw,kw->bgk", rows, maps, columns).reshape(len(maps), -1)
    centred = cells - cells.mean(axis=1, keepdims=True)
    spread = np.sqrt((centred**2).mean(axis=1, keepdims=True))
    # A constant map is one up to the rounding of its mean.
    varies = spread > 1e-9 * np.abs(cells).max(axis=1, keepdims=True)
    return np.where(varies, centred / np.where(varies, spread, 1.0), 0.0)


def _averaging(size, cells):
    """Return the matrix (cells, size) that averages over cells of equal width, or interpolates where there are more."""
    if cells > size:
        places = np.clip((np.arange(cells) + 0.5) * size / cells - 0.5, 0, size - 1)
        return np.maximum(0.0, 1.0 - np.abs(places[:, np.newaxis] - np.arange(size)))
    edges = np.arange(cells + 1) * size / cells
    low, high = edges[:-1, np.newaxis], edges[1:, np.newaxis]
    overlap = np.minimum(high, np.arange(size) + 1) - np.maximum(low, np.arange(size))
    return np.maximum(0.0, overlap) * cells / size


def _images(argument, value):
    array = np.asarray(value, "float32")
    if array.ndim != 4 or not array.size:
        raise ValueError(
            f"{argument} of shape {array.shape} is not accepted: expected images (batch, height, width, channels)."
        )
    return array


def _maps(method, images):
    found = method(images)
    found = np.asarray(getattr(found, "maps", found))
    if found.ndim != 3 or len(found) != len(images):
        raise ValueError(f"method returned maps of shape {found.shape}: expected ({len(images)}, height, width).")
    return found
