"""Street plans drawn from a random generator: roads of two widths, blocks with houses, parks, a river, trees and cars.

Lengths are parts of the side of a square picture, whatever its size in pixels. The streets have coordinates (u, v) of
their own: those of the picture about its centre, turned by the angle of the plan.
"""

import dataclasses

import numpy as np

_ROADS = 7
_MARGIN = 0.72  # Half of the diagonal: what lies farther out shows at no angle.


@dataclasses.dataclass(frozen=True)
class River:
    """A band around a wave: across = offset + amplitude sin(2 pi along / length + phase), within `half` of it."""

    angle: float
    offset: float
    amplitude: float
    length: float
    phase: float
    half: float

    def distance(self, u, v):
        """Return how far points are from the bank, negative in the water."""
        across = np.cos(self.angle) * u + np.sin(self.angle) * v
        along = np.cos(self.angle) * v - np.sin(self.angle) * u
        wave = self.amplitude * np.sin(2 * np.pi * along / self.length + self.phase)
        return np.abs(across - self.offset - wave) - self.half


@dataclasses.dataclass(frozen=True)
class Plan:
    """What there is, in the coordinates of the streets.

    Attributes:
        angle: Radians by which the streets are turned.
        roads: Two arrays (n, 2), roads along v at u, and roads along u at v: place of the middle, width.
        river: `River`, or None.
        parks: Array (n, 4): first u, last u, first v, last v.
        yards: Array (n, 4) of the blocks with houses, likewise.
        houses: Array (n, 5): middle u and v, half sides, kind of roof (0 to 3).
        trees: Array (n, 3): middle u and v, radius.
        cars: Array (n, 5): middle u and v, half sides, colour (0 to 1).
    """

    angle: float
    roads: tuple
    river: object
    parks: np.ndarray
    yards: np.ndarray
    houses: np.ndarray
    trees: np.ndarray
    cars: np.ndarray


def draw(random):
    """Return the `Plan` that a `numpy.random.Generator` draws."""
    angle = random.uniform(-0.45, 0.45)
    roads = tuple(_roads(random) for _ in range(2))
    river = _river(random) if random.random() < 0.45 else None
    parks, yards = [], []
    for block in _blocks(*roads):
        (parks if random.random() < 0.22 else yards).append(block)
    houses, trees = [], []
    for block in yards:
        for lot in _lots(block):
            houses += _house(lot, random)
            trees += _trees(lot, random.integers(0, 3), (0.014, 0.026), random)
    for u0, u1, v0, v1 in parks:
        trees += _trees((u0, u1, v0, v1), int(160 * (u1 - u0) * (v1 - v0)), (0.018, 0.036), random)
    houses, trees = _array(houses, 5), _array(trees, 3)
    if river is not None:
        houses = houses[river.distance(houses[:, 0], houses[:, 1]) > np.hypot(houses[:, 2], houses[:, 3])]
        trees = trees[river.distance(trees[:, 0], trees[:, 1]) > trees[:, 2]]
    return Plan(angle, roads, river, _array(parks, 4), _array(yards, 4), houses, trees, _cars(roads, random))


def _array(rows, columns):
    return np.array(rows, np.float64).reshape(-1, columns)


def _roads(random):
    places = -1.0 + random.uniform(0.0, 0.3) + np.cumsum(random.uniform(0.28, 0.55, _ROADS))
    widths = np.where(random.random(_ROADS) < 0.3, 0.11, 0.065)
    return np.stack([places, widths], 1)[np.abs(places) < _MARGIN + 0.1]


def _river(random):
    return River(
        random.uniform(0.0, np.pi), random.uniform(-0.3, 0.3), random.uniform(0.02, 0.07), random.uniform(0.5, 1.2),
        random.uniform(0.0, 2 * np.pi), random.uniform(0.05, 0.1)
    )  # fmt: skip


def _blocks(along_v, along_u):
    """Return what lies between the roads, row by row."""
    spans = [
        [(a + wa / 2, b - wb / 2) for (a, wa), (b, wb) in zip(roads[:-1], roads[1:])] for roads in (along_v, along_u)
    ]
    return [(*u, *v) for u in spans[0] for v in spans[1]]


def _lots(block):
    u0, u1, v0, v1 = block
    rows, columns = max(1, int((u1 - u0) / 0.15)), max(1, int((v1 - v0) / 0.15))
    us, vs = np.linspace(u0, u1, rows + 1), np.linspace(v0, v1, columns + 1)
    return [(us[i], us[i + 1], vs[j], vs[j + 1]) for i in range(rows) for j in range(columns)]


def _house(lot, random):
    """Return no or one row of `Plan.houses`."""
    u0, u1, v0, v1 = lot
    exists = random.random() < 0.88
    halves = random.uniform(0.28, 0.42, 2) * (u1 - u0, v1 - v0)
    room = np.array((u1 - u0, v1 - v0)) / 2 - halves - 0.008
    shift = random.uniform(-1.0, 1.0, 2) * np.maximum(room, 0.0)
    kind = random.integers(4)
    return [((u0 + u1) / 2 + shift[0], (v0 + v1) / 2 + shift[1], *halves, kind)] if exists else []


def _trees(area, count, radii, random):
    u0, u1, v0, v1 = area
    return [(random.uniform(u0, u1), random.uniform(v0, v1), random.uniform(*radii)) for _ in range(count)]


def _cars(roads, random):
    cars = []
    for _ in range(random.integers(4, 11)):
        family = random.integers(2)
        place, width = roads[family][random.integers(len(roads[family]))]
        middle = place + random.choice([-0.25, 0.25]) * width
        along, colour = random.uniform(-_MARGIN, _MARGIN), random.random()
        cars.append((middle, along, 0.009, 0.018, colour) if family == 0 else (along, middle, 0.018, 0.009, colour))
    return _array(cars, 5)
