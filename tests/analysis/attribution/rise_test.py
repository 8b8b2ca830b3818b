"""RISE against closed forms and a NumPy loop; its memory does not grow with the number of masks."""

import functools
import json
import resource
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.analysis.attribution import RISE, rise_masks

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(size=(5, 11, 8, 2)).astype("float32")
WEIGHTS = RNG.normal(size=(11, 8, 2, 3)).astype("float32")


def network(x):
    """Something smooth that is not linear."""
    return tf.tanh(tf.einsum("bhwk,hwkc->bc", x, WEIGHTS) / 3)


def masks_of(count, seed=0, keep=0.5, size=(11, 8)):
    return rise_masks.draw(seed, 0, count, 7, keep, *size).numpy().astype("float64")


@pytest.mark.parametrize("fill", [0.0, 0.3, np.array([0.2, 0.7]), "mean"])
@pytest.mark.parametrize("score", ["softmax", "output"])
def test_maps_are_those_of_a_loop_over_the_masks(score, fill):
    masks, targets = masks_of(30, seed=4, keep=0.3), [0, 1, 2, 1, 0]
    products = np.zeros((5, 30, 11, 8))
    for image, target, draws in zip(IMAGES, targets, products):
        back = image.mean(axis=(0, 1)) if isinstance(fill, str) else fill
        for mask, draw in zip(masks, draws):
            masked = image * mask[..., None] + back * (1 - mask[..., None])
            outputs = np.tanh(np.einsum("hwk,hwkc->c", masked, WEIGHTS) / 3)
            outputs = np.exp(outputs) / np.exp(outputs).sum() if score == "softmax" else outputs
            draw[:] = outputs[target] * mask / 0.3
    result = RISE(network, masks=30, keep=0.3, seed=4, score=score, fill=fill, batch_size=7)(IMAGES, targets)
    np.testing.assert_allclose(result.maps, products.mean(axis=1), rtol=1e-4, atol=1e-5)
    errors = np.sqrt((products.var(axis=1) / 30).mean(axis=(1, 2)))
    np.testing.assert_allclose(result.diagnostics["standard_error"], errors, rtol=1e-3)


def constant(x):
    return tf.zeros((tf.shape(x)[0], 2)) + tf.constant([1.0, -2.5])


def test_a_constant_output_gives_the_mean_of_the_masks():
    masks = masks_of(50)
    result = RISE(constant, masks=50, score="output")(IMAGES, 1)
    np.testing.assert_allclose(result.maps, np.tile(-2.5 * masks.mean(axis=0) / 0.5, (5, 1, 1)), rtol=1e-5)
    error = 2.5 / 0.5 * np.sqrt((masks.var(axis=0) / 50).mean())
    np.testing.assert_allclose(result.diagnostics["standard_error"], np.full(5, error), rtol=1e-4)
    np.testing.assert_allclose(result.diagnostics["mask_mean"], np.full(5, masks.mean()), rtol=1e-5)
    covered = RISE(constant, masks=50, score="output", normalizer="coverage")(IMAGES, 1).maps
    np.testing.assert_allclose(covered, -2.5, rtol=1e-5)


def test_an_output_that_is_a_pixel_is_found_there():
    images = np.ones((1, 42, 35, 1), "float32")
    maps = RISE(lambda x: x[:, 20, 9], masks=2000, score="output", batch_size=100)(images, 0).maps[0]
    row, column = np.unravel_index(maps.argmax(), maps.shape)
    assert abs(row - 20) <= 3 and abs(column - 9) <= 3  # Half a cell of 6 x 5 pixels.
    # Two cells away the masks are independent, and the map is E[M(u0)] = 1/2: here at 5 standard errors.
    assert np.abs(maps[34:, 25:].mean() - 0.5) < 5 * np.sqrt(0.5 / 2000)


def test_batches_change_nothing_and_the_seed_does():
    maps = [RISE(network, masks=33, batch_size=size)(IMAGES).maps for size in (1, 4, 64)]
    alone = RISE(network, masks=33)
    maps.append(np.concatenate([alone(IMAGES[[index]]).maps for index in range(5)]))
    for some in maps[1:]:
        np.testing.assert_allclose(some, maps[0], rtol=1e-5, atol=1e-6)
    assert np.abs(RISE(network, masks=33, seed=1)(IMAGES).maps - maps[0]).max() > 0.01


def test_sizes_of_images_may_change():
    method = RISE(lambda x: tf.reduce_mean(x, axis=(1, 2)), masks=20, score="output")
    for height, width in ((11, 8), (16, 16), (11, 8), (7, 30)):
        images = RNG.uniform(size=(2, height, width, 1)).astype("float32")
        masks = masks_of(20, size=(height, width))
        scores = (images[:, None, ..., 0] * masks).mean(axis=(2, 3))
        expected = np.einsum("bm,mhw->bhw", scores, masks) / 10
        np.testing.assert_allclose(method(images, 0).maps, expected, rtol=1e-4, atol=1e-5)


def test_presets_and_what_is_not_accepted():
    method = RISE(network)
    assert (method.masks, method.grid, method.keep, method.score) == (4000, 7, 0.5, "softmax")
    assert RISE(network, preset="petsiuk_2018_resnet50", grid=5).masks == 8000
    wrong = (("masks", 0), ("grid", 0), ("keep", 0.0), ("keep", 1.5), ("normalizer", "sum"), ("fill", "x"))
    for argument, value in wrong:
        with pytest.raises(ValueError, match=f"{argument}="):
            RISE(network, **{argument: value})
    with pytest.raises(ValueError, match=r"fill of shape \(3,\)"):
        RISE(network, fill=[0.0, 0.0, 0.0])(IMAGES)
    with pytest.raises(ValueError, match="a distribution already"):
        RISE(lambda x: tf.nn.softmax(network(x)))(IMAGES)


def test_progress_grows_to_one_and_an_interrupt_ends():
    shares = []
    RISE(network, masks=40, batch_size=2)(IMAGES, 0, progress=shares.append)
    assert shares == sorted(shares) and shares[-1] == 1 and len(shares) > 6

    def interrupt(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        RISE(network, masks=40)(IMAGES, 0, progress=interrupt)


def measure():
    """Print by how many MB the largest memory of this process grows from 100 masks to 4,000, of 150 MB together."""
    unit = 1 << (20 if sys.platform == "darwin" else 10)
    images = np.random.default_rng(0).uniform(size=(1, 96, 96, 1)).astype("float32")
    peaks = []
    for masks in (100, 4000):
        RISE(functools.partial(tf.reduce_mean, axis=(1, 2)), masks=masks, score="output", batch_size=50)(images, 0)
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit)
    print(json.dumps(peaks[1] - peaks[0]))


def test_memory_does_not_grow_with_the_masks(start_child):
    child = start_child(__file__, "measure")
    assert child.wait() == 0, child.stderr
    assert child.result < 50


def test_mixed_precision_gives_float32_maps():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Flatten(dtype="mixed_bfloat16"), keras.layers.Dense(3, dtype="mixed_bfloat16")]
    maps = RISE(keras.Sequential([keras.Input((11, 8, 2)), *layers]), masks=10)(IMAGES).maps
    assert maps.dtype == np.float32 and np.isfinite(maps).all() and maps.max() > 0
