"""Optimisers by name."""

import keras

from keras_repvis import checks
from keras_repvis.training.schedules import SCHEDULES, make_schedule

OPTIMIZERS = ("adam", "adamw", "rmsprop", "sgd")


def make_optimizer(
    name, learning_rate, schedule="constant", steps=1, warmup_steps=0, weight_decay=0.0, **schedule_options
):
    """Return a Keras optimiser.

    Args:
        name: "adam", "adamw", "rmsprop" (decay 0.9, momentum 0.9) or "sgd" (Nesterov momentum 0.9).
        learning_rate: Number > 0, the peak rate.
        schedule: "constant", "cosine", "cyclegan", "linear", "rampdown", "stairs" or "step", see `make_schedule`.
        steps: Integer >= 1, length of the run in steps; used by every schedule but "constant".
        warmup_steps: Integer >= 0 and <= `steps`, linear warm-up from zero.
        weight_decay: Number >= 0, decoupled; w <- w - rate * weight_decay * w a step.
        **schedule_options: Further arguments of `make_schedule`, for instance `milestones`.

    Returns:
        `keras.optimizers.Optimizer`.

    Raises:
        ValueError: If a name is unknown or a number out of range.

    Example:
        >>> rate = keras_repvis.training.make_optimizer("sgd", 0.1, schedule="cosine", steps=100).learning_rate
        >>> round(float(rate), 6)
        0.1

    Reference:
        Loshchilov and Hutter (2019), "Decoupled Weight Decay Regularization", algorithm 2 (the decay, times the rate).
    """
    checks.one_of("optimizer", name, OPTIMIZERS)
    checks.one_of("schedule", schedule, SCHEDULES)
    checks.number("learning_rate", learning_rate, above=0)
    checks.number("weight_decay", weight_decay, low=0)
    rate = make_schedule(schedule, learning_rate, steps, warmup_steps, **schedule_options)
    decay = weight_decay or None
    if name == "adam":
        return keras.optimizers.Adam(rate, weight_decay=decay)
    if name == "adamw":
        return keras.optimizers.AdamW(rate, weight_decay=weight_decay)
    if name == "rmsprop":
        return keras.optimizers.RMSprop(rate, rho=0.9, momentum=0.9, weight_decay=decay)
    return keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=decay)
