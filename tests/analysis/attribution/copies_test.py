"""Sums over copies: every index once, in groups that fit."""

import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.analysis.attribution import copies

IMAGES = np.random.default_rng(0).random((3, 2, 4, 1), "float32")


@pytest.mark.parametrize("batch_size, largest", [(1, 1), (3, 1), (7, 2), (9, 3), (100, 10)])
def test_every_copy_is_counted_once(batch_size, largest):
    groups = []

    @tf.function(autograph=False)
    def run():
        def function(indices):
            tf.py_function(lambda some: groups.append(some.numpy().tolist()), [indices], [])
            shares = tf.cast(indices, "float32")
            return tf.reduce_sum(shares), tf.reduce_sum(shares) * IMAGES

        start = (tf.zeros([]), tf.zeros_like(IMAGES))
        return copies.total(function, 10, tf.constant(IMAGES), batch_size, start)

    number, images = run()
    assert [index for group in groups for index in group] == list(range(10))
    assert max(len(group) for group in groups) == largest
    np.testing.assert_allclose(number, 45)
    np.testing.assert_allclose(images, 45 * IMAGES, rtol=1e-6)


def test_copies_of_an_image_follow_each_other():
    changed = np.arange(3 * 5 * 8, dtype="float32").reshape(3, 5, 2, 4, 1)
    mixed = copies.interleave(tf.constant(changed))
    np.testing.assert_array_equal(mixed, changed.reshape(15, 2, 4, 1))
    np.testing.assert_array_equal(mixed[5:10], changed[1])
    np.testing.assert_array_equal(copies.separate(mixed, IMAGES), changed)
