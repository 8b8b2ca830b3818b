import math

import numpy as np
import pytest
from scipy import optimize

from keras_repvis.analysis import information


@pytest.mark.parametrize("sizes", [(3, 2), (6, 3), (12, 4), (8, 4), (4, 6)])
def test_simulation_within_five_sigma(sizes):
    samples = 40_000
    exact = float(information.collapsed_share(*sizes))
    share = information.simulate_collapsed_share(*sizes, samples=samples, seed=1)
    assert abs(share - exact) <= 5 * math.sqrt(exact * (1 - exact) / samples)


def test_simulation_is_seeded():
    first = information.simulate_collapsed_share(6, 3, samples=3000, seed=5)
    assert first == information.simulate_collapsed_share(6, 3, samples=3000, seed=5)
    assert first != information.simulate_collapsed_share(6, 3, samples=3000, seed=6)


def _unique_by_linear_program(weights, x, biases, max_value=None):
    """Whether no other input has the same output: the solution set has no extent along any axis."""
    before = weights @ x + biases
    active = (before > 0) & (before < (np.inf if max_value is None else max_value))
    low, high = before <= 0, before >= (np.inf if max_value is None else max_value)
    inequalities = np.concatenate([weights[low], -weights[high]])
    limits = np.concatenate([-biases[low], biases[high] - (max_value or 0)])
    for axis in np.eye(len(x)):
        for direction in (axis, -axis):
            result = optimize.linprog(
                -direction,
                inequalities if len(inequalities) else None,
                limits if len(inequalities) else None,
                weights[active] if active.any() else None,
                before[active] - biases[active] if active.any() else None,
                bounds=[(None, None)] * len(x),
            )
            if result.status == 3 or (result.status == 0 and abs(direction @ (result.x - x)) > 1e-6):
                return False
            assert result.status == 0
    return True


@pytest.mark.parametrize("max_value", [None, 1.0])
def test_checker_agrees_with_linear_programs(max_value):
    generator = np.random.default_rng(11)
    verdicts = []
    for _ in range(60):
        rows, columns = generator.integers(2, 7), generator.integers(1, 4)
        weights = generator.standard_normal((rows, columns))
        if generator.random() < 0.3:
            weights[-1] = 2 * weights[0]  # Dependent rows: the count of active rows alone would mislead.
        x, biases = generator.standard_normal(columns), 0.3 * generator.standard_normal(rows)
        verdict = bool(information.is_recoverable(weights, x, biases, max_value))
        assert verdict == _unique_by_linear_program(weights, x, biases, max_value)
        verdicts.append(verdict)
    assert 10 < sum(verdicts) < 50


def test_enough_active_rows_that_do_not_span():
    weights = np.array([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]])
    assert not information.is_recoverable(weights, [1.0, 1.0])
    # Nearly dependent rows still span: the doubtful Gram matrix is decided by singular values.
    weights[2, 1] += 1e-8
    assert information.is_recoverable(weights, [1.0, 1.0])


def test_recovers_exactly_where_the_active_rows_span():
    generator = np.random.default_rng(2)
    weights, biases = generator.standard_normal((10, 4)), generator.standard_normal(10)
    inputs = generator.standard_normal((200, 4))
    recoverable = information.is_recoverable(weights, inputs, biases)
    outputs = np.maximum(inputs @ weights.T + biases, 0)
    errors = np.array([np.abs(information.recover(weights, y, biases) - x).max() for x, y in zip(inputs, outputs)])
    assert 0 < recoverable.mean() < 1
    assert errors[recoverable].max() < 1e-6
    assert errors[~recoverable].min() > 1e-3


def test_shapes_are_kept():
    weights = np.random.default_rng(0).standard_normal((8, 3))
    inputs = np.random.default_rng(1).standard_normal((2, 5, 3))
    verdicts = information.is_recoverable(weights, inputs)
    assert verdicts.shape == (2, 5)
    assert all(verdicts[i, j] == information.is_recoverable(weights, inputs[i, j]) for i in range(2) for j in range(5))


@pytest.mark.parametrize(
    "arguments,named",
    [
        (([1.0, 2.0], [1.0]), "weights"),
        (([[1.0, 2.0]], [1.0]), "inputs"),
        (([[1.0, 2.0]], [1.0, 1.0], [1.0, 1.0]), "biases"),
        (([[1.0, 2.0]], [1.0, 1.0], None, 0), "max_value"),
    ],
)
def test_bad_arguments_are_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        information.is_recoverable(*arguments)
    with pytest.raises(ValueError, match="outputs"):
        information.recover([[1.0, 2.0]], [1.0, 1.0])
    with pytest.raises(ValueError, match="samples=0"):
        information.simulate_collapsed_share(6, 3, samples=0)
