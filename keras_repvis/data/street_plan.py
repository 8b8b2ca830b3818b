"""Street plans drawn from a random generator: roads of two widths, blocks with houses or parks, a river, trees, cars.

Lengths are parts of the side of a square picture, whatever its size in pixels. The streets have coordinates (u, v) of
their own, those of the picture (x to the right, y down, from its centre) turned by the angle of the plan: u = x cos +
y sin, v = y cos - x sin. U is a uniform number, of [0, 1) where no limits are given. In this order are drawn:

- the angle, U(-.45, .45) radians;
- roads along v, then roads along u: U(0, .3), seven gaps U(.28, .55) and seven U. Road k has its middle at the sum of
  the first number and gaps 0 to k, less 1; it is .11 wide if its U is below .3, else .065. Those less than .72 from the
  centre exist;
- a U for each block (the n + 1 by m + 1 fields between the roads, which end .72 from the centre): below .22 it is a
  park, else it has houses;
- a river, there if the last of seven numbers, U, is below .45: see `River`; the angle U(0, pi), the offset
  U(-.3, .3), the amplitude U(.02, .07), the length U(.5, 1.2), the phase U(0, 2 pi), half the width U(.05, .1);
- houses. Blocks with houses are cut into floor(side / .15) lots each way, at least one. Six U a lot: half the sides are
  .26 + .16 U of those of the lot; the middle is that of the lot plus (2 U - 1) times half of what is free in it less
  .008; the kind of roof is floor(4 U); the house exists if the last is below .88 and both halves exceed .02;
- trees: 0, 1 or 2 for each lot, then three U for each of them (u, v and the radius, .014 to .028), then three U for
  each tree of the parks, which have floor(160 area) of them (radius .018 to .042);
- cars, on the roads along v, then on those along u: their number, 2 to 5, and four U for each: its road, its side of
  it (a quarter of the width from the middle), its place from -.72 to .72, its kind.

Houses and trees whose surrounding circle meets the river are left out, and so is what cannot show in the picture.
"""

import dataclasses

import numpy as np

NARROW, WIDE = 0.065, 0.11
_MARGIN = 0.72  # A little more than half of the diagonal.
_ROADS = 7
_LOT = 0.15
_TREES_PER_AREA = 160
_CARS = ((0.009, 0.018), (0.018, 0.009))  # Half sides along u and v, on roads along v and along u.


@dataclasses.dataclass(frozen=True)
class River:
    """A band within `half` of the wave across = offset + amplitude sin(2 pi along / length + phase)."""

    angle: float
    offset: float
    amplitude: float
    length: float
    phase: float
    half: float

    def distance(self, u, v):
        """Return how far points are from the bank, negative in the water, as if the wave were flat around them."""
        across = np.cos(self.angle) * u + np.sin(self.angle) * v
        along = np.cos(self.angle) * v - np.sin(self.angle) * u
        wave = self.amplitude * np.sin(2 * np.pi * along / self.length + self.phase)
        return np.abs(across - self.offset - wave) - self.half


@dataclasses.dataclass(frozen=True)
class Plan:
    """What there is, in the coordinates of the streets.

    Attributes:
        angle: Radians by which the streets are turned.
        roads: Two arrays (n, 2), roads along v and roads along u: where their middle is, in order, and their width.
        parks: Boolean array (n + 1, m + 1), the blocks between the n roads along v and the m along u: which are parks.
        river: `River`, or None.
        houses: Array (n, 5): middle u and v, half sides along u and v, kind of roof (0 to 3).
        trees: Array (n, 3): middle u and v, radius.
        cars: Array (n, 5): middle u and v, half sides along u and v, kind (0 to 1).
    """

    angle: float
    roads: tuple
    parks: np.ndarray
    river: object
    houses: np.ndarray
    trees: np.ndarray
    cars: np.ndarray


def draw(random):
    """Return the `Plan` that a `numpy.random.Generator` draws.

    Example:
        >>> from keras_repvis.data import street_plan
        >>> import numpy as np
        >>> plan = street_plan.draw(np.random.default_rng(0))
        >>> len(plan.roads[0]), plan.houses.shape, plan.river
        (4, (30, 5), None)
    """
    angle = random.uniform(-0.45, 0.45)
    roads = _roads(random), _roads(random)
    parks = random.random([len(each) + 1 for each in roads]) < 0.22
    river = _river(random)
    lots = _lots(_blocks(roads, ~parks))
    houses = _houses(lots, random)
    trees = _trees(lots, random.integers(0, 3, len(lots)), (0.014, 0.028), random)
    areas = np.array(_blocks(roads, parks)).reshape(-1, 4)
    counts = (_TREES_PER_AREA * (areas[:, 1] - areas[:, 0]) * (areas[:, 3] - areas[:, 2])).astype(int)
    trees = np.concatenate([trees, _trees(areas, counts, (0.018, 0.042), random)])
    cars = _cars(roads, random)
    houses = _shown(houses, np.hypot(houses[:, 2], houses[:, 3]), river)
    trees = _shown(trees, trees[:, 2], river)
    return Plan(angle, roads, parks, river, houses, trees, _shown(cars, np.hypot(cars[:, 2], cars[:, 3]), None))


def _shown(things, reach, river):
    """Return what may show in the picture and does not stand in the river."""
    shows = np.hypot(things[:, 0], things[:, 1]) - reach < _MARGIN
    if river is not None:
        shows &= river.distance(things[:, 0], things[:, 1]) > reach
    return things[shows]


def _roads(random):
    places = -1.0 + random.uniform(0.0, 0.3) + np.cumsum(random.uniform(0.28, 0.55, _ROADS))
    widths = np.where(random.random(_ROADS) < 0.3, WIDE, NARROW)
    return np.stack([places, widths], 1)[np.abs(places) < _MARGIN]


def _river(random):
    drawn = random.uniform((0.0, -0.3, 0.02, 0.5, 0.0, 0.05, 0.0), (np.pi, 0.3, 0.07, 1.2, 2 * np.pi, 0.1, 1.0))
    return River(*map(float, drawn[:6])) if drawn[6] < 0.45 else None


def _blocks(roads, chosen):
    """Return first and last u and v of the chosen blocks."""
    spans = []
    for each in roads:
        starts = np.concatenate([[-_MARGIN], each[:, 0] + each[:, 1] / 2])
        ends = np.concatenate([each[:, 0] - each[:, 1] / 2, [_MARGIN]])
        spans.append(list(zip(starts, ends)))
    blocks = [(*spans[0][i], *spans[1][j]) for i, j in np.argwhere(chosen)]
    return [(u0, u1, v0, v1) for u0, u1, v0, v1 in blocks if u0 < u1 and v0 < v1]


def _lots(blocks):
    """Return blocks cut into equal lots, (n, 4)."""
    lots = []
    for u0, u1, v0, v1 in blocks:
        rows, columns = max(1, int((u1 - u0) / _LOT)), max(1, int((v1 - v0) / _LOT))
        u, v = (u1 - u0) / rows, (v1 - v0) / columns
        lots += [
            (u0 + i * u, u0 + (i + 1) * u, v0 + j * v, v0 + (j + 1) * v) for i in range(rows) for j in range(columns)
        ]
    return np.array(lots).reshape(-1, 4)


def _houses(lots, random):
    """Return one house in each lot but every eighth or so."""
    drawn = random.random((len(lots), 6))
    sides = lots[:, 1::2] - lots[:, 0::2]
    halves = sides * (0.26 + 0.16 * drawn[:, :2])
    room = np.maximum(sides / 2 - halves - 0.008, 0.0)
    middles = (lots[:, 1::2] + lots[:, 0::2]) / 2 + room * (2 * drawn[:, 2:4] - 1)
    houses = np.concatenate([middles, halves, np.floor(4 * drawn[:, 4:5])], 1)
    return houses[(drawn[:, 5] < 0.88) & (halves.min(axis=1) > 0.02)]


def _trees(areas, counts, radii, random):
    """Return so many trees in each area."""
    areas = np.repeat(areas, counts, axis=0)
    drawn = random.random((len(areas), 3))
    middles = areas[:, 0::2] + drawn[:, :2] * (areas[:, 1::2] - areas[:, 0::2])
    return np.concatenate([middles, radii[0] + (radii[1] - radii[0]) * drawn[:, 2:]], 1)


def _cars(roads, random):
    """Return cars on the lanes, a quarter of the width from the middle of their road."""
    cars = []
    for family, (each, halves) in enumerate(zip(roads, _CARS)):
        drawn = random.random((random.integers(2, 6), 4))
        road = each[(drawn[:, 0] * len(each)).astype(int)]
        across = road[:, 0] + np.where(drawn[:, 1] < 0.5, -0.25, 0.25) * road[:, 1]
        along = _MARGIN * (2 * drawn[:, 2] - 1)
        middle = (across, along) if family == 0 else (along, across)
        cars.append(np.stack([*middle, *(np.full(len(drawn), half) for half in halves), drawn[:, 3]], 1))
    return np.concatenate(cars)
