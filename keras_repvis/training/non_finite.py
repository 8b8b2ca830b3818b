"""Runs whose loss or gradients stop being numbers: stopped with a name, or the step left out and counted."""

import math

from keras_repvis import checks

POLICIES = ("stop", "skip")


class NonFiniteError(ArithmeticError):
    """A loss or a gradient is NaN or infinite.

    Example:
        >>> issubclass(keras_repvis.training.NonFiniteError, ArithmeticError)
        True
    """


class NonFiniteWatch:
    """Looks at each step's gradients and logs.

    A step with a gradient that is not finite changes no weight: `GlobalGradientOptimizer` leaves it out.

    Args:
        model: `keras.Model` that trains.
        optimizers: List of its `GlobalGradientOptimizer`s.
        policy: "stop" raises `NonFiniteError`; "skip" counts the step and takes it out of the metrics.

    Attributes:
        skipped: Integer, steps left out so far.

    Raises:
        ValueError: If the policy is not known.

    """

    def __init__(self, model, optimizers, policy="stop"):
        self.policy = checks.one_of("on_non_finite", policy, POLICIES)
        self._model = model
        self._optimizers = list(optimizers)
        self.skipped = self._count()
        self._metrics = None

    def before_step(self):
        """Keep what the metrics hold, so that a step can be taken out of them."""
        if self.policy == "skip":
            self._metrics = [variable.numpy() for variable in self._model.metrics_variables]

    def after_step(self, step, logs):
        """Look at a step.

        Args:
            step: Integer, number of the step since the start of the run, from 1.
            logs: Dict of the step's metrics, floats.

        Returns:
            Description of what was left out, or None.

        Raises:
            NonFiniteError: If something is not finite, unless the step was left out and that is the policy.
        """
        counted = self._count()
        odd = [f"{name} is {value}" for name, value in logs.items() if not math.isfinite(value)]
        if counted == self.skipped and not odd:
            return None
        message = f"step {step}: {'; '.join(odd + self._gradients(counted))}"
        if self.policy == "stop" or counted == self.skipped:
            raise NonFiniteError(message)
        self.skipped = counted
        for variable, value in zip(self._model.metrics_variables, self._metrics, strict=True):
            variable.assign(value)
        return message

    def _count(self):
        return sum(optimizer.non_finite_steps for optimizer in self._optimizers)

    def _gradients(self, counted):
        if counted == self.skipped:
            return []
        names = [name for optimizer in self._optimizers for name in optimizer.non_finite_gradients]
        more = f" and of {len(names) - 1} more" if len(names) > 1 else ""
        return [f"the gradient of {names[0]}{more} is not finite"]
