"""A street plan seen from the air, its surfaces cut from photographs.

A surface is colour (1 + contrast t), with a texture t of mean 0 and variance 1 cut at a random place out of a part of
a photograph at half its size. The ground is lawn, and park where the plan has a park, in a tint of its own for each
block; over it lie, in this order, sand beside the river, water, pavement beside the roads, asphalt, the broken lines of
the wide roads, cars, shadows of houses and trees, trees and houses, each tree and house with a piece of texture and a
tone of its own. Trees and tiled roofs are brighter towards the sun. Last come the light's gain, colour and slope, and
noise.
"""

import functools

import numpy as np

from keras_repvis.data import photographs
from keras_repvis.data import plan_canvas

# Surface: photograph, contrast, colour.
_LAWN = ("grass", 0.24, (0.50, 0.51, 0.34))
_PARK = ("grass", 0.26, (0.40, 0.49, 0.26))
_TREE = ("grass", 0.35, (0.17, 0.29, 0.13))
_WATER = ("moon", 0.20, (0.17, 0.29, 0.33))
_SAND = ("gravel", 0.16, (0.62, 0.57, 0.46))
_PAVEMENT = ("gravel", 0.10, (0.66, 0.64, 0.61))
_ASPHALT = ("gravel", 0.13, (0.42, 0.42, 0.44))
# Roofs 0 and 1 are tiled, 2 and 3 flat.
_TILES = ("brick", 0.21, (1.0, 1.0, 1.0))
_FLAT = ("gravel", 0.13, (1.0, 1.0, 1.0))
_ROOFS = np.array(((0.62, 0.33, 0.25), (0.38, 0.35, 0.35), (0.78, 0.76, 0.73), (0.55, 0.50, 0.43)), np.float32)
_GABLED = np.array([0.2, 0.2, 0.0, 0.0], np.float32)
_LINE = np.array((0.92, 0.91, 0.86), np.float32)
_CARS = np.array(
    ((0.92, 0.92, 0.93), (0.10, 0.10, 0.12), (0.62, 0.13, 0.10), (0.18, 0.27, 0.52), (0.68, 0.69, 0.71)), np.float32
)


def draw(plan, size, part, random):
    """Return the photograph of a plan.

    Drawn are, in this order: the azimuth of the sun and the length of shadows; places of the textures of park and lawn,
    tints of the blocks; of sand and water (if there is a river), pavement, asphalt; of the trees, their tones; of the
    houses, their tones and textures; slope, gain and colour of the light; noise.

    Args:
        plan: `street_plan.Plan`.
        size: Side in pixels.
        part: "train" or "test": which part of each photograph its surfaces are cut from.
        random: `numpy.random.Generator`.

    Returns:
        uint8 array (size, size, 3).
    """
    canvas = plan_canvas.PlanCanvas(plan, size)
    sun = _direction(random.uniform(0.0, 2 * np.pi))
    shadow = canvas.to_streets(random.uniform(0.018, 0.034) * sun)
    cut = _Cutter(part, random)
    image = _ground(canvas, cut, random)
    framed = canvas.framed(image)
    cars = canvas.rectangles(plan.cars[:, :2], plan.cars[:, 2:4])
    cars.paint(framed, _CARS[(plan.cars[:, 4] * len(_CARS)).astype(int)])
    framed *= 1.0 - 0.55 * _shadows(canvas, shadow)[..., None]
    _paint_trees(canvas, framed, cut, canvas.to_streets(sun), random)
    _paint_houses(canvas, framed, cut, canvas.to_streets(sun), random)
    return _exposed(canvas.unframed(framed), random)


def _direction(angle):
    return np.array([np.cos(angle), np.sin(angle)], np.float32)


def _ground(canvas, cut, random):
    shape = (canvas.size, canvas.size)
    parks = canvas.plan.parks.ravel()
    image = np.where(parks[canvas.block][..., None], cut(_PARK, shape), cut(_LAWN, shape))
    image *= (1.0 + random.normal(0.0, (0.09, 0.06, 0.09), (len(parks), 3))).astype(np.float32)[canvas.block]
    if canvas.plan.river is not None:
        _lay(image, canvas.water(0.014), cut(_SAND, shape))
        _lay(image, canvas.water(), cut(_WATER, shape))
    _lay(image, canvas.roads(0.012), cut(_PAVEMENT, shape))
    _lay(image, canvas.roads(), cut(_ASPHALT, shape))
    _lay(image, 0.85 * canvas.dashes(0.012, 0.04), _LINE)
    return image


def _lay(image, cover, colour):
    image += cover[..., None] * (colour - image)


def _shadows(canvas, shadow):
    layer = canvas.framed(np.zeros((canvas.size, canvas.size), np.float32))
    houses, trees = canvas.plan.houses, canvas.plan.trees
    canvas.rectangles(houses[:, :2] + shadow, houses[:, 2:4]).shade(layer)
    canvas.discs(trees[:, :2] + 0.6 * shadow, trees[:, 2]).shade(layer)
    return layer


def _paint_trees(canvas, framed, cut, sun, random):
    trees = canvas.plan.trees
    stamps = canvas.discs(trees[:, :2], trees[:, 2])
    lit = -(stamps.du * sun[0] + stamps.dv * sun[1]) / trees[:, 2, None, None].astype(np.float32)
    tones = (1.0 + random.normal(0.0, (0.16, 0.12, 0.12), (len(trees), 3))).astype(np.float32)
    leaves = cut(_TREE, stamps.du.shape) * tones[:, None, None]
    stamps.paint(framed, leaves * (1.0 + 0.55 * np.clip(lit, -1.0, 1.0)[..., None]))


def _paint_houses(canvas, framed, cut, sun, random):
    houses = canvas.plan.houses
    stamps = canvas.rectangles(houses[:, :2], houses[:, 2:4])
    kinds = houses[:, 4].astype(int)
    # A ridge runs along the longer sides; of the two slopes the one towards the sun is brighter.
    across_u = (houses[:, 2] < houses[:, 3])[:, None, None]
    slope = -np.where(across_u, np.sign(stamps.du) * sun[0], np.sign(stamps.dv) * sun[1])
    lit = 1.0 + _GABLED[kinds, None, None] * slope
    tones = (1.0 + random.normal(0.0, 0.1, (len(houses), 1))).astype(np.float32)
    tiles, flat = (cut(surface, stamps.du.shape) for surface in (_TILES, _FLAT))
    roofs = np.where((kinds < 2)[:, None, None, None], tiles, flat) * (_ROOFS[kinds] * tones)[:, None, None]
    stamps.paint(framed, roofs * lit[..., None])


def _exposed(image, random):
    """Return the picture the camera takes: light that varies, and noise."""
    size = len(image)
    slope = random.uniform(-0.15, 0.15, 2).astype(np.float32)
    gain = (random.uniform(0.85, 1.15) * random.uniform(0.95, 1.05, 3)).astype(np.float32)
    at = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    light = (1.0 + slope[0] * at + slope[1] * at[:, None])[..., None] * gain
    noise = 0.02 * random.standard_normal(image.shape, np.float32)
    return np.round(255.0 * np.clip(image * light + noise, 0.0, 1.0)).astype(np.uint8)


class _Cutter:
    """Cuts pieces of a surface at random places out of its photograph."""

    def __init__(self, part, random):
        self._part = part
        self._random = random

    def __call__(self, surface, shape):
        """Return one piece, `shape` (height, width), or n of them, `shape` (n, height, width), in colour."""
        name, contrast, colour = surface
        texture = _texture(name, self._part)
        places = self._random.integers(0, np.array(texture.shape) - shape[-2:] + 1, (*shape[:-2], 2))
        if len(shape) == 2:
            (top, left), (height, width) = places, shape
            texture = texture[top : top + height, left : left + width]
        else:
            rows, columns = (places[:, i, None] + np.arange(shape[1 + i]) for i in (0, 1))
            texture = texture[rows[:, :, None], columns[:, None, :]]
        grain = 1.0 + np.float32(contrast) * texture
        return grain[..., None] * np.array(colour, np.float32)


@functools.lru_cache(maxsize=None)
def _texture(name, part):
    """Return the part of a photograph for training or for tests, at half its size, of mean 0 and variance 1.

    The part is the columns [0, .6 W) for training and [.65 W, W) for tests, so no pixel is in both. It is mirrored to
    twice its width, so that a large piece can be cut out of a narrow part.
    """
    grey = photographs.load(name).astype(np.float64)
    width = grey.shape[1]
    grey = grey[:, : width * 60 // 100] if part == "train" else grey[:, -(-width * 65 // 100) :]
    grey = grey[: len(grey) // 2 * 2, : grey.shape[1] // 2 * 2]
    grey = (grey[0::2, 0::2] + grey[1::2, 0::2] + grey[0::2, 1::2] + grey[1::2, 1::2]) / 4
    grey = ((grey - grey.mean()) / grey.std()).astype(np.float32)
    return np.concatenate([grey, grey[:, ::-1]], axis=1)
