"""Meaningful perturbation: closed forms, a NumPy loop of the whole search, and what batches may not change."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from keras_repvis import analysis
from keras_repvis.analysis.attribution import MeaningfulPerturbation

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(size=(4, 12, 10, 2)).astype("float32")
WEIGHTS = RNG.normal(size=(12, 10, 2, 3)).astype("float32")
TARGETS = np.array([0, 1, 2, 1])
PLAIN = {"l1_weight": 0, "tv_weight": 0, "mask_blur": 0, "jitter": 0, "score": "output", "start": "keep"}


def linear(x):
    return tf.einsum("bhwk,hwkc->bc", x, WEIGHTS)


def constant(x):
    return 0 * tf.reduce_sum(x, axis=(1, 2, 3))[:, None] + tf.constant([0.1, 0.2, 0.7])


def evidence(back):
    """<w, x - x0> of each pixel."""
    return ((IMAGES - back) * WEIGHTS[..., TARGETS].transpose(3, 0, 1, 2)).sum(-1)


@pytest.mark.parametrize("game", ["deletion", "preservation", "hybrid"])
@pytest.mark.parametrize("perturbation", ["blur", "constant"])
def test_of_a_linear_output_every_pixel_with_evidence_is_found(game, perturbation):
    method = MeaningfulPerturbation(
        linear, game=game, perturbation=perturbation, cells=10, image_blur=2, fill=0.4, steps=15, **PLAIN
    )
    result = method(IMAGES, TARGETS)
    back = ndimage.gaussian_filter(IMAGES, (0, 2, 2, 0)) if perturbation == "blur" else 0.4
    shares = evidence(back)
    np.testing.assert_array_equal(result.maps, shares > 0)
    scores = (WEIGHTS[..., TARGETS].transpose(3, 0, 1, 2) * IMAGES).sum(axis=(1, 2, 3))
    falls = np.maximum(shares, 0).sum(axis=(1, 2))
    np.testing.assert_allclose(result.diagnostics["score"], scores, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(result.diagnostics["score_deleted"], scores - falls, rtol=1e-4, atol=1e-4)
    rises = np.minimum(shares, 0).sum(axis=(1, 2))
    np.testing.assert_allclose(result.diagnostics["score_preserved"], scores - rises, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(result.diagnostics["area"], (shares > 0).mean(axis=(1, 2)), rtol=1e-5)


def test_cells_decide_together():
    result = MeaningfulPerturbation(
        linear, perturbation="constant", fill=0.4, cells=5, steps=15, **PLAIN
    )(IMAGES, TARGETS)
    cells = evidence(0.4).reshape(4, 6, 2, 5, 2).sum(axis=(2, 4)) > 0
    np.testing.assert_array_equal(result.maps, cells.repeat(2, axis=1).repeat(2, axis=2))


@pytest.mark.parametrize("start", ["circle", "keep"])
@pytest.mark.parametrize("game", ["deletion", "preservation"])
def test_of_a_constant_output_nothing_is_deleted_and_nothing_kept(game, start):
    method = MeaningfulPerturbation(constant, game=game, start=start, score="output", steps=60)
    result = method(IMAGES, TARGETS)
    np.testing.assert_allclose(result.maps, 0, atol=1e-6)
    np.testing.assert_allclose(result.diagnostics["score_deleted"], [0.1, 0.2, 0.7, 0.2], rtol=1e-6)


def test_the_search_is_that_of_a_loop():
    """Adam, penalties, enlargement and blur written out in NumPy for one image of a linear softmax, in float64."""
    image, weights, steps = IMAGES[0].astype("float64"), WEIGHTS.astype("float64") / 4, 12
    back = ndimage.gaussian_filter(image, (1.5, 1.5, 0))
    mask, first, second = np.ones((6, 5)), np.zeros((6, 5)), np.zeros((6, 5))
    l1, tv, power = 0.01, 0.05, 3.0

    def blurred(array):
        return ndimage.gaussian_filter(array, 0.8)

    def variation_gradient(m):
        down, across = np.zeros_like(m), np.zeros_like(m)
        down[:-1], across[:, :-1] = np.diff(m, axis=0), np.diff(m, axis=1)
        slope = power * (down**2 + across**2) ** (power / 2 - 1)
        found = -slope * (down + across)
        found[1:] += (slope * down)[:-1]
        found[:, 1:] += (slope * across)[:, :-1]
        return found

    for step in range(1, steps + 1):
        large = blurred(mask.repeat(2, axis=0).repeat(2, axis=1))[..., None]
        outputs = np.einsum("hwk,hwkc->c", image * large + back * (1 - large), weights)
        share = np.exp(outputs) / np.exp(outputs).sum()
        slopes = share[1] * (weights[..., 1] - weights @ share)
        pixels = blurred((slopes * (image - back)).sum(-1))
        gradient = pixels.reshape(6, 2, 5, 2).sum(axis=(1, 3)) + l1 * np.sign(mask - 1) + tv * variation_gradient(mask)
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        change = first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        mask = np.clip(mask - 0.07 * change, 0, 1)
    expected = 1 - blurred(mask.repeat(2, axis=0).repeat(2, axis=1))
    method = MeaningfulPerturbation(
        lambda x: linear(x) / 4, cells=5, mask_blur=0.8, image_blur=1.5, l1_weight=l1, tv_weight=tv, jitter=0,
        start="keep", steps=steps, learning_rate=0.07,
    )
    np.testing.assert_allclose(method(IMAGES[:1], 1).maps[0], expected, atol=1e-4)


def smooth(x):
    return tf.tanh(linear(x) / 4) * 5


@pytest.mark.parametrize("options", [{}, {"game": "hybrid", "perturbation": "noise"}])
def test_batches_change_nothing(options):
    method = MeaningfulPerturbation(smooth, steps=8, jitter=3, **options)
    together = method(IMAGES, TARGETS)
    alone = [method(IMAGES[[index]], TARGETS[index]) for index in range(4)]
    parts = MeaningfulPerturbation(smooth, steps=8, jitter=3, batch_size=3, **options)(IMAGES, TARGETS)
    np.testing.assert_allclose(parts.maps, together.maps, atol=1e-4)
    np.testing.assert_allclose(np.concatenate([one.maps for one in alone]), together.maps, atol=1e-4)
    for name, values in together.diagnostics.items():
        joined = np.concatenate([one.diagnostics[name] for one in alone])
        np.testing.assert_allclose(joined, values, rtol=1e-3, atol=1e-4)
    other = MeaningfulPerturbation(smooth, steps=8, jitter=3, seed=5, **options)(IMAGES, TARGETS).maps
    assert np.abs(other - together.maps).max() > 1e-3


def test_jitter_moves_image_and_background_against_the_mask():
    seen = []

    def record(x):
        seen.append(tf.numpy_function(lambda array: array.copy(), [x], "float32"))
        return linear(x)

    method = MeaningfulPerturbation(record, jitter=3, steps=1)
    large = tf.image.resize(IMAGES, (15, 13)).numpy()
    found = {}
    for step in range(40):
        images, back = method._shift(tf.constant(IMAGES), {"images": large, "back": -large}, tf.constant(step))
        np.testing.assert_array_equal(images, -back)
        places = [
            (row, column) for row in range(3) for column in range(3)
            if np.array_equal(large[:, row : row + 12, column : column + 10], images)
        ]
        assert len(places) == 1
        found[places[0]] = True
    assert len(found) == 9


def test_noise_is_new_at_every_step_and_the_same_for_all_images():
    method = MeaningfulPerturbation(linear, perturbation="noise", noise=0.1)
    back = tf.fill((3, 40, 40, 2), 0.5)
    one, two = (method._disturb(back, tf.constant(step)).numpy() for step in (1, 2))
    assert np.abs(one - two).max() > 0.1
    np.testing.assert_array_equal(one[0], one[2])
    assert abs(one[0].mean() - 0.5) < 5 * 0.1 / np.sqrt(3200) and abs(one[0].std() - 0.1) < 0.01
    wide = MeaningfulPerturbation(linear, perturbation="noise", noise=9.0)._disturb(back, tf.constant(1)).numpy()
    assert wide.min() == 0 and wide.max() == 1


def test_presets_and_sizes():
    method = MeaningfulPerturbation(linear)
    values = [method.steps, method.learning_rate, method.l1_weight, method.tv_weight, method.tv_power, method.cells]
    assert values == [300, 0.1, 1e-4, 1e-2, 3.0, 28] and method.score == "softmax" and method.through_blur
    for side, mask, image, shifts in ((224, 5, 10, 4), (448, 10, 20, 8), (112, 2.5, 5, 2), (56, 1.25, 2.5, 1)):
        images = np.zeros((1, side, side + 9, 1))
        assert method._in_pixels("mask_blur", images) == mask and method._in_pixels("image_blur", images) == image
        assert method._shifts(images) == shifts
    assert MeaningfulPerturbation(linear, mask_blur=3)._in_pixels("mask_blur", np.zeros((1, 9, 9, 1))) == 3
    boxes = MeaningfulPerturbation(linear, preset="fong_vedaldi_2017_localization")
    assert (boxes.l1_weight, boxes.tv_power) == (1e-3, 2.0)
    assert not MeaningfulPerturbation(linear, preset="perturb_explanations").through_blur


def test_wrong_arguments_are_named():
    for argument, value in (
        ("game", "delete"), ("perturbation", "fade"), ("steps", 0), ("learning_rate", 0), ("l1_weight", -1),
        ("tv_power", 0.5), ("cells", 0), ("mask_blur", -1), ("jitter", -1), ("start", "ones"), ("fill", "black"),
        ("preset", "fong"),
    ):
        with pytest.raises(ValueError, match=f"{argument}="):
            MeaningfulPerturbation(linear, **{argument: value})
    with pytest.raises(ValueError, match="a distribution already"):
        MeaningfulPerturbation(lambda x: tf.nn.softmax(linear(x)))(IMAGES)
    image = keras.Input((12, 10, 2))
    cut = keras.layers.Flatten()(keras.ops.cast(keras.ops.cast(image * 255, "int32"), "float32"))
    with pytest.raises(analysis.UnsupportedModelError, match="no gradient reaches the image"):
        MeaningfulPerturbation(keras.Model(image, cut), steps=2)(IMAGES, 0)


def test_progress_is_reported_between_segments():
    shares = []
    MeaningfulPerturbation(linear, steps=20)(IMAGES, TARGETS, progress=shares.append)
    assert shares == sorted(shares) and shares[-1] == 1 and len(shares) >= 4
