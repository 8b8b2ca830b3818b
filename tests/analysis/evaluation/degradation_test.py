"""Degradation against a loop over tiles in NumPy."""

import keras
import numpy as np
import pytest

from keras_repvis.analysis.evaluation import Degradation

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(size=(3, 7, 5, 2)).astype("float32")
WEIGHTS = RNG.normal(size=(7, 5, 2)).astype("float32")


def linear(x):
    return keras.ops.sum(x * WEIGHTS, axis=(1, 2, 3))[:, None]


def by_hand(image, saliency, tile, sign):
    """Tiles one by one, those at the end taking in what is left over."""
    rows, columns = image.shape[0] // tile, image.shape[1] // tile
    slices = {}
    for r in range(rows):
        for c in range(columns):
            bottom = None if r == rows - 1 else (r + 1) * tile
            right = None if c == columns - 1 else (c + 1) * tile
            slices[r, c] = (slice(r * tile, bottom), slice(c * tile, right))
    order = sorted(slices, key=lambda place: -sign * saliency[slices[place]].mean())
    now, curve = image.copy(), [(image * WEIGHTS).sum()]
    for place in order:
        now[slices[place]] = image.mean((0, 1))
        curve.append((now * WEIGHTS).sum())
    return curve


@pytest.mark.parametrize("tile", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [2, 64])
def test_curves_equal_a_loop(tile, batch_size):
    maps = RNG.normal(size=(3, 7, 5))
    result = Degradation(linear, tile=tile, score="output", batch_size=batch_size)(IMAGES, maps, targets=0)
    for curves, sign in ((result.most_first, 1), (result.least_first, -1)):
        expected = [by_hand(image, some, tile, sign) for image, some in zip(IMAGES, maps)]
        np.testing.assert_allclose(curves["maps"], expected, rtol=1e-4, atol=1e-4)


def test_area_is_that_between_the_curves():
    image = np.array([[4.0, 0.0]], "float32")[None, ..., None]
    model = lambda x: keras.ops.abs(x[:, 0, :1, 0] - 2)  # noqa: E731
    result = Degradation(model, tile=1, score="output")(image, np.array([[[1.0, 0.0]]]), targets=0)
    # Most relevant first 2, 0, 0; least 2, 2, 0.
    np.testing.assert_allclose(result.areas()["maps"], [(0 + 2 + 0) / 2])
    assert result.fall() == pytest.approx(2)
    assert result.rows()[0]["area / fall"] == pytest.approx(0.5)


def test_an_oracle_beats_chance_and_chance_is_near_nothing():
    images = RNG.uniform(size=(60, 7, 5, 2)).astype("float32")
    oracle = (WEIGHTS * (images - images.mean((1, 2), keepdims=True))).sum(-1)
    measure = Degradation(linear, tile=1, score="output", seed=3)
    result = measure(images, {"oracle": oracle, "turned": -oracle}, targets=0)
    areas = result.areas()
    assert (areas["oracle"] > 0).all()
    np.testing.assert_allclose(areas["turned"], -areas["oracle"], rtol=1e-3, atol=1e-3)
    assert abs(areas["random map"].mean()) < 0.3 * areas["oracle"].mean()
    assert [row["maps"] for row in result.rows()] == ["oracle", "turned", "random map", "centre"]


def test_presets_and_what_does_not_fit():
    assert (Degradation(linear).tile, Degradation(linear, "schulz_2020_14").tile) == (8, 14)
    with pytest.raises(ValueError, match="tile='schulz_2020_9'"):
        Degradation(linear, "schulz_2020_9")
    with pytest.raises(ValueError, match="tile=8 is not accepted for images of 7 x 5"):
        Degradation(linear)(IMAGES, np.ones((3, 7, 5)), targets=0)
