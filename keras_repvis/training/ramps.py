"""Ramps between 0 and 1: the weights of losses, and the learning rates, of the semi-supervised papers.

Each is a function of the step, a number or a tensor, and gives the same value in a compiled train step as outside.
"""

import math

import keras

from keras_repvis import checks


def sigmoid_ramp_up(step, ramp_steps, steepness=5.0):
    """Return exp(-steepness (1 - t)^2) with t = step / ramp_steps, and 1 from `ramp_steps` on.

    The curve is called sigmoid-shaped because of its looks. It does not start from zero but from exp(-5) = 0.0067.

    Differs from the reference implementation of Temporal Ensembling: that one sets the weight of the unsupervised loss
    (not the learning rate) to 0 throughout the first epoch, and takes a step once an epoch.

    Args:
        step: Number or tensor of any shape, steps done; below 0 counts as 0.
        ramp_steps: Number >= 0, length of the ramp in the unit of `step`; 0 gives 1 at every step.
        steepness: Number > 0.

    Returns:
        float32 tensor in (0, 1], of the shape of `step`.

    Raises:
        ValueError: If `ramp_steps` or `steepness` is out of range.

    Example:
        >>> [round(float(keras_repvis.training.sigmoid_ramp_up(step, ramp_steps=40)), 4) for step in (0, 20, 40, 60)]
        [0.0067, 0.2865, 1.0, 1.0]

    Reference:
        Laine and Aila (2017), "Temporal Ensembling for Semi-Supervised Learning", appendix A. Tarvainen and Valpola
        (2017), "Mean teachers are better role models", takes it over.
    """
    checks.number("steepness", steepness, above=0)
    left = 1.0 - _done(step, "ramp_steps", ramp_steps)
    return keras.ops.exp(-steepness * keras.ops.square(left))


def sigmoid_ramp_down(step, ramp_steps, total_steps, steepness=12.5):
    """Return exp(-steepness t^2) with t = (step - (total_steps - ramp_steps)) / ramp_steps, and 1 before t = 0.

    It ends at exp(-12.5) = 0.0000037, not at zero, and stays there. `steepness=5` is the curve of HybridNet, which ends
    at exp(-5) = 0.0067.

    Differs from the reference implementations: that of Temporal Ensembling has the exponent -(ramp_steps / 4) t^2 with
    the length in epochs, which is the paper's only for its own 50 epochs; that of HybridNet counts to the last epoch
    instead of to the end of it.

    Args:
        step: Number or tensor of any shape, steps done; beyond `total_steps` counts as `total_steps`.
        ramp_steps: Number >= 0, length of the ramp in the unit of `step`; 0 gives 1 at every step.
        total_steps: Number >= `ramp_steps`, where the ramp ends.
        steepness: Number > 0.

    Returns:
        float32 tensor in (0, 1], of the shape of `step`.

    Raises:
        ValueError: If `ramp_steps`, `total_steps` or `steepness` is out of range.

    Example:
        >>> ramp = keras_repvis.training.sigmoid_ramp_down
        >>> [round(float(ramp(step, ramp_steps=20, total_steps=100)), 6) for step in (0, 80, 90, 100)]
        [1.0, 1.0, 0.043937, 4e-06]
        >>> round(float(ramp(100, ramp_steps=20, total_steps=100, steepness=5)), 6)
        0.006738

    Reference:
        Laine and Aila (2017), "Temporal Ensembling for Semi-Supervised Learning", appendix A (12.5). Robert, Thome and
        Cord (2018), "HybridNet: Classification and Reconstruction Cooperation for Semi-Supervised Learning"; the curve
        (5) is in the appendix on HybridNet of Robert's PhD thesis.
    """
    checks.number("steepness", steepness, above=0)
    checks.number("ramp_steps", ramp_steps, low=0)
    checks.number("total_steps", total_steps, low=ramp_steps)
    step = keras.ops.convert_to_tensor(step, "float32")
    if ramp_steps == 0:
        return keras.ops.ones_like(step)
    done = _done(step - (total_steps - ramp_steps), "ramp_steps", ramp_steps)
    return keras.ops.exp(-steepness * keras.ops.square(done))


def linear_ramp_up(step, ramp_steps):
    """Return step / ramp_steps, and 1 from `ramp_steps` on.

    Args:
        step: Number or tensor of any shape, steps done; below 0 counts as 0.
        ramp_steps: Number >= 0, length of the ramp in the unit of `step`; 0 gives 1 at every step.

    Returns:
        float32 tensor in [0, 1], of the shape of `step`.

    Raises:
        ValueError: If `ramp_steps` is out of range.

    Example:
        >>> [float(keras_repvis.training.linear_ramp_up(step, ramp_steps=40)) for step in (0, 10, 40, 60)]
        [0.0, 0.25, 1.0, 1.0]

    Reference:
        Goyal et al. (2017), "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", section 2.2 (gradual
        warm-up, there from a rate above zero).
    """
    return _done(step, "ramp_steps", ramp_steps)


def cosine_ramp_down(step, ramp_steps):
    """Return (1 + cos(pi t)) / 2 with t = step / ramp_steps, and 0 from `ramp_steps` on.

    The Mean Teacher with a ResNet ends its run before the ramp: 180 of 210 epochs, at 0.0495, on CIFAR-10 with 1,000
    labels.

    Args:
        step: Number or tensor of any shape, steps done; below 0 counts as 0.
        ramp_steps: Number > 0, the step at which the ramp reaches zero.

    Returns:
        float32 tensor in [0, 1], of the shape of `step`.

    Raises:
        ValueError: If `ramp_steps` is out of range.

    Example:
        >>> [round(float(keras_repvis.training.cosine_ramp_down(epoch, ramp_steps=210)), 4) for epoch in (0, 105, 180)]
        [1.0, 0.5, 0.0495]

    Reference:
        Loshchilov and Hutter (2017), "SGDR: Stochastic Gradient Descent with Warm Restarts", equation 5 (one period,
        down to zero). Tarvainen and Valpola (2017), "Mean teachers are better role models", for the ResNets.
    """
    checks.number("ramp_steps", ramp_steps, above=0)
    return 0.5 * (1.0 + keras.ops.cos(math.pi * _done(step, "ramp_steps", ramp_steps)))


def _done(step, argument, ramp_steps):
    """Return how much of a ramp that starts at 0 is done, a float32 tensor in [0, 1]."""
    checks.number(argument, ramp_steps, low=0)
    step = keras.ops.convert_to_tensor(step, "float32")
    return keras.ops.clip(step / ramp_steps, 0.0, 1.0) if ramp_steps else keras.ops.ones_like(step)
