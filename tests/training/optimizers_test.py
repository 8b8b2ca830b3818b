"""What the optimisers' names mean, and that a schedule reaches them with its options."""

import math

import keras
import pytest

from keras_repvis import training


def rates(optimizer, steps):
    schedule = optimizer._learning_rate
    return [float(schedule(step)) for step in steps]


def test_cosine_with_warm_up_follows_the_formula():
    optimizer = training.make_optimizer("adam", 0.4, schedule="cosine", steps=100, warmup_steps=20)
    expected = [
        0.4 * t / 20 if t < 20 else 0.4 * (1 + math.cos(math.pi * (t - 20) / 80)) / 2 for t in (0, 5, 19, 20, 60, 100)
    ]
    assert rates(optimizer, (0, 5, 19, 20, 60, 100)) == pytest.approx(expected, abs=1e-6)


def test_constant_with_warm_up_stays_at_the_peak():
    optimizer = training.make_optimizer("sgd", 0.5, steps=50, warmup_steps=10)
    assert rates(optimizer, (0, 5, 10, 30, 50)) == pytest.approx([0, 0.25, 0.5, 0.5, 0.5], abs=1e-6)


@pytest.mark.parametrize(
    ("schedule", "options", "last"),
    [
        ("linear", {"rampdown_steps": 10}, 0.05),
        ("rampdown", {"rampup_steps": 0, "rampdown_steps": 10, "rampdown_steepness": 5}, 0.5 * math.exp(-5 * 0.9**2)),
        ("step", {"milestones": (10, 40), "step_factor": 0.5}, 0.125),
    ],
)
@pytest.mark.parametrize("name", ["adam", "adamw", "rmsprop", "sgd"])
def test_options_of_the_schedule(name, schedule, options, last):
    optimizer = training.make_optimizer(name, 0.5, schedule=schedule, steps=50, warmup_steps=5, **options)
    assert rates(optimizer, (0, 5, 49)) == pytest.approx([0, 0.5, last], abs=1e-6)


def test_a_number_stays_a_number():
    """So that it can be set between epochs."""
    optimizer = training.make_optimizer("sgd", 0.5, "constant", 10)
    optimizer.learning_rate = 0.25
    assert float(optimizer.learning_rate) == 0.25


def test_weight_decay_is_decoupled():
    for name in ("adam", "adamw", "rmsprop", "sgd"):
        optimizer = training.make_optimizer(name, 0.1, weight_decay=0.2)
        weight = keras.Variable([2.0])
        optimizer.build([weight])
        optimizer.apply([keras.ops.zeros(1)])
        assert float(weight[0]) == pytest.approx(2.0 - 0.1 * 0.2 * 2.0, rel=1e-5), name


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"name": "addam", "learning_rate": 1.0}, "Did you mean 'adam'"),
        ({"name": "adam", "learning_rate": 0.0}, "learning_rate=0.0"),
        ({"name": "adam", "learning_rate": 1.0, "schedule": "cosin"}, "Did you mean 'cosine'"),
        ({"name": "adam", "learning_rate": 1.0, "steps": 5, "warmup_steps": 6}, "warmup_steps=6"),
        ({"name": "adam", "learning_rate": 1.0, "weight_decay": -1}, "weight_decay=-1"),
        ({"name": "adam", "learning_rate": 1.0, "milestones": (0.5,)}, "milestones=.*it belongs to step"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        training.make_optimizer(**arguments)
