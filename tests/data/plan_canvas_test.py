import numpy as np
import pytest

from keras_repvis.data import plan_canvas
from keras_repvis.data import street_plan

SIZE, PARTS = 48, 8


@pytest.fixture(scope="module", params=[2, 5, 11])
def canvas(request):
    return plan_canvas.PlanCanvas(street_plan.draw(np.random.default_rng(request.param)), SIZE)


@pytest.fixture(scope="module")
def points(canvas):
    """The coordinates of the streets at 8 x 8 points a pixel."""
    x, y = np.meshgrid(*2 * [(np.arange(SIZE * PARTS) + 0.5) / (SIZE * PARTS) - 0.5])
    angle = canvas.plan.angle
    return np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x


def share(inside):
    """Return which share of each pixel's points lies inside."""
    return inside.reshape(SIZE, PARTS, SIZE, PARTS).mean(axis=(1, 3))


def assert_covers(found, inside):
    """Straight edges are covered up to how they lie, corners and bends a little worse."""
    apart = np.abs(found - share(inside))
    assert apart.max() < 0.3 and apart.mean() < 0.02
    assert set(found[apart == 0]) >= {0.0, 1.0} or not inside.any()


@pytest.mark.parametrize("beside", [0.0, 0.02])
def test_roads_and_water_cover_what_counting_points_says(canvas, points, beside):
    inside = np.zeros((2, SIZE * PARTS, SIZE * PARTS), bool)
    for roads, across in zip(canvas.plan.roads, points):
        for place, width in roads:
            inside[int(width == street_plan.WIDE)] |= np.abs(across - place) < width / 2 + beside
    assert_covers(canvas.roads(beside), inside.any(0))
    if not beside:
        assert_covers(canvas.narrow, inside[0])
        assert_covers(canvas.wide, inside[1])
    water = canvas.plan.river.distance(*points) < beside if canvas.plan.river else np.zeros_like(inside[0])
    assert_covers(np.broadcast_to(canvas.water(beside), (SIZE, SIZE)), water)


def test_blocks_lie_between_the_roads(canvas, points):
    middle = tuple(each.reshape(SIZE, PARTS, SIZE, PARTS).mean(axis=(1, 3)) for each in points)
    for i in range(canvas.plan.parks.shape[0]):
        for j in range(canvas.plan.parks.shape[1]):
            inside = np.ones((SIZE, SIZE), bool)
            for number, roads, across in zip((i, j), canvas.plan.roads, middle):
                edges = np.concatenate([[-np.inf], roads[:, 0], [np.inf]])
                inside &= (edges[number] < across) & (across < edges[number + 1])
            np.testing.assert_array_equal(canvas.block == i * canvas.plan.parks.shape[1] + j, inside)


@pytest.mark.parametrize("kind", ["rectangles", "discs"])
def test_stamps_cover_what_counting_points_says_even_over_the_edge(canvas, points, kind):
    random = np.random.default_rng(0)
    middles = random.uniform(-0.75, 0.75, (12, 2))
    layer = canvas.framed(np.zeros((SIZE, SIZE), np.float32))
    inside = np.zeros((SIZE * PARTS, SIZE * PARTS), bool)
    if kind == "rectangles":
        halves = random.uniform(0.03, 0.12, (12, 2))
        canvas.rectangles(middles, halves).shade(layer)
        for (u, v), (half_u, half_v) in zip(middles, halves):
            inside |= (np.abs(points[0] - u) < half_u) & (np.abs(points[1] - v) < half_v)
    else:
        radii = random.uniform(0.03, 0.12, 12)
        canvas.discs(middles, radii).shade(layer)
        for (u, v), radius in zip(middles, radii):
            inside |= np.hypot(points[0] - u, points[1] - v) < radius
    assert_covers(canvas.unframed(layer), inside)


def test_painting_lays_one_shape_over_the_other(canvas):
    image = canvas.framed(np.zeros((SIZE, SIZE, 3), np.float32))
    middles, halves = np.zeros((2, 2)), np.array([[0.2, 0.2], [0.1, 0.1]])
    canvas.rectangles(middles, halves).paint(image, np.array([(1.0, 0.5, 0.0), (0.0, 0.25, 1.0)], np.float32))
    centre, beside = canvas.unframed(image)[SIZE // 2, SIZE // 2], canvas.unframed(image)[SIZE // 2, SIZE // 2 + 7]
    np.testing.assert_array_equal(centre, [0.0, 0.25, 1.0])
    np.testing.assert_array_equal(beside, [1.0, 0.5, 0.0])


def test_no_stamps_are_no_error(canvas):
    layer = canvas.framed(np.zeros((SIZE, SIZE), np.float32))
    canvas.rectangles(np.zeros((0, 2)), np.zeros((0, 2))).shade(layer)
    canvas.discs(np.zeros((0, 2)), np.zeros(0)).shade(layer)
    assert not layer.any()


def test_dashes_lie_in_the_middle_of_wide_roads_half_of_the_way(canvas):
    dashes = canvas.dashes(0.03, 0.05)
    assert (dashes[canvas.wide == 0] == 0).all()
    line = np.zeros((SIZE, SIZE), np.float32)
    for roads, across in zip(canvas.plan.roads, (canvas.u, canvas.v)):
        for place in roads[roads[:, 1] == street_plan.WIDE, 0]:
            line = np.maximum(line, np.abs(across - place) < 0.01)
    if line.any():
        assert 0.3 < dashes[line == 1].mean() < 0.7


def test_a_direction_of_the_picture_comes_to_the_streets(canvas):
    x, y = 0.3, -0.2
    u, v = canvas.to_streets(np.array([x, y]))
    steps = [canvas.u[0, 1] - canvas.u[0, 0], canvas.u[1, 0] - canvas.u[0, 0]]
    np.testing.assert_allclose(u, SIZE * (x * steps[0] + y * steps[1]), atol=1e-4)
    np.testing.assert_allclose(np.hypot(u, v), np.hypot(x, y), rtol=1e-6)
