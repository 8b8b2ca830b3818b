"""Curves against what they are for linear models, step by step, and against a loop in NumPy."""

import keras
import numpy as np
import pytest
from scipy import ndimage, special

from keras_repvis.analysis.evaluation import InsertionDeletion
from keras_repvis.analysis.evaluation import insertion_deletion, replaced_pixels

RNG = np.random.default_rng(0)
SIZE = (6, 4, 2)
WEIGHTS = RNG.normal(size=(*SIZE, 3)).astype("float32")
IMAGES = RNG.uniform(size=(5, *SIZE)).astype("float32")


def linear(x):
    return keras.ops.einsum("bhwk,hwkc->bc", x, WEIGHTS)


def scores(images, classes):
    return special.softmax(np.einsum("bhwk,hwkc->bc", images, WEIGHTS), axis=-1)[np.arange(len(images)), classes]


def by_hand(images, maps, start, finish, pixels):
    """The curves by a loop over steps, as the protocol says it."""
    classes = np.einsum("bhwk,hwkc->bc", images, WEIGHTS).argmax(-1)
    order = np.argsort(-maps.reshape(len(maps), -1), axis=1)
    now, end = (some.reshape(len(images), -1, SIZE[2]).copy() for some in (start, finish))
    curve = [scores(now.reshape(images.shape), classes)]
    for first in range(0, order.shape[1], pixels):
        for row, places in enumerate(order[:, first : first + pixels]):
            now[row, places] = end[row, places]
        curve.append(scores(now.reshape(images.shape), classes))
    return np.stack(curve, axis=1)


@pytest.mark.parametrize("pixels", [None, 1, 5, 24, 100])
@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_curves_equal_a_loop(pixels, batch_size):
    maps = RNG.normal(size=(5, 6, 4))
    result = InsertionDeletion(linear, pixels=pixels, batch_size=batch_size)(IMAGES, maps)
    step = 4 if pixels is None else pixels
    expected = by_hand(IMAGES, maps, IMAGES, np.zeros_like(IMAGES), step)
    np.testing.assert_allclose(result.deletion["maps"], expected, rtol=1e-4, atol=1e-6)
    blurred = np.asarray(insertion_deletion.blur(IMAGES, np.zeros_like(IMAGES)))
    expected = by_hand(IMAGES, maps, blurred, IMAGES, step)
    np.testing.assert_allclose(result.insertion["maps"], expected, rtol=1e-4, atol=1e-6)


def test_deletion_of_a_linear_model_by_hand():
    """f = sum of a pixel's weight: the curve falls by the weights in the order of the map."""
    weights = np.array([[4.0, 3.0], [2.0, 1.0]], "float32")
    model = lambda x: keras.ops.sum(x[..., 0] * weights, axis=(1, 2), keepdims=False)[:, None]  # noqa: E731
    measure = InsertionDeletion(model, pixels=1, score="output")
    result = measure(np.ones((1, 2, 2, 1), "float32"), {"best": weights[None], "worst": -weights[None]}, targets=0)
    np.testing.assert_allclose(result.deletion["best"], [[10, 6, 3, 1, 0]], rtol=1e-6)
    np.testing.assert_allclose(result.deletion["worst"], [[10, 9, 7, 4, 0]], rtol=1e-6)
    # Trapezoids: (10/2 + 6 + 3 + 1 + 0/2) / 4.
    assert result.areas("deletion")["best"][0] == pytest.approx(3.75)
    assert result.areas("deletion")["worst"][0] == pytest.approx(6.25)


def test_area_of_a_line_and_a_constant():
    assert replaced_pixels.area(np.linspace(1, 0, 9)) == pytest.approx(0.5)
    assert replaced_pixels.area(np.full(5, 0.3)) == pytest.approx(0.3)
    np.testing.assert_allclose(replaced_pixels.area(np.array([[0.0, 1.0], [1.0, 1.0]])), [0.5, 1.0])


def test_blur_is_the_gaussian_of_the_reference_code():
    kernel = np.zeros((11, 11))
    kernel[5, 5] = 1
    kernel = ndimage.gaussian_filter(kernel, 5)
    assert kernel.sum() == pytest.approx(1)
    expected = np.stack(
        [[ndimage.convolve(image[..., k], kernel, mode="constant") for k in range(2)] for image in IMAGES]
    ).transpose(0, 2, 3, 1)
    found = np.asarray(insertion_deletion.blur(IMAGES, np.zeros_like(IMAGES)))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    # A mean colour as fill is what zero is after the network's normalisation.
    colour = np.zeros_like(IMAGES) + np.array([0.4, 0.6], "float32")
    shifted = np.asarray(insertion_deletion.blur(IMAGES - colour, np.zeros_like(IMAGES))) + colour
    np.testing.assert_allclose(np.asarray(insertion_deletion.blur(IMAGES, colour)), shifted, rtol=1e-4, atol=1e-6)


def test_paper_takes_as_many_steps_as_the_image_is_high():
    assert len(InsertionDeletion(linear)._thresholds(224, 224)) == 225
    assert InsertionDeletion(linear)._thresholds(224, 224)[1] == 224
    assert InsertionDeletion(linear, pixels=7)._thresholds(3, 4) == [0, 7, 12]


def test_class_is_that_of_the_image_as_it_is():
    model = lambda x: keras.ops.stack([keras.ops.sum(x, axis=(1, 2, 3)), 2 + 0 * x[:, 0, 0, 0]], axis=-1)  # noqa: E731
    maps = np.ones((1, 2, 2))
    result = InsertionDeletion(model, pixels=1, score="output")(np.ones((1, 2, 2, 1), "float32"), maps)
    # The second class wins on the way; the first stays the one that is looked at.
    np.testing.assert_allclose(result.deletion["maps"], [[4, 3, 2, 1, 0]])
    assert result.insertion["maps"][0, -1] == 4


def test_null_maps_stand_beside_and_a_constant_map_is_as_good_as_chance():
    images = RNG.uniform(size=(40, *SIZE)).astype("float32")
    oracle = np.einsum("bhwk,hwkc->bhwc", images, WEIGHTS)
    classes = oracle.sum((1, 2)).argmax(-1)
    oracle = oracle[np.arange(40), ..., classes]
    result = InsertionDeletion(linear, pixels=1)(images, {"oracle": oracle, "constant": np.zeros((40, 3, 2))})
    means = {name: area.mean() for name, area in result.areas("deletion").items()}
    assert list(means) == ["oracle", "constant", "random map", "centre"]
    assert means["oracle"] < min(means["constant"], means["random map"], means["centre"])
    order = replaced_pixels.rank_pixels(np.zeros((2, 6, 4)), seed=1)
    assert (order[0] == order[1]).all() and (np.diff(order[0].reshape(-1)) != 1).sum() > 10
    text = str(result)
    assert len(text.splitlines()) == 5 and "deletion (less is better)" in text and "random map" in text
    assert result.rows()[0]["insertion (more is better)"].images == 40


def test_what_does_not_fit_is_named():
    measure = InsertionDeletion(linear)
    with pytest.raises(ValueError, match="expected finite numbers"):
        measure(IMAGES, np.ones((4, 6, 4)))
    with pytest.raises(ValueError, match="expected finite numbers"):
        measure(IMAGES, np.full((5, 6, 4), np.nan))
    with pytest.raises(ValueError, match="maps='centre'"):
        measure(IMAGES, {"centre": np.ones((5, 6, 4))})
    with pytest.raises(ValueError, match="pixels=0"):
        InsertionDeletion(linear, pixels=0)
    with pytest.raises(ValueError, match="a distribution already"):
        InsertionDeletion(lambda x: keras.ops.softmax(linear(x)))(IMAGES, np.ones((5, 6, 4)))
