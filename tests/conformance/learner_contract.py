"""What every learner promises, as functions of a case; `learner_test.py` runs them.

A learner is made under the scope of a strategy, compiled and built, its optimisers too. `make(deterministic)` leaves
out what draws random numbers, for comparisons between one device and several.
"""

import dataclasses

import keras
import numpy as np

from keras_repvis import data, training

STEPS, BATCH = 20, 16
# Sums of float32 in another order, over 20 steps.
TOLERANCE = 1e-5


@dataclasses.dataclass(frozen=True, eq=False)
class LearnerCase:
    """One learner.

    Attributes:
        name: Public name in `keras_repvis.training`, or what it stands for.
        make: Function of `deterministic` that returns the compiled learner.
    """

    name: str
    make: callable

    def __str__(self):
        return self.name

    def build(self, strategy, deterministic):
        """Return a fresh learner, the same each time."""
        keras.utils.set_random_seed(11)
        with strategy.scope():
            model = self.make(deterministic)
            if strategy.num_replicas_in_sync > 1:
                training.set_batch_norm(model, "synchronized")
        return model


def stream():
    """Return digits, 10 batches an epoch."""
    return data.Stream(data.Source("repvis_digits", f"train[:{10 * BATCH}]"), BATCH, seed=3)


def validation():
    """Return digits whose last batch is short: 20, 20 and 1."""
    return data.Stream(data.Source("repvis_digits", "train[200:241]"), 20, shuffle=False, drop_remainder=False)


def one_device_equals_two_replicas(case):
    """Equal weights and metrics after 20 steps of the same global batches, the short validation batch included."""
    outcomes = []
    for strategy in (training.strategy("one_device"), training.strategy("mirrored", 2)):
        model = case.build(strategy, deterministic=True)
        history = training.fit(model, stream(), STEPS // 10, validation(), progress=False)
        outcomes.append((model.get_weights(), history))
    _compare(*outcomes)


def keras_fit_equals_two_replicas(case):
    """The same when the user calls Keras' own `fit`."""
    outcomes = []
    for strategy in (training.strategy("one_device"), training.strategy("mirrored", 2)):
        model = case.build(strategy, deterministic=True)
        training.wrap_optimizers(model)
        history = model.fit(stream().dataset(epochs=2), epochs=2, steps_per_epoch=10, shuffle=False, verbose=0).history
        outcomes.append((model.get_weights(), [dict(zip(history, values)) for values in zip(*history.values())]))
    _compare(*outcomes)


def goes_on_bit_for_bit(case, directory):
    """Stopped in the middle of an epoch and gone on with in a fresh learner, it ends with the same bits and metrics."""

    class Stop(keras.callbacks.Callback):
        steps = 0

        def on_train_batch_end(self, batch, logs=None):
            self.steps += 1
            if self.steps == 5:
                raise _Stopped

    def run(path, callbacks=()):
        model = case.build(training.strategy("one_device"), deterministic=False)
        history = training.fit(
            model, stream(), 2, validation(), run=path, save_steps=4, callbacks=callbacks, progress=False
        )
        return training.LearnerState(model).read(), [dict(entry, seconds=0) for entry in history]

    arrays, history = run(directory / "whole")
    for _ in range(2):  # After 5 steps, then after 9; the newest checkpoint is one step behind.
        try:
            run(directory / "stopped", [Stop()])
        except _Stopped:
            continue
        raise AssertionError("it was not stopped")
    found, found_history = run(directory / "stopped")
    names = [description["name"] for description in _describe(case)]
    different = [name for name, one, two in zip(names, arrays, found, strict=True) if not np.array_equal(one, two)]
    assert different == []
    assert found_history == history


CHECKS = (one_device_equals_two_replicas, keras_fit_equals_two_replicas, goes_on_bit_for_bit)


class _Stopped(Exception):
    """Raised by a callback where a process would have died."""


def _describe(case):
    model = case.build(training.strategy("one_device"), deterministic=False)
    training.fit(model, stream(), 1, progress=False)
    return training.LearnerState(model).describe()


def _compare(one, two):
    for alone, together in zip(one[0], two[0], strict=True):
        np.testing.assert_allclose(together, alone, rtol=0, atol=TOLERANCE)
    for entry, other in zip(one[1], two[1], strict=True):
        assert entry.keys() == other.keys()
        for name in entry.keys() - {"seconds"}:
            np.testing.assert_allclose(other[name], entry[name], rtol=TOLERANCE, atol=TOLERANCE, err_msg=name)
