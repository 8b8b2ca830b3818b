"""Maps that know nothing of the image or the model: what a score is worth without an explanation.

    random    uniform noise, another for each image: its score is that of chance, not of one lucky pattern
    centre    the nearer to the centre of the image, the larger

A method that does not beat the first tells nothing, one that does not beat the second tells where photographers point.
"""

import numpy as np

from keras_repvis import checks

RANDOM = "random map"
CENTRE = "centre"


def random_maps(count, height, width, seed=0):
    """Return noise (count, height, width), uniform in [0, 1); that of an image depends on its number and the seed only.

    Args:
        count: Integer >= 1, number of images.
        height: Integer >= 1.
        width: Integer >= 1.
        seed: Integer >= 0.

    Returns:
        float32 array.

    Example:
        >>> from keras_repvis.analysis import evaluation
        >>> evaluation.random_maps(2, 4, 6).shape
        (2, 4, 6)
    """
    checks.number("seed", seed, low=0, integer=True)
    return np.random.default_rng([29, seed]).random((count, height, width), "float32")


def centre_map(height, width):
    """Return a map (height, width) that falls with the distance from the centre, from 1 to 0 at the corners.

    Args:
        height: Integer >= 1.
        width: Integer >= 1.

    Returns:
        float32 array.

    Example:
        >>> from keras_repvis.analysis import evaluation
        >>> (100 * evaluation.centre_map(3, 3)).astype(int).tolist()
        [[0, 29, 0], [29, 100, 29], [0, 29, 0]]
    """
    rows, columns = (np.arange(size) - (size - 1) / 2 for size in (height, width))
    distance = np.hypot(rows[:, None] / height, columns[None] / width)
    return (1 - distance / max(distance.max(), 1e-12)).astype("float32")


def with_null_maps(maps, count, height, width, seed=0):
    """Return {name: maps (count, height, width)} of methods, and of the maps that know nothing after them.

    Args:
        maps: Array (count, h, w) of one method, or dict of such by the names of the methods.
        count: Integer, number of images.
        height: Integer.
        width: Integer; maps of another size are resized bilinearly.
        seed: Integer, of the random map.

    Raises:
        ValueError: If maps are not (count, h, w) or not finite, or a method has the name of one that knows nothing.
    """
    from keras_repvis.analysis.evaluation.salient_point import resize_bilinear

    named = dict(maps) if isinstance(maps, dict) else {"maps": maps}
    found = {}
    for name, some in named.items():
        some = np.asarray(some)
        if name in (RANDOM, CENTRE):
            raise ValueError(f"maps={name!r} is not accepted: maps of that name are added.")
        if some.ndim != 3 or len(some) != count or not np.isfinite(some).all():
            raise ValueError(
                f"maps of {name!r} of shape {some.shape} are not accepted: expected finite numbers ({count}, height, "
                "width)."
            )
        found[name] = resize_bilinear(some, (height, width)).astype("float32")
    found[RANDOM] = random_maps(count, height, width, seed)
    found[CENTRE] = np.broadcast_to(centre_map(height, width), (count, height, width))
    return found
