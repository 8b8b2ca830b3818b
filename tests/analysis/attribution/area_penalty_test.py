"""The constraint on the area against its formula with a sort."""

import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.analysis.attribution.area_penalty import area_penalty, largest

RNG = np.random.default_rng(0)


def by_sorting(mask, area):
    values = np.sort(mask.ravel().astype("float64"))
    reference = np.ones(values.size)
    reference[: int(values.size * (1 - area))] = 0
    return ((values - reference) ** 2).mean()


@pytest.mark.parametrize("area", [0.0, 0.025, 0.3, 0.5, 1.0])
def test_penalty_is_that_of_the_sorted_mask(area):
    masks = RNG.uniform(size=(4, 11, 8)).astype("float32")
    masks[1] = np.round(masks[1] * 3) / 3  # Many values are equal.
    masks[2] = 0.4
    masks[3] = 0
    found = area_penalty(tf.constant(masks), tf.fill([4], np.float32(area)))
    np.testing.assert_allclose(found, [by_sorting(mask, area) for mask in masks], rtol=1e-5, atol=1e-7)


def test_zero_if_and_only_if_binary_with_the_right_area():
    mask = np.zeros(100, "float32")
    mask[RNG.permutation(100)[:20]] = 1
    masks = np.stack([mask, mask, mask * 0.9, np.roll(mask, 7)]).reshape(4, 10, 10)
    found = area_penalty(tf.constant(masks), tf.constant([0.2, 0.3, 0.2, 0.2])).numpy()
    np.testing.assert_allclose(found, [0, 0.1, 0.2 * 0.01, 0], atol=1e-7)
    assert found[0] == found[3] == 0


def test_gradient_pulls_the_largest_to_one_and_the_others_to_zero():
    masks = RNG.permutation(60).reshape(1, 6, 10).astype("float32") / 60
    with tf.GradientTape() as tape:
        tape.watch(variable := tf.constant(masks))
        value = area_penalty(variable, tf.constant([0.25]))
    ones = masks >= 45 / 60
    np.testing.assert_allclose(tape.gradient(value, variable), 2 / 60 * (masks - ones), atol=1e-6)


def test_equal_values_share_what_is_left():
    masks = np.array([[[0.5, 0.5, 0.5, 0.5, 1.0]]], "float32")
    with tf.GradientTape() as tape:
        tape.watch(variable := tf.constant(masks))
        value = area_penalty(variable, tf.constant([0.6]))
    shares = np.array([0.5, 0.5, 0.5, 0.5, 1.0])
    np.testing.assert_allclose(tape.gradient(value, variable)[0, 0], 2 / 5 * (masks[0, 0] - shares), atol=1e-6)


def test_largest_is_found_bit_by_bit():
    values = RNG.uniform(size=(5, 1001)).astype("float32")
    values[1] **= 30
    values[2] = np.round(values[2], 1)
    ranks = np.array([1, 500, 17, 1001, 0], "float32")
    found = largest(tf.constant(values), tf.constant(ranks)).numpy()
    expected = [np.sort(row)[::-1][int(rank) - 1] for row, rank in zip(values[:4], ranks)]
    np.testing.assert_array_equal(found, [*expected, np.inf])
