"""The rates of CycleGAN's 200 epochs: as its code has them, and so that the last epoch learns too."""

import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.training.epoch_decay import EpochDecay
from keras_repvis.training.schedules import make_schedule

STEPS = 1096  # An epoch of the maps.


def factors(name):
    """Factors of epochs 1 to 200, at the first and at the last step of each."""
    schedule = make_schedule(name, 2e-4, 200 * STEPS, rampdown_steps=100 * STEPS, epoch_steps=STEPS)
    rates = tf.function(lambda steps: tf.map_fn(schedule, steps, fn_output_signature=tf.float32))
    first = rates(tf.constant(np.arange(200) * STEPS))
    last = rates(tf.constant(np.arange(200) * STEPS + STEPS - 1))
    np.testing.assert_array_equal(first, last)
    return np.asarray(first) / 2e-4


def test_the_authors_formula_ends_with_an_epoch_of_rate_zero():
    found = factors("cyclegan")
    expected = [1 - max(0, epoch + 1 - 100) / 101 for epoch in range(1, 201)]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert found[98] == pytest.approx(1) and found[99] == pytest.approx(0.990099) and found[199] == 0


def test_stairs_are_one_epoch_behind_and_learn_to_the_end():
    found = factors("stairs")
    np.testing.assert_allclose(found[1:], factors("cyclegan")[:-1], rtol=1e-6)
    assert found[99] == pytest.approx(1) and found[100] == pytest.approx(100 / 101)
    assert found[199] == pytest.approx(1 / 101, rel=1e-4)
    assert np.ptp(np.diff(found[99:])) < 1e-6  # A straight line, also from the last constant epoch.


def test_the_end_of_a_run_of_ten_million_steps_is_counted_exactly():
    schedule = EpochDecay(1.0, epoch_steps=100_001, constant_epochs=100, rampdown_epochs=100)
    before, after = 199 * 100_001 - 1, 199 * 100_001
    assert float(schedule(before)) == pytest.approx(2 / 101, rel=1e-4)
    assert float(schedule(after)) == pytest.approx(1 / 101, rel=1e-4)
    assert float(schedule(10 * after)) == pytest.approx(1 / 101, rel=1e-4)


def test_epochs_count_from_the_start_of_the_run_through_a_warm_up():
    schedule = make_schedule("stairs", 1.0, 60, warmup_steps=5, rampdown_steps=30, epoch_steps=10)
    rates = [float(schedule(step)) for step in range(60)]
    assert rates[:5] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
    assert rates[5:] == pytest.approx([1.0] * 25 + [0.75] * 10 + [0.5] * 10 + [0.25] * 10)
