import io
import zlib

import numpy as np
import pytest
from PIL import Image

from keras_repvis.data import checksum
from keras_repvis.data import plan_canvas
from keras_repvis.data import street_plan
from keras_repvis.data import two_domain_maps

CHECKSUMS = {
    ("trainA", 64): "e57224844f0c0deba4a54f50176d28f35c4180fc070facfbafb8c151dadfb1ed",
    ("trainA", 128): "1636b644094d1faf6526a0fd6f252e17bd252deea194784adb71d8a99985ece1",
    ("trainB", 64): "6c0c020048aaec113cedb02b1b161a7be865ff4ec8878a17598ea380931a4229",
    ("trainB", 128): "da0e1272a9fd96593e1aebc735e88f893d8473032e9098bdf7de96b5bafaf63b",
    ("testA", 64): "5626c92b9f688bf023a72739dc0d23b2d1697d5374f720e4eb95b8451232535c",
    ("testA", 128): "46ffdb853d33f1804d46972cdbc7241902ff1c41a11b6f86b20518a981e0bba4",
}
COLOURS = np.array(list(two_domain_maps.MAP_COLOURS.values()))


@pytest.fixture(scope="module", params=["trainA", "trainB", "testA"])
def split(request):
    return request.param


@pytest.mark.parametrize("size", [64, 128])
def test_bytes_are_the_published_ones(split, size):
    towns = list(two_domain_maps.generate(split, 40, size))
    assert {(each.shape, each.dtype) for town in towns for each in (town.aerial, town.map)} == {
        ((size, size, 3), np.dtype("uint8"))
    }
    pictures = [town.aerial for town in towns] + [town.map for town in towns]
    assert checksum.checksum(pictures, np.arange(80)) == CHECKSUMS[split, size]


def png(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", optimize=True)
    return len(buffer.getvalue())


@pytest.mark.parametrize("size", [64, 128])
@pytest.mark.parametrize("compressed", [png, lambda image: len(zlib.compress(image.tobytes(), 9))], ids=["png", "zlib"])
def test_photographs_take_more_than_four_times_what_maps_take(size, compressed):
    towns = list(two_domain_maps.generate("trainA", 60, size))
    aerial, maps = (np.array([compressed(picture) for picture in side]) / size**2 for side in zip(
        *((town.aerial, town.map) for town in towns)
    ))  # fmt: skip
    assert aerial.mean() > 4 * maps.mean() and aerial.min() > maps.max()
    assert aerial.mean() > 2.0  # bytes of 3 a pixel


def test_splits_share_no_town_but_those_of_the_test_pairs():
    angles = {
        each: [two_domain_maps._plan(each, i).angle for i in range(two_domain_maps.SIZES[64][each[:-1]])]
        for each in two_domain_maps.SPLITS
    }
    assert angles["testA"] == angles["testB"]
    different = angles["trainA"] + angles["trainB"] + angles["testA"]
    assert len(set(different)) == len(different) == 2200


def test_a_domain_has_the_sides_of_the_towns():
    for split in two_domain_maps.SPLITS:
        for image, town in zip(two_domain_maps.images(split, 5), two_domain_maps.generate(split, 5), strict=True):
            np.testing.assert_array_equal(image, town.aerial if split[-1] == "A" else town.map)
    for a, b in zip(two_domain_maps.generate("testA", 5), two_domain_maps.generate("testB", 5)):
        np.testing.assert_array_equal(a.aerial, b.aerial)


def test_both_sizes_show_the_same_towns():
    for small, large in zip(two_domain_maps.generate("trainB", 8), two_domain_maps.generate("trainB", 8, 128)):
        np.testing.assert_array_equal(small.plan.houses, large.plan.houses)
        halved = large.map.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
        assert np.abs(halved - small.map).mean() < 2.0


def test_number_of_images():
    assert sum(1 for _ in two_domain_maps.images("testB", size=128)) == 200
    assert two_domain_maps.SIZES == {64: {"train": 1000, "test": 200}, 128: {"train": 500, "test": 200}}


def kinds(plan, u, v):
    """Return the number of the colour that a map has at points, written from the definition."""
    block = [np.searchsorted(roads[:, 0], at) for roads, at in zip(plan.roads, (u, v))]
    kind = np.where(plan.parks[tuple(block)], 1, 0)
    if plan.river is not None:
        kind[plan.river.distance(u, v) < 0] = 2
    for house in plan.houses:
        kind[(np.abs(u - house[0]) < house[2]) & (np.abs(v - house[1]) < house[3])] = 3
    for width, number in ((street_plan.NARROW, 4), (street_plan.WIDE, 5)):
        for roads, at in zip(plan.roads, (u, v)):
            for place in roads[roads[:, 1] == width, 0]:
                kind[np.abs(at - place) < width / 2] = number
    return kind


def test_maps_equal_a_sampler_written_from_the_definition():
    """8 x 8 points a pixel; a pixel of one colour has it exactly, a mixed one to the nearest quarter of each edge."""
    x, y = np.meshgrid(*2 * [(np.arange(512) + 0.5) / 512 - 0.5])
    for town in two_domain_maps.generate("testA", 12):
        plan = town.plan
        u, v = np.cos(plan.angle) * x + np.sin(plan.angle) * y, np.cos(plan.angle) * y - np.sin(plan.angle) * x
        kind = kinds(plan, u, v).reshape(64, 8, 64, 8).transpose(0, 2, 1, 3).reshape(64, 64, 64)
        pure = (kind == kind[..., :1]).all(-1)
        # The distance of a centre says little more than a half pixel beside an edge that is not parallel to the sides.
        agrees = (town.map[pure] == COLOURS[kind[pure][:, 0]]).all(-1)
        assert agrees.mean() > 0.97
        expected = COLOURS[kind].mean(axis=2)
        assert np.abs(town.map - expected).mean() < 1.5 and np.abs(town.map - expected).max() < 60


def test_maps_have_few_colours():
    for town in two_domain_maps.generate("trainB", 20):
        colours, counts = np.unique(town.map.reshape(-1, 3), axis=0, return_counts=True)
        assert len(colours) < 90
        flat = (colours[:, None] == COLOURS).all(-1).any(1)
        assert counts[flat].sum() > 0.7 * counts.sum()


def test_a_photograph_lies_over_its_map():
    """Streets are grey and what is between them is not: the map says where."""
    for town in two_domain_maps.generate("testA", 30):
        canvas = plan_canvas.PlanCanvas(town.plan, 64)
        street = (canvas.narrow == 1) | (canvas.wide == 1)
        saturation = np.ptp(town.aerial.astype(int), axis=-1)
        assert saturation[street].mean() < 0.75 * saturation[canvas.roads(0.03) == 0].mean()


@pytest.mark.parametrize(
    "arguments, message",
    [(dict(split="train"), "split='train' is not known.*Accepted: trainA"), (dict(split="testA", size=32), "size=32")],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        next(two_domain_maps.generate(**arguments))
