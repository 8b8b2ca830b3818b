"""Baselines: numbers and images, and what is neither."""

import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.analysis.attribution import baselines

IMAGES = tf.zeros((2, 4, 3, 2))


@pytest.mark.parametrize("shape", [(), (2,), (1,), (3, 1), (4, 3, 2), (4, 1, 1)])
def test_is_brought_to_the_shape_of_the_images(shape):
    array = np.random.default_rng(0).random(shape)
    found = baselines.like(baselines.check(array), IMAGES)
    assert found.dtype == tf.float32 and found.shape == IMAGES.shape
    np.testing.assert_allclose(found, np.broadcast_to(array, IMAGES.shape), rtol=1e-6)


def test_of_images_of_unknown_size():
    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 2))])
    def run(images):
        return baselines.like(baselines.check(np.full((4, 3, 2), 0.5)), images)

    np.testing.assert_array_equal(run(IMAGES), np.full(IMAGES.shape, 0.5))


@pytest.mark.parametrize("wrong", ["black", None, True, np.inf, np.zeros((1, 4, 3, 2)), 1j])
def test_what_is_no_baseline(wrong):
    with pytest.raises(ValueError, match="baseline of shape"):
        baselines.check(wrong)


@pytest.mark.parametrize("shape", [(3,), (2, 2), (3, 3, 2)])
def test_what_does_not_fit(shape):
    with pytest.raises(ValueError, match=r"not accepted for images of shape \(4, 3, 2\)"):
        baselines.like(baselines.check(np.zeros(shape)), IMAGES)
