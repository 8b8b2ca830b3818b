"""Runs whose loss or gradients stop being numbers: stopped with a name, or the step left out and counted."""

import math

import tensorflow as tf

from keras_repvis import checks
from keras_repvis.training import learner_state

POLICIES = ("stop", "skip")


class NonFiniteError(ArithmeticError):
    """A loss or a gradient is NaN or infinite.

    A step with such a gradient has moved no weight; batch statistics it may have spoilt.

    Example:
        >>> issubclass(keras_repvis.training.NonFiniteError, ArithmeticError)
        True
    """


class NonFiniteWatch:
    """Looks at each step's gradients and logs.

    A step with a gradient that is not finite changes no weight: `GlobalGradientOptimizer` leaves it out. What the
    forward pass changes (batch statistics, metrics, pools) it may have spoilt all the same.

    Args:
        model: `keras.Model` that trains.
        optimizers: List of its `GlobalGradientOptimizer`s.
        policy: "stop" raises `NonFiniteError`; "skip" takes the step back from everything else too, random draws
            included, so that the run goes on as if the batch had not been there.

    Raises:
        ValueError: If the policy is not known.

    """

    def __init__(self, model, optimizers, policy="stop"):
        self.policy = checks.one_of("on_non_finite", policy, POLICIES)
        self._model = model
        self._optimizers = list(optimizers)
        self._left_out = None
        self._logs = {}
        self._read = None

    def before_step(self):
        """Keep what a step may have to be taken back from."""
        if self._left_out is None:  # Not sooner: until now a checkpoint may have been restored.
            self._left_out, self._counted = self._count_left_out(), self._count()
        if self.policy == "skip":
            if self._read is None:
                local = self._model.distribute_strategy.experimental_local_results
                variables = learner_state.variables_beside_optimizers(self._model)
                self._copies = [copy for variable in variables for copy in local(variable)]
                self._read = tf.function(lambda: [tf.identity(copy) for copy in self._copies], autograph=False)
            self._values = self._read()

    def after_step(self, step, logs):
        """Look at a step.

        Args:
            step: Integer, number of the step since the start of the run, from 1.
            logs: Dict of the step's metrics, floats. If the step is taken back, they become those of the step before.

        Returns:
            Description of what was left out, or None.

        Raises:
            NonFiniteError: If something is not finite, unless the step was left out and that is the policy.
        """
        before, self._left_out = self._left_out, self._count_left_out()
        failed = [each for each, old, new in zip(self._optimizers, before, self._left_out) if new > old]
        odd = [name for name, value in logs.items() if not math.isfinite(value)]
        counted = self._counted
        if failed:
            self._counted = self._count()
        message = None
        # With a loss scale, gradients that are not finite are expected now and then.
        if odd or self._counted > counted:
            parts = [f"{name} is {logs[name]}" for name in odd] + _describe(failed)
            message = f"step {step}: {'; '.join(parts)}"
            if self.policy == "stop" or not failed:
                raise NonFiniteError(message)
        if failed and self.policy == "skip":
            for copy, value in zip(self._copies, self._values):
                copy.assign(value)
            logs.update(self._logs)
        else:
            self._logs = dict(logs)
        return message

    def _count_left_out(self):
        return [optimizer.left_out_steps for optimizer in self._optimizers]

    def _count(self):
        return sum(optimizer.non_finite_steps for optimizer in self._optimizers)


def _describe(failed):
    names = [name for optimizer in failed for name in optimizer.non_finite_gradients]
    more = f" and of {len(names) - 1} more" if len(names) > 1 else ""
    return [f"the gradient of {names[0]}{more} is not finite"] if names else []
