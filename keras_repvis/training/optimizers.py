"""Optimisers and learning-rate schedules by name."""

import keras

from keras_repvis import checks

OPTIMIZERS = ("adam", "adamw", "rmsprop", "sgd")
SCHEDULES = ("constant", "cosine")


def make_optimizer(name, learning_rate, schedule="constant", steps=1, warmup_steps=0, weight_decay=0.0):
    """Return a Keras optimiser.

    With peak rate r, w warm-up steps and T steps in all, step t has the rate r t / w while t < w, then r ("constant")
    or r (1 + cos(pi (t - w) / (T - w))) / 2 ("cosine").

    Args:
        name: "adam", "adamw", "rmsprop" (decay 0.9, momentum 0.9) or "sgd" (Nesterov momentum 0.9).
        learning_rate: Number > 0, the peak rate.
        schedule: "constant" or "cosine".
        steps: Integer >= 1, length of the run in steps; used by "cosine".
        warmup_steps: Integer >= 0 and <= `steps`.
        weight_decay: Number >= 0, decoupled; w <- w - rate * weight_decay * w a step.

    Returns:
        `keras.optimizers.Optimizer`.

    Raises:
        ValueError: If a name is unknown or a number out of range.

    Example:
        >>> rate = keras_repvis.training.make_optimizer("sgd", 0.1, schedule="cosine", steps=100).learning_rate
        >>> round(float(rate), 6)
        0.1

    Reference:
        Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017, eq. 5 (one period).
    """
    checks.one_of("optimizer", name, OPTIMIZERS)
    checks.number("learning_rate", learning_rate, above=0)
    checks.number("weight_decay", weight_decay, low=0)
    rate = _rate(learning_rate, schedule, steps, warmup_steps)
    decay = weight_decay or None
    if name == "adam":
        return keras.optimizers.Adam(rate, weight_decay=decay)
    if name == "adamw":
        return keras.optimizers.AdamW(rate, weight_decay=weight_decay)
    if name == "rmsprop":
        return keras.optimizers.RMSprop(rate, rho=0.9, momentum=0.9, weight_decay=decay)
    return keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=decay)


def _rate(learning_rate, schedule, steps, warmup_steps):
    checks.one_of("schedule", schedule, SCHEDULES)
    checks.number("steps", steps, low=1, integer=True)
    checks.number("warmup_steps", warmup_steps, low=0, high=steps, integer=True)
    if schedule == "constant" and not warmup_steps:
        return learning_rate
    # Keras' schedule counts the warm-up apart, and stays at `alpha` times the peak after the decay.
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup_steps else learning_rate,
        decay_steps=max(steps - warmup_steps, 1),
        alpha=1.0 if schedule == "constant" else 0.0,
        warmup_target=learning_rate if warmup_steps else None,
        warmup_steps=warmup_steps,
    )
