import dataclasses

import numpy as np
import pytest

from keras_repvis.data import aerial_photograph
from keras_repvis.data import photographs
from keras_repvis.data import plan_canvas
from keras_repvis.data import street_plan

SURFACES = ("grass", "gravel", "brick", "moon")


def plans(count):
    return [street_plan.draw(np.random.default_rng([2, i])) for i in range(count)]


def draw(plan, seed=0, size=96, part="train"):
    return aerial_photograph.draw(plan, size, part, np.random.default_rng(seed))


@pytest.mark.parametrize("name", SURFACES)
def test_textures_for_training_and_tests_share_no_pixel(name):
    grey = photographs.load(name).astype(np.float64)
    half = grey.reshape(256, 2, 256, 2).mean(axis=(1, 3))
    for part, (first, last) in {"train": (0, 153), "test": (167, 256)}.items():
        texture = aerial_photograph._texture(name, part)
        width = texture.shape[1] // 2
        np.testing.assert_array_equal(texture[:, :width], texture[:, : width - 1 : -1])
        # Columns [0, 307) and [333, 512), of which pairs are averaged: 333 is odd, so those begin half a pixel later.
        place = half[:, first:last] if part == "train" else grey[:, 333:511].reshape(256, 2, 89, 2).mean(axis=(1, 3))
        np.testing.assert_allclose(texture[:, :width], (place - place.mean()) / place.std(), atol=1e-4)
        assert abs(texture.mean()) < 1e-4 and abs(texture.std() - 1) < 1e-4


def test_a_photograph_depends_on_plan_part_and_generator_alone():
    plan, other = plans(2)
    first = draw(plan)
    assert first.shape == (96, 96, 3) and first.dtype == np.uint8
    np.testing.assert_array_equal(first, draw(plan))
    for different in (draw(other), draw(plan, seed=1), draw(plan, part="test")):
        assert np.mean(first != different) > 0.5


def test_surfaces_have_their_colours_where_the_plan_has_them():
    """Water is bluish and dark, asphalt grey, parks green: means over 40 towns, far from others."""
    means = {"water": [], "road": [], "park": []}
    for i, plan in enumerate(plans(40)):
        canvas = plan_canvas.PlanCanvas(plan, 96)
        image = draw(plan, seed=i) / 255.0
        road = canvas.roads(-0.005) == 1
        park = plan.parks.ravel()[canvas.block] & (canvas.roads(0.02) == 0) & (canvas.water(0.02) == 0)
        water = (canvas.water(-0.01) == 1) & (canvas.roads(0.02) == 0)
        for name, where in (("road", road), ("park", park), ("water", np.broadcast_to(water, road.shape))):
            if where.sum() > 50:
                means[name].append(image[where].mean(axis=0))
    red, green, blue = np.transpose([np.mean(means[name], axis=0) for name in ("water", "road", "park")])
    assert blue[0] > 1.5 * red[0] and blue[0] < 0.4
    assert abs(red[1] - blue[1]) < 0.04 and 0.3 < green[1] < 0.5
    assert green[2] > 1.2 * red[2] > 1.2 * blue[2]


def test_shadows_fall_away_from_the_sun_and_trees_and_houses_show():
    plan = plans(1)[0]
    empty = dataclasses.replace(plan, houses=plan.houses[:0], trees=plan.trees[:0], cars=plan.cars[:0])
    house = dataclasses.replace(empty, houses=np.array([[0.0, 0.0, 0.1, 0.06, 0.0]]))
    changed = np.abs(draw(house).astype(int) - draw(empty)).max(axis=-1)
    x, y = np.meshgrid(*2 * [(np.arange(96) + 0.5) / 96 - 0.5])
    # Noise is drawn after the house's tone and texture, so it differs all over; what is near differs more.
    near = np.hypot(x, y) < 0.04
    assert np.mean(changed[near]) > 3 * np.mean(changed[np.hypot(x, y) > 0.25])
    random = np.random.default_rng(0)
    azimuth = random.uniform(0.0, 2 * np.pi)
    toward = np.array([np.cos(azimuth), np.sin(azimuth)])
    aside = np.array([x, y]).transpose(1, 2, 0) @ toward
    canvas = plan_canvas.PlanCanvas(plan, 96)
    outside = (np.abs(canvas.u) > 0.1 + 0.004) | (np.abs(canvas.v) > 0.06 + 0.004)
    close = (np.abs(canvas.u) < 0.115) & (np.abs(canvas.v) < 0.075) & outside
    darker = draw(empty).astype(float).mean(-1) - draw(house).mean(-1)
    away, lit = darker[close & (aside > 0.03)].mean(), darker[close & (aside < -0.03)].mean()
    assert away > 25 and away > 2 * abs(lit), (away, lit)
