"""Two domains of unequal entropy: aerial photographs and maps of the same made-up towns."""

import dataclasses
import functools

import numpy as np

from keras_repvis import checks
from keras_repvis.data import photographs
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
_WIDE = 0.09
# Material: photograph, contrast, colour.
_MATERIALS = {
    "yard": ("grass", 0.28, (0.47, 0.50, 0.33)),
    "park": ("grass", 0.30, (0.30, 0.42, 0.20)),
    "water": ("moon", 0.18, (0.16, 0.27, 0.30)),
    "road": ("gravel", 0.10, (0.46, 0.46, 0.47)),
    "tree": ("grass", 0.45, (0.16, 0.27, 0.12)),
}
_ROOFS = (
    ("brick", 0.22, (0.60, 0.34, 0.27)),
    ("brick", 0.18, (0.40, 0.36, 0.34)),
    ("gravel", 0.10, (0.74, 0.72, 0.69)),
    ("gravel", 0.14, (0.50, 0.47, 0.42)),
)


@dataclasses.dataclass(frozen=True)
class Pair:
    """A town seen twice: uint8 arrays `(size, size, 3)`, and its `street_plan.Plan`."""

    aerial: np.ndarray
    map: np.ndarray
    plan: street_plan.Plan


def generate(split, count=None, size=64):
    """Yield the towns of `split` in order, each seen in both domains.

    Args:
        split: "trainA", "trainB", "testA" or "testB".
        count: Only the first `count`; None for as many as the data set has.
        size: 64 or 128.

    Yields:
        `Pair`.
    """
    for i in range(number(split, size) if count is None else count):
        plan = _plan(split, i)
        yield Pair(aerial(plan, split, i, size), draw_map(plan, size), plan)


def images(split, count=None, size=64):
    """Yield the images of one domain alone: aerial photographs for "trainA" and "testA", maps for the others."""
    for i in range(number(split, size) if count is None else count):
        plan = _plan(split, i)
        yield aerial(plan, split, i, size) if split.endswith("A") else draw_map(plan, size)


def number(split, size):
    """Return how many images the data set has in a split."""
    checks.one_of("split", split, SPLITS)
    return SIZES[checks.one_of("size", size, SIZES)][split[:-1]]


def _plan(split, i):
    return street_plan.draw(np.random.default_rng([_SEED, SPLITS[checks.one_of("split", split, SPLITS)], i]))


def draw_map(plan, size):
    """Return the map of a plan."""
    canvas = _Canvas(plan, size)
    image = canvas.filled(MAP_COLOURS["land"])
    for park in plan.parks:
        canvas.paint(image, canvas.span(park), MAP_COLOURS["park"])
    if plan.river is not None:
        canvas.paint(image, canvas.river, MAP_COLOURS["water"])
    for house in plan.houses:
        window, cover = canvas.rectangle(*house[:4])
        canvas.paint(image[window], cover, MAP_COLOURS["house"])
    canvas.paint(image, canvas.narrow, MAP_COLOURS["street"])
    canvas.paint(image, canvas.wide, MAP_COLOURS["main"])
    return np.round(image).astype(np.uint8)


def aerial(plan, split, i, size):
    """Return the aerial photograph of a plan."""
    random = np.random.default_rng([_SEED, SPLITS[split], i, size])
    canvas = _Canvas(plan, size)
    light = _Light(random, size)
    paints = _Paints("train" if split.startswith("train") else "test", random)
    image = paints.material("yard", (size, size))
    for yard in plan.yards:
        tint = 1.0 + random.normal(0.0, 0.08, 3).astype(np.float32)
        image *= 1.0 + canvas.span(yard)[..., None] * (tint - 1.0)
    park = sum((canvas.span(park) for park in plan.parks), np.zeros((size, size), np.float32))
    canvas.paint(image, park, paints.material("park", (size, size)))
    if plan.river is not None:
        canvas.paint(image, canvas.bank, paints.roof(3, (size, size)))
        canvas.paint(image, canvas.river, paints.material("water", (size, size)))
    canvas.paint(image, np.maximum(canvas.narrow, canvas.wide), paints.material("road", (size, size)))
    canvas.paint(image, 0.8 * canvas.dashes, (0.93, 0.92, 0.88))
    for u, v, half_u, half_v, colour in plan.cars:
        window, cover = canvas.rectangle(u, v, half_u, half_v)
        canvas.paint(image[window], cover, _CARS[int(colour * len(_CARS))])
    _shadows(image, canvas, plan, light)
    for u, v, radius in plan.trees:
        window, cover, facing = canvas.disc(u, v, radius, light.direction)
        shape = cover.shape
        canvas.paint(image[window], cover, paints.material("tree", shape) * (1.0 + 0.5 * facing[..., None]))
    for u, v, half_u, half_v, kind in plan.houses:
        window, cover, side = canvas.roof(u, v, half_u, half_v)
        lit = 1.0 + 0.16 * side[..., None] * light.side(plan.angle, half_u < half_v) * (kind < 2)
        canvas.paint(image[window], cover, paints.roof(int(kind), cover.shape) * lit)
    image = image * light.field + random.normal(0.0, 0.02, image.shape).astype(np.float32)
    return np.round(255.0 * np.clip(image, 0.0, 1.0)).astype(np.uint8)


_CARS = ((0.9, 0.9, 0.9), (0.12, 0.12, 0.14), (0.6, 0.12, 0.1), (0.2, 0.28, 0.5), (0.7, 0.7, 0.72))


def _shadows(image, canvas, plan, light):
    shade = np.zeros(image.shape[:2], np.float32)
    du, dv = canvas.to_streets(*light.shadow)
    for u, v, half_u, half_v, _ in plan.houses:
        window, cover = canvas.rectangle(u + du, v + dv, half_u, half_v)
        shade[window] = np.maximum(shade[window], cover)
    for u, v, radius in plan.trees:
        window, cover, _ = canvas.disc(u + 0.6 * du, v + 0.6 * dv, radius, (0.0, 0.0))
        shade[window] = np.maximum(shade[window], cover)
    image *= 1.0 - 0.5 * shade[..., None]


class _Light:
    """The sun of one picture: where shadows fall, which sides are bright, and how the light varies."""

    def __init__(self, random, size):
        azimuth = random.uniform(0.0, 2 * np.pi)
        self.direction = np.array([np.cos(azimuth), np.sin(azimuth)])
        self.shadow = random.uniform(0.015, 0.03) * self.direction
        slope = random.uniform(-0.12, 0.12, 2)
        x, y = np.meshgrid(*2 * [(np.arange(size, dtype=np.float32) + 0.5) / size - 0.5])
        gain = random.uniform(0.85, 1.12) * (1.0 + random.uniform(-0.04, 0.04, 3))
        self.field = ((1.0 + slope[0] * x + slope[1] * y)[..., None] * gain).astype(np.float32)

    def side(self, angle, along_v):
        """Return which side of a ridge is bright, -1 to 1."""
        across = (np.cos(angle), np.sin(angle)) if along_v else (-np.sin(angle), np.cos(angle))
        return -float(np.dot(across, self.direction))


class _Paints:
    """Surfaces cut from photographs."""

    def __init__(self, part, random):
        self._part = part
        self._random = random

    def material(self, name, shape):
        return self._cut(*_MATERIALS[name], shape)

    def roof(self, kind, shape):
        photograph, contrast, colour = _ROOFS[kind]
        tone = 1.0 + self._random.normal(0.0, 0.1)
        return self._cut(photograph, contrast, tuple(tone * c for c in colour), shape)

    def _cut(self, photograph, contrast, colour, shape):
        texture = _texture(photograph, self._part)
        top = self._random.integers(texture.shape[0] - shape[0] + 1)
        left = self._random.integers(texture.shape[1] - shape[1] + 1)
        grain = 1.0 + contrast * texture[top : top + shape[0], left : left + shape[1]]
        return grain[..., None] * np.array(colour, np.float32)


@functools.lru_cache(maxsize=None)
def _texture(name, part):
    """Return a photograph's part for "train" or "test", at half its size, of mean 0 and standard deviation 1."""
    grey = photographs.load(name).astype(np.float32)
    width = grey.shape[1]
    grey = grey[:, : width * 60 // 100] if part == "train" else grey[:, -(-width * 65 // 100) :]
    return ((grey - grey.mean()) / grey.std()).astype(np.float32)


class _Canvas:
    """The pixels of a picture of a plan: how much of each a shape covers."""

    def __init__(self, plan, size):
        self.plan = plan
        self.size = size
        self._cos, self._sin = np.cos(plan.angle), np.sin(plan.angle)
        x, y = np.meshgrid(*2 * [(np.arange(size) + 0.5) / size - 0.5])
        self.u, self.v = (each.astype(np.float32) for each in self.to_streets(x, y))
        self.narrow, self.wide, self.dashes = self._roads()
        if plan.river is not None:
            distance = plan.river.distance(self.u, self.v)
            self.river, self.bank = self._cover(distance), self._cover(distance - 0.012)

    def to_streets(self, x, y):
        return self._cos * x + self._sin * y, self._cos * y - self._sin * x

    def filled(self, colour):
        return np.full((self.size, self.size, 3), colour, np.float32)

    def paint(self, image, cover, colour):
        """Lay a colour, or an image, over `image` as far as `cover` says."""
        image += cover[..., None] * (np.asarray(colour, np.float32) - image)

    def span(self, area):
        u0, u1, v0, v1 = area
        across = self._cover(np.abs(self.u - (u0 + u1) / 2) - (u1 - u0) / 2)
        return across * self._cover(np.abs(self.v - (v0 + v1) / 2) - (v1 - v0) / 2)

    def rectangle(self, u, v, half_u, half_v):
        window, du, dv = self._window(u, v, np.hypot(half_u, half_v))
        return window, self._cover(np.abs(du) - half_u) * self._cover(np.abs(dv) - half_v)

    def roof(self, u, v, half_u, half_v):
        window, du, dv = self._window(u, v, np.hypot(half_u, half_v))
        cover = self._cover(np.abs(du) - half_u) * self._cover(np.abs(dv) - half_v)
        return window, cover, np.sign(du if half_u < half_v else dv)

    def disc(self, u, v, radius, direction):
        window, du, dv = self._window(u, v, radius)
        cover = self._cover(np.hypot(du, dv) - radius)
        lu, lv = self.to_streets(*direction)
        return window, cover, np.clip(-(du * lu + dv * lv) / radius, -1.0, 1.0)

    def _window(self, u, v, radius):
        """Return the rows and columns of a square around a point, and the streets' coordinates from that point."""
        x, y = self._cos * u - self._sin * v + 0.5, self._sin * u + self._cos * v + 0.5
        reach = radius + 1.0 / self.size
        bounds = [
            slice(max(0, int((middle - reach) * self.size)), max(0, int(np.ceil((middle + reach) * self.size))))
            for middle in (y, x)
        ]
        window = tuple(bounds)
        return window, self.u[window] - np.float32(u), self.v[window] - np.float32(v)

    def _cover(self, distance):
        return np.clip(0.5 - distance * self.size, 0.0, 1.0).astype(np.float32)

    def _roads(self):
        narrow, wide, dashes = (np.zeros((self.size, self.size), np.float32) for _ in range(3))
        for roads, across, along in zip(self.plan.roads, (self.u, self.v), (self.v, self.u)):
            for place, width in roads:
                distance = np.abs(across - np.float32(place))
                target = wide if width > _WIDE else narrow
                np.maximum(target, self._cover(distance - width / 2), out=target)
                if width > _WIDE:
                    on = (np.mod(along, 0.08) < 0.045).astype(np.float32)
                    np.maximum(dashes, self._cover(distance - 0.006) * on, out=dashes)
        return narrow, wide, dashes
