import math

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from keras_repvis.analysis import evaluation
from keras_repvis.analysis.evaluation import salient_point

SIZES = [((7, 5), (64, 96)), ((64, 64), (17, 23)), ((1, 1), (3, 4)), ((8, 8), (8, 8)), ((5, 1), (5, 9))]


@pytest.mark.parametrize("before, after", SIZES)
def test_resizing_equals_tensorflow_and_scipy(before, after):
    maps = np.random.default_rng(0).normal(size=(3, *before))
    resized = evaluation.resize_bilinear(maps, after)
    expected = tf.image.resize(maps.astype("float32")[..., None], after, "bilinear")[..., 0]
    np.testing.assert_allclose(resized, expected, atol=1e-5)
    grid = np.meshgrid(*((np.arange(n) + 0.5) * m / n - 0.5 for m, n in zip(before, after)), indexing="ij")
    for one, map_ in zip(resized, maps):
        np.testing.assert_allclose(one, ndimage.map_coordinates(map_, grid, order=1, mode="nearest"), atol=1e-12)


def test_a_ramp_stays_a_ramp_inside():
    rows = np.arange(4.0)[:, None] + np.zeros((4, 3))
    resized = evaluation.resize_bilinear(rows, (8, 3))
    np.testing.assert_allclose(resized[1:-1, 0], (np.arange(8)[1:-1] + 0.5) / 2 - 0.5)
    np.testing.assert_array_equal(resized[[0, -1], 0], [0, 3])


@pytest.mark.parametrize("border", ["repeat", "zero"])
def test_smoothing_equals_the_sum_over_pixels(border):
    """The kernel of the definition, term by term, in two dimensions."""
    height, width = 12, 9
    smoothing = evaluation.Smoothing(0.1, "longer", border)
    sigma = 0.1 * 12
    reach = math.ceil(4 * sigma)
    assert reach == 5
    kernel = [math.exp(-(t**2) / (2 * sigma**2)) for t in range(-reach, reach + 1)]
    kernel = [value / sum(kernel) for value in kernel]
    saliency = np.random.default_rng(1).normal(size=(height, width))
    expected = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            for i, a in enumerate(kernel):
                for j, b in enumerate(kernel):
                    r, c = row + i - reach, column + j - reach
                    inside = 0 <= r < height and 0 <= c < width
                    if inside or border == "repeat":
                        expected[row, column] += a * b * saliency[min(max(r, 0), height - 1), min(max(c, 0), width - 1)]
    np.testing.assert_allclose(smoothing(saliency), expected, atol=1e-12)


def test_sigma_is_a_share_of_the_longer_or_the_shorter_side():
    assert evaluation.Smoothing(0.02).sigma(375, 500) == evaluation.Smoothing(0.02).sigma(500, 375) == 10
    assert evaluation.Smoothing(0.09, "shorter").sigma(375, 500) == pytest.approx(33.75)


def test_constants_of_torchray():
    for method in ("Gradient", "DeConvNet", "GuidedBackprop"):
        assert evaluation.torchray_smoothing(method) == evaluation.Smoothing(0.02, "longer", "repeat")
    assert evaluation.torchray_smoothing("ExtremalPerturbation") == evaluation.Smoothing(0.09, "shorter", "zero")
    for method in ("ExcitationBackprop", "GradCAM", "RISE"):
        assert evaluation.torchray_smoothing(method) is None


def test_maps_that_are_smooth_already_are_left_alone():
    class ExtremalPerturbation:
        smoothing = 0.09

    method = ExtremalPerturbation()
    assert evaluation.torchray_smoothing(method) is None
    method.smoothing = 0
    assert evaluation.torchray_smoothing(method) == evaluation.torchray_smoothing("ExtremalPerturbation")


def test_the_point_is_the_maximum_in_the_original_image():
    saliency = np.zeros((4, 4))
    saliency[1, 2] = 1
    # The centre of cell (1, 2) lies between rows 14 and 15 and columns 49 and 50 of (40, 80), which are all equal.
    assert evaluation.most_salient(saliency, (40, 80)) == (14, 49)
    assert evaluation.most_salient(saliency, (4, 4)) == (1, 2)
    assert evaluation.most_salient(-saliency, (4, 4)) == (0, 0)


def test_smoothing_moves_the_point_from_a_spike_to_a_plateau():
    saliency = np.zeros((50, 50))
    saliency[5, 5] = 2
    saliency[30:41, 30:41] = 1
    assert evaluation.most_salient(saliency, (50, 50)) == (5, 5)
    assert evaluation.most_salient(saliency, (50, 50), evaluation.Smoothing(0.02 * 2)) == (35, 35)


def test_resizing_comes_before_smoothing():
    """Sigma is in pixels of the original image: the same map smoothed before would point elsewhere."""
    random = np.random.default_rng(3)
    smoothing = evaluation.Smoothing(0.05)
    for _ in range(5):
        saliency = random.normal(size=(14, 14))
        whole = smoothing(evaluation.resize_bilinear(saliency, (60, 90)))
        assert evaluation.most_salient(saliency, (60, 90), smoothing) == np.unravel_index(whole.argmax(), whole.shape)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_map_that_is_not_finite_has_no_point(bad):
    saliency = np.zeros((3, 3))
    saliency[2, 2] = bad
    with pytest.raises(ValueError, match="NaN or infinite"):
        evaluation.most_salient(saliency, (3, 3))


@pytest.mark.parametrize("shape", [(3,), (1, 3, 3), (0, 3)])
def test_a_map_has_two_axes(shape):
    with pytest.raises(ValueError, match="expected .height, width"):
        evaluation.most_salient(np.zeros(shape), (3, 3))


@pytest.mark.parametrize(
    "arguments, message",
    [((0,), "share=0.*> 0"), ((0.1, "long"), "side='long'.*'longer'"), ((0.1, "longer", "wrap"), "border='wrap'")],
)
def test_smoothing_checks_its_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        salient_point.Smoothing(*arguments)
