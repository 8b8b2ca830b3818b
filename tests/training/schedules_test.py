"""Schedules against their formulas in float64, in compiled code, and back from a file."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.training import schedules
from keras_repvis.training.epoch_decay import EpochDecay
from keras_repvis.training.schedules import LinearThen, RampUpDown, make_schedule

PEAK, STEPS, WARMUP = 0.4, 60, 12
RUN = np.arange(STEPS + 3)


def after_warm_up(t, w):
    return np.clip((t - w) / (STEPS - w), 0, 1)


# name, options, rate from the end of the warm-up on; w is the length of the warm-up
CASES = {
    "constant": ("constant", {}, lambda t, w: np.ones(len(t))),
    "cosine": ("cosine", {}, lambda t, w: (1 + np.cos(np.pi * after_warm_up(t, w))) / 2),
    "linear": ("linear", {}, lambda t, w: 1 - after_warm_up(t, w)),
    "last_third": ("linear", {"rampdown_steps": 20}, lambda t, w: np.clip((60 - t) / 20, 0, 1)),
    "step": ("step", {}, lambda t, w: np.where(t < 30, 1, np.where(t < 45, 0.1, 0.01))),
    "at_steps": (
        "step",
        {"milestones": (20, 0.5, 59), "step_factor": 0.5},
        lambda t, w: 0.5 ** ((t >= 20) * 1 + (t >= 30) + (t >= 59)),
    ),
    "rampdown": (
        "rampdown",
        {},
        lambda t, w: (w > 0 or np.exp(-5 * (1 - np.clip(t / 16, 0, 1)) ** 2))
        * np.exp(-12.5 * np.clip((t - 50) / 10, 0, 1) ** 2),
    ),
    "hybridnet": (
        "rampdown",
        {"rampup_steps": 0, "rampdown_steps": 30, "rampdown_steepness": 5},
        lambda t, w: np.exp(-5 * np.clip((t - 30) / 30, 0, 1) ** 2),
    ),
}


CASES |= {
    # 60 epochs of one step, the last 30 of which fall; and 6 epochs of 10 steps, of which 4 fall.
    "stairs": ("stairs", {}, lambda t, w: 1 - np.clip(np.minimum(t + 1, 60) - 30, 0, None) / 31),
    "cyclegan": (
        "cyclegan",
        {"epoch_steps": 10, "rampdown_steps": 40},
        lambda t, w: 1 - np.clip(np.minimum(t // 10 + 1, 6) + 1 - 2, 0, None) / 5,
    ),
}


def expected(case, warmup):
    rates = PEAK * CASES[case][2](RUN, warmup)
    return np.where(warmup > RUN, PEAK * RUN / max(warmup, 1), rates)


def make(case, warmup):
    name, options, _ = CASES[case]
    return make_schedule(name, PEAK, STEPS, warmup, **options)


@pytest.mark.parametrize("warmup", [0, WARMUP])
@pytest.mark.parametrize("case", CASES)
def test_formula(case, warmup):
    schedule = make(case, warmup)
    if case == "constant" and not warmup:
        assert schedule == PEAK
        return
    np.testing.assert_allclose([float(schedule(step)) for step in RUN], expected(case, warmup), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("case", CASES)
def test_compiled_and_with_the_steps_of_an_optimiser(case):
    schedule = make(case, WARMUP)
    rates = tf.function(lambda steps: tf.map_fn(schedule, steps, fn_output_signature=tf.float32))
    for dtype in ("int32", "int64", "float32"):
        np.testing.assert_allclose(rates(tf.constant(RUN, dtype)), expected(case, WARMUP), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("case", CASES)
def test_a_saved_model_goes_on_with_its_schedule(case, tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(make(case, WARMUP)), "mse")
    model.optimizer.build(model.trainable_variables)
    model.optimizer.iterations.assign(33)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras").optimizer
    assert float(again.learning_rate) == float(model.optimizer.learning_rate)
    assert float(again.learning_rate) == pytest.approx(expected(case, WARMUP)[33], rel=1e-5)
    again.iterations.assign(5)
    assert float(again.learning_rate) == pytest.approx(PEAK * 5 / WARMUP, rel=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_configurations_are_json(case):
    config = keras.saving.serialize_keras_object(make(case, WARMUP))
    again = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
    assert keras.saving.serialize_keras_object(again) == config
    assert [float(again(step)) for step in RUN] == [float(make(case, WARMUP)(step)) for step in RUN]


def test_cosine_is_keras_own_to_the_bit():
    decay = keras.optimizers.schedules.CosineDecay
    for warmup, theirs in ((0, decay(PEAK, 60)), (12, decay(0.0, 48, warmup_target=PEAK, warmup_steps=12))):
        mine = make_schedule("cosine", PEAK, STEPS, warmup)
        assert type(mine) is decay
        assert [float(mine(step)) for step in RUN] == [float(theirs(step)) for step in RUN]


def test_ramps_take_the_papers_share_of_the_run():
    """80 and 50 of 300 epochs (Temporal Ensembling), 40,000 and 25,000 of 150,000 steps (Mean Teacher)."""
    for steps, up, down in ((300, 80, 50), (150_000, 40_000, 25_000)):
        schedule = make_schedule("rampdown", 1.0, steps)
        assert (schedule.rampup_steps, schedule.rampdown_steps) == (up, down)


@pytest.mark.parametrize("name", schedules.SCHEDULES)
@pytest.mark.parametrize(("steps", "warmup"), [(1, 0), (1, 1), (2, 1), (5, 5)])
def test_the_shortest_runs(name, steps, warmup):
    if name == "step" and warmup == 5:
        with pytest.raises(ValueError, match="5 steps of warm-up"):
            make_schedule(name, PEAK, steps, warmup)
        return
    schedule = make_schedule(name, PEAK, steps, warmup)
    rates = [PEAK if isinstance(schedule, float) else float(schedule(step)) for step in range(steps + 2)]
    assert np.all(np.isfinite(rates)) and np.all(np.array(rates) >= 0) and max(rates) <= PEAK * (1 + 1e-6)


def test_milestones_that_fall_together_in_a_short_run_count_each():
    schedule = make_schedule("step", 1.0, steps=4, milestones=(0.5, 0.55, 0.75))
    assert [float(schedule(step)) for step in range(5)] == pytest.approx([1, 1, 0.01, 0.001, 0.001])


def test_a_line_before_a_schedule_of_keras():
    decay = keras.optimizers.schedules.ExponentialDecay(1.0, decay_steps=1, decay_rate=0.5)
    schedule = LinearThen(decay, start=3.0, end=1.0, steps=4)
    assert [float(schedule(step)) for step in range(7)] == [3.0, 2.5, 2.0, 1.5, 1.0, 0.5, 0.25]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "cosin"}, "Did you mean 'cosine'"),
        ({"name": "cosine", "peak": 0}, "peak=0 is not accepted"),
        ({"name": "cosine", "steps": 0}, "steps=0"),
        ({"name": "cosine", "steps": 2.5}, "steps=2.5"),
        ({"name": "cosine", "warmup_steps": 101}, "warmup_steps=101"),
        ({"name": "cosine", "step_factor": 0.1}, "step_factor=0.1 is not accepted with schedule='cosine'.*to step"),
        ({"name": "step", "rampdown_steps": 9}, "rampdown_steps=9 .*'step': .* to cyclegan, linear, rampdown, stairs"),
        ({"name": "linear", "rampdown_steps": 0}, "rampdown_steps=0"),
        ({"name": "linear", "rampdown_steps": 91, "warmup_steps": 10}, "rampdown_steps=91 .*<= 90"),
        ({"name": "rampdown", "rampup_steps": 101}, "rampup_steps=101"),
        ({"name": "rampdown", "rampup_steps": 60, "rampdown_steps": 41}, "rampdown_steps=41 .*<= 40"),
        ({"name": "rampdown", "rampdown_steepness": 0}, "rampdown_steepness=0"),
        ({"name": "rampdown", "rampup_steps": 5, "warmup_steps": 5}, "rampup_steps=5 .*with warmup_steps=5"),
        ({"name": "stairs", "epoch_steps": 0}, "epoch_steps=0"),
        ({"name": "stairs", "epoch_steps": 10, "rampdown_steps": 15}, "rampdown_steps=15 .*multiple of epoch_steps=10"),
        ({"name": "cyclegan", "epoch_steps": 10, "rampdown_steps": 110}, "rampdown_steps=110 .*<= 100"),
        ({"name": "stairs", "epoch_steps": 10, "rampdown_steps": 90, "warmup_steps": 15}, "rampdown_steps=90 .*<= 80"),
        ({"name": "linear", "epoch_steps": 10}, "epoch_steps=10 .*'linear': it belongs to cyclegan, stairs"),
        ({"name": "step", "step_factor": 0}, "step_factor=0"),
        ({"name": "step", "step_factor": 1.5}, "step_factor=1.5"),
        ({"name": "step", "milestones": ()}, r"milestones=\(\)"),
        ({"name": "step", "milestones": (0.5, 1.5)}, "1.5 is neither a fraction"),
        ({"name": "step", "milestones": (100,)}, "100 is neither .* < 100"),
        ({"name": "step", "milestones": (0,)}, "0 is neither"),
        ({"name": "step", "milestones": (True,)}, "True is neither"),
        ({"name": "step", "milestones": ("0.5",)}, "'0.5' is neither"),
        ({"name": "step", "milestones": (0.7, 0.3)}, "increasing"),
        ({"name": "step", "milestones": (30, 30)}, "increasing"),
        ({"name": "step", "milestones": (0.1,), "warmup_steps": 20}, "20 steps of warm-up"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_schedule(**{"peak": 1.0, "steps": 100, **arguments})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda decay: LinearThen(0.1, 0, 1, 2), "schedule=0.1 is not accepted: expected a keras"),
        (lambda decay: LinearThen(decay, -1, 1, 2), "start=-1"),
        (lambda decay: LinearThen(decay, 0, "1", 2), "end='1'"),
        (lambda decay: LinearThen(decay, 0, 1, 0), "steps=0"),
        (lambda decay: EpochDecay(0, 1, 1, 1), "peak=0"),
        (lambda decay: EpochDecay(1, 0, 1, 1), "epoch_steps=0"),
        (lambda decay: EpochDecay(1, 1, -1, 1), "constant_epochs=-1"),
        (lambda decay: EpochDecay(1, 1, 1, 1.5), "rampdown_epochs=1.5"),
        (lambda decay: EpochDecay(1, 1, 1, 1, early="x"), "early='x'"),
        (lambda decay: EpochDecay(1, 1, 1, 1, first_step=-1), "first_step=-1"),
        (lambda decay: RampUpDown(0, 10), "peak=0"),
        (lambda decay: RampUpDown(1, 0), "steps=0"),
        (lambda decay: RampUpDown(1, 10, 11), "rampup_steps=11"),
        (lambda decay: RampUpDown(1, 10, 5, 6), "rampdown_steps=6 .*<= 5"),
        (lambda decay: RampUpDown(1, 10, rampdown_steepness=-1), "rampdown_steepness=-1"),
    ],
)
def test_wrong_arguments_of_the_classes_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make(keras.optimizers.schedules.CosineDecay(1.0, 10))
