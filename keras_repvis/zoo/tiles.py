"""Tiles that cover an image with overlaps, and how their answers are blended.

A network that sees a neighbourhood of r pixels answers at the border of a tile otherwise than within the whole image.
Two neighbours overlap by o pixels; in the middle of the overlap, over f of them, one fades into the other, and the
outer (o - f) / 2 pixels of each are not used. So a network without global statistics answers as on the whole image
where o - f >= 2 r. Normalisation over the image (instance norm) has others in each tile: there the answer is another
one, and only the seams are soft.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Axis:
    """Tiles along one side.

    Attributes:
        starts: Tuple of first pixels, ascending, multiples of what was asked for.
        size: Pixels a tile.
        weights: float32 array (tiles, size): the share of each tile at each of its pixels; at each pixel of the side
            the shares sum to 1.
    """

    starts: tuple
    size: int
    weights: np.ndarray


def plan(side, size, overlap, feather, multiple=1):
    """Cover a side with tiles.

    Args:
        side: Pixels to cover, a multiple of `multiple` like `size`.
        size: Pixels a tile; a side that is not longer is one tile of its own size.
        overlap: Pixels that neighbours share at least, at most half a tile.
        feather: Pixels in the middle of an overlap over which one fades into the other, at most `overlap`; 0 cuts.
        multiple: What starts are multiples of, so that strided convolutions meet the same pixels.

    Returns:
        `Axis`.

    Example:
        >>> from keras_repvis.zoo import tiles
        >>> axis = tiles.plan(20, 12, overlap=4, feather=2)
        >>> axis.starts, axis.weights[0, 7:].tolist()
        ((0, 8), [1.0, 1.0, 0.75, 0.25, 0.0])
    """
    if side <= size:
        return Axis((0,), side, np.ones((1, side), np.float32))
    step = max(multiple, (size - overlap) // multiple * multiple)
    count = 1 + -(-(side - size) // step)
    # Evenly, as far as the multiple allows.
    starts = [index * (side - size) // (count - 1) // multiple * multiple for index in range(count)]
    places = np.arange(side) + 0.5
    shares = np.zeros((count, side))
    for index, start in enumerate(starts):
        share = np.ones(side)
        if index:
            share *= _rise(places, (start + starts[index - 1] + size) / 2, feather)
        if index + 1 < count:
            share *= 1.0 - _rise(places, (starts[index + 1] + start + size) / 2, feather)
        shares[index, start : start + size] = share[start : start + size]
    shares /= shares.sum(axis=0)
    weights = np.stack([share[start : start + size] for share, start in zip(shares, starts)])
    return Axis(tuple(starts), size, weights.astype(np.float32))


def _rise(places, middle, feather):
    """Return a ramp from 0 to 1 of width `feather` around `middle`."""
    if not feather:
        return (places > middle).astype(np.float64)
    return np.clip((places - middle) / feather + 0.5, 0.0, 1.0)
