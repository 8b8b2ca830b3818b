"""Two domains of unequal entropy: aerial photographs and maps of the same made-up towns.

A map cannot hold what its photograph does: grain, trees, cars, the kinds of roofs, light and shadow are drawn in the
photograph alone. Town i of split s (0 trainA, 1 trainB, 2 testA and testB) has the plan that
`numpy.random.default_rng([35, s, i])` draws (`street_plan`), the same at every size. Its photograph of n x n pixels
depends on that and on `numpy.random.default_rng([35, s, i, n])` (`aerial_photograph`); photographs for training and
for tests are textured with different parts of the photographs they are cut from. Its map has six colours,
`MAP_COLOURS`: land and parks; over them, in this order, water, houses, narrow roads and wide ones. What covers a pixel
in part is laid over it as far as it covers it, to the nearest quarter (`plan_canvas`), so that a map has few colours.

Training is unpaired, since trainA and trainB have no town in common; what the other side of a town would be is known
all the same, to measure a translation by. testA and testB show the same towns in the same order.
"""

import dataclasses

import numpy as np

from keras_repvis import checks
from keras_repvis.data import aerial_photograph
from keras_repvis.data import plan_canvas
from keras_repvis.data import street_plan

SPLITS = {"trainA": 0, "trainB": 1, "testA": 2, "testB": 2}
SIZES = {64: {"train": 1000, "test": 200}, 128: {"train": 500, "test": 200}}
MAP_COLOURS = {
    "land": (242, 239, 233),
    "park": (200, 232, 190),
    "water": (170, 211, 223),
    "house": (217, 208, 201),
    "street": (255, 255, 255),
    "main": (247, 214, 120),
}
_SEED = 35
_LEVELS = 4


@dataclasses.dataclass(frozen=True)
class Town:
    """A town seen twice.

    Attributes:
        aerial: uint8 array (size, size, 3), its photograph.
        map: uint8 array (size, size, 3), its map.
        plan: `street_plan.Plan`.
    """

    aerial: np.ndarray
    map: np.ndarray
    plan: street_plan.Plan


def generate(split, count=None, size=64):
    """Yield the towns of `split` in order, each seen in both domains.

    Args:
        split: "trainA", "trainB", "testA" or "testB" (which has the towns of "testA").
        count: Only the first `count`; None for as many as the data set has: at 64 pixels 1,000 for training and 200 for
            tests, at 128 pixels 500 and 200.
        size: Side in pixels, 64 or 128.

    Yields:
        `Town`.

    Raises:
        ValueError: If there is no such split or size.

    Example:
        >>> from keras_repvis.data import two_domain_maps
        >>> town = next(two_domain_maps.generate("testA", size=128))
        >>> town.aerial.shape, town.map.shape, len(town.plan.houses)
        ((128, 128, 3), (128, 128, 3), 9)
    """
    for i in range(_count(split, count, size)):
        plan = _plan(split, i)
        yield Town(_aerial(plan, split, i, size), draw_map(plan, size), plan)


def images(split, count=None, size=64):
    """Yield the images of one domain, photographs for "trainA" and "testA", maps for the others; see `generate`."""
    for i in range(_count(split, count, size)):
        plan = _plan(split, i)
        yield _aerial(plan, split, i, size) if split.endswith("A") else draw_map(plan, size)


def _count(split, count, size):
    checks.one_of("split", split, SPLITS)
    checks.one_of("size", size, SIZES)
    return SIZES[size][split[:-1]] if count is None else count


def _plan(split, i):
    return street_plan.draw(np.random.default_rng([_SEED, SPLITS[split], i]))


def _aerial(plan, split, i, size):
    random = np.random.default_rng([_SEED, SPLITS[split], i, size])
    return aerial_photograph.draw(plan, size, split[:-1], random)


def draw_map(plan, size):
    """Return the map of a plan, uint8 `(size, size, 3)`."""
    canvas = plan_canvas.PlanCanvas(plan, size)
    colours = {name: np.array(colour, np.float32) for name, colour in MAP_COLOURS.items()}
    image = np.where(plan.parks.ravel()[canvas.block][..., None], colours["park"], colours["land"])
    _lay(image, canvas.water(), colours["water"])
    houses = canvas.rectangles(plan.houses[:, :2], plan.houses[:, 2:4])
    houses.cover = _in_levels(houses.cover)
    framed = canvas.framed(image)
    houses.paint(framed, [colours["house"]] * len(plan.houses))
    image = canvas.unframed(framed)
    _lay(image, canvas.narrow, colours["street"])
    _lay(image, canvas.wide, colours["main"])
    return np.round(image).astype(np.uint8)


def _lay(image, cover, colour):
    image += _in_levels(cover)[..., None] * (colour - image)


def _in_levels(cover):
    return np.round(cover * _LEVELS) / np.float32(_LEVELS)
