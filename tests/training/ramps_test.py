"""Ramps against their closed forms, as numbers and as the weight of a loss in a compiled train step."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.training import ramps

# Each as a function of the step alone, with its formula in float64.
CASES = {
    "sigmoid_ramp_up": (
        functools.partial(ramps.sigmoid_ramp_up, ramp_steps=40),
        lambda step: np.exp(-5 * (1 - np.clip(step / 40, 0, 1)) ** 2),
    ),
    "sigmoid_ramp_down": (
        functools.partial(ramps.sigmoid_ramp_down, ramp_steps=30, total_steps=100),
        lambda step: np.exp(-12.5 * np.clip((step - 70) / 30, 0, 1) ** 2),
    ),
    "hybridnet": (
        functools.partial(ramps.sigmoid_ramp_down, ramp_steps=30, total_steps=100, steepness=5),
        lambda step: np.exp(-5 * np.clip((step - 70) / 30, 0, 1) ** 2),
    ),
    "linear_ramp_up": (functools.partial(ramps.linear_ramp_up, ramp_steps=40), lambda step: np.clip(step / 40, 0, 1)),
    "cosine_ramp_down": (
        functools.partial(ramps.cosine_ramp_down, ramp_steps=80),
        lambda step: (1 + np.cos(np.pi * np.clip(step / 80, 0, 1))) / 2,
    ),
}
STEPS = np.array([-3, 0, 1, 10, 20, 39, 40, 41, 70, 71, 80, 85, 99, 100, 130])


def test_the_published_curve_at_quarters():
    found = [float(ramps.sigmoid_ramp_up(quarter, ramp_steps=4)) for quarter in range(5)]
    assert found == pytest.approx([0.006738, 0.060055, 0.286505, 0.731616, 1], abs=5e-7)


def test_the_ramps_down_end_above_zero():
    assert float(ramps.sigmoid_ramp_down(10, 10, 10)) == pytest.approx(3.726653e-6, rel=1e-5)
    assert float(ramps.sigmoid_ramp_down(10, 10, 10, steepness=5)) == pytest.approx(6.737947e-3, rel=1e-5)


def test_the_curve_of_the_temporal_ensembling_program_is_the_papers_for_50_epochs_only():
    program = {length: [np.exp(-((epoch / 2) ** 2) / length) for epoch in range(length + 1)] for length in (20, 50)}
    paper = {length: ramps.sigmoid_ramp_down(np.arange(length + 1), length, length) for length in (20, 50)}
    np.testing.assert_allclose(paper[50], program[50], rtol=1e-5)
    np.testing.assert_allclose(ramps.sigmoid_ramp_down(np.arange(21), 20, 20, steepness=20 / 4), program[20], rtol=1e-5)
    assert np.abs(paper[20] - program[20]).max() > 0.1


@pytest.mark.parametrize("case", CASES)
def test_formula(case):
    ramp, formula = CASES[case]
    found = ramp(STEPS)
    assert found.dtype == "float32"
    np.testing.assert_allclose(found, formula(STEPS), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("case", CASES)
def test_every_kind_of_step_gives_the_same_number(case):
    ramp, formula = CASES[case]
    compiled = tf.function(ramp)
    kinds = (85, 85.0, np.int64(85), tf.constant(85, tf.int64), keras.Variable(85, dtype="int32"))
    found = [ramp(step) for step in kinds] + [compiled(tf.constant(85, tf.int64))]
    assert [value.dtype for value in found] == [tf.float32] * 6
    assert [value.shape for value in found] == [()] * 6
    np.testing.assert_allclose(found, formula(85), rtol=1e-5, atol=1e-7)


def test_a_ramp_of_no_steps_is_one():
    for ramp in (ramps.sigmoid_ramp_up, ramps.linear_ramp_up):
        assert ramp(STEPS, 0).numpy().tolist() == [1.0] * len(STEPS)
    assert ramps.sigmoid_ramp_down(STEPS, 0, 100).numpy().tolist() == [1.0] * len(STEPS)


def test_weighs_a_loss_in_a_compiled_train_step():
    """With the loss ramp(t) w and rate 1, w ends at minus the sum of the ramp."""

    class Learner(keras.Model):
        def __init__(self):
            super().__init__()
            self.weight = self.add_weight(shape=(), initializer="zeros")

        def train_step(self, data):
            with tf.GradientTape() as tape:
                loss = ramps.sigmoid_ramp_up(self.optimizer.iterations, ramp_steps=4) * self.weight
            self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
            return {"loss": loss}

    learner = Learner()
    learner.compile(keras.optimizers.SGD(1.0), jit_compile=False)
    learner.fit(np.zeros((6, 1)), batch_size=1, verbose=0)
    assert float(learner.weight) == pytest.approx(-(0.006738 + 0.060055 + 0.286505 + 0.731616 + 1 + 1), abs=1e-5)


@pytest.mark.parametrize(
    ("ramp", "arguments", "message"),
    [
        (ramps.sigmoid_ramp_up, {"ramp_steps": -1}, "ramp_steps=-1 is not accepted: expected a number >= 0"),
        (ramps.sigmoid_ramp_up, {"ramp_steps": 4, "steepness": 0}, "steepness=0"),
        (ramps.sigmoid_ramp_down, {"ramp_steps": -1, "total_steps": 4}, "ramp_steps=-1"),
        (ramps.sigmoid_ramp_down, {"ramp_steps": 5, "total_steps": 4}, "total_steps=4 is not accepted.*>= 5"),
        (ramps.sigmoid_ramp_down, {"ramp_steps": 4, "total_steps": 4, "steepness": -5}, "steepness=-5"),
        (ramps.linear_ramp_up, {"ramp_steps": "4"}, "ramp_steps='4'"),
        (ramps.cosine_ramp_down, {"ramp_steps": 0}, "ramp_steps=0 is not accepted: expected a number > 0"),
    ],
)
def test_wrong_arguments_are_named(ramp, arguments, message):
    with pytest.raises(ValueError, match=message):
        ramp(0, **arguments)
