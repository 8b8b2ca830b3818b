import itertools
import json

import numpy as np
import pytest
from PIL import Image

from keras_repvis import data
from keras_repvis.analysis import evaluation
from keras_repvis.analysis.evaluation import coco_instance_pairs

SIZE = (30, 40)


def inside(x, y, polygon):
    """Whether a point lies in a polygon: an odd number of edges to its right."""
    corners = np.reshape(polygon, (-1, 2))
    odd = False
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, axis=0)):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
            odd = not odd
    return odd


def test_polygons_take_the_pixels_whose_centres_lie_inside():
    random = np.random.default_rng(0)
    for corners in (3, 4, 7, 20):
        polygons = [(random.random(2 * corners) * np.tile([40, 30], corners)).tolist() for _ in range(2)]
        mask = coco_instance_pairs.segmentation_mask(polygons, SIZE)
        expected = np.zeros(SIZE, bool)
        for row, column in itertools.product(*map(range, SIZE)):
            expected[row, column] = any(inside(column + 0.5, row + 0.5, polygon) for polygon in polygons)
        np.testing.assert_array_equal(mask, expected)
        assert 0 < mask.sum() < mask.size


def test_a_rectangle_of_whole_numbers_has_its_area():
    mask = coco_instance_pairs.segmentation_mask([[3, 4, 13, 4, 13, 9, 3, 9]], SIZE)
    expected = np.zeros(SIZE, bool)
    expected[4:9, 3:13] = True
    np.testing.assert_array_equal(mask, expected)


def test_runs_go_down_the_columns_and_begin_with_background():
    random = np.random.default_rng(1)
    expected = random.random(SIZE) < 0.5
    flat = expected.T.ravel()
    counts = [len(list(group)) for _, group in itertools.groupby(flat)]
    counts = [0, *counts] if flat[0] else counts
    mask = coco_instance_pairs.segmentation_mask({"counts": counts, "size": list(SIZE)}, SIZE)
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("counts, message", [("abc", "compressed runs"), ([5, 6], "11 pixels.*30 x 40")])
def test_runs_that_cannot_be_read_are_errors(counts, message):
    with pytest.raises(ValueError, match=message):
        coco_instance_pairs.segmentation_mask({"counts": counts}, SIZE)


@pytest.fixture(name="folder")
def folder_fixture(tmp_path):
    """Three images, the second without objects; categories with gaps in their numbers, as COCO's."""
    random = np.random.default_rng(0)
    for name in "abc":
        Image.fromarray(random.integers(0, 256, (*SIZE, 3), dtype=np.uint8)).save(tmp_path / f"{name}.png")
    square = {"segmentation": [[0, 0, 10, 0, 10, 10, 0, 10]], "bbox": [0, 0, 10, 10]}
    wide = {"segmentation": [[0, 0, 40, 0, 40, 20, 0, 20]], "bbox": [0, 0, 40, 20]}
    crowd = {"segmentation": {"counts": [1150, 50], "size": list(SIZE)}, "bbox": [38, 10, 2, 20], "iscrowd": 1}
    annotations = [
        {"image_id": 9, "category_id": 90, **square},
        {"image_id": 3, "category_id": 90, **square},
        {"image_id": 3, "category_id": 2, **wide},
        {"image_id": 3, "category_id": 90, **crowd},
    ]
    images = [{"id": i, "file_name": f"{n}.png", "height": 30, "width": 40} for i, n in ((9, "c"), (3, "a"), (5, "b"))]
    categories = [{"id": 90, "name": "toothbrush"}, {"id": 2, "name": "bicycle"}, {"id": 13, "name": "stop sign"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (tmp_path / "instances.json").write_text(json.dumps(content))
    return tmp_path


def test_pairs_by_class_in_the_order_of_numbers(folder):
    reader = evaluation.COCOInstancePairs(folder, folder / "instances.json")
    assert reader.class_names == ("bicycle", "stop sign", "toothbrush")
    pairs = list(reader)
    found = [(pair.name, pair.label, pair.difficult) for pair in pairs]
    assert found == [("a", 0, False), ("a", 2, True), ("c", 2, False)]
    expected = np.zeros(SIZE, bool)
    expected[:10, :10] = True
    expected[-20:, 38] = expected[:, 39] = True
    np.testing.assert_array_equal(pairs[1].mask, expected)
    assert pairs[0].mask.sum() == 800 and pairs[2].mask.sum() == 100
    with Image.open(folder / "a.png") as image:
        np.testing.assert_array_equal(pairs[0].image, np.asarray(image))


def test_limit_counts_images(folder):
    reader = evaluation.COCOInstancePairs(folder, folder / "instances.json", limit=1)
    assert [pair.name for pair in reader] == ["a", "a"]


def test_an_image_of_another_size_than_its_record_is_an_error(folder):
    Image.new("RGB", (30, 40)).save(folder / "c.png")
    reader = evaluation.COCOInstancePairs(folder, folder / "instances.json")
    with pytest.raises(data.CorruptImageError, match=r"c.png.*size \(40, 30\), but \(30, 40\)"):
        list(reader)
