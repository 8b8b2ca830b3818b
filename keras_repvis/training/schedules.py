"""Learning-rate schedules by name: Keras' own where there is one, with linear warm-up for all."""

import keras

from keras_repvis import checks
from keras_repvis.training import ramps
from keras_repvis.training.epoch_decay import EpochDecay

# Name of a schedule: the options that it takes, apart from those of every schedule.
_OPTIONS = {
    "constant": (),
    "cosine": (),
    "cyclegan": ("rampdown_steps", "epoch_steps"),
    "linear": ("rampdown_steps",),
    "rampdown": ("rampup_steps", "rampdown_steps", "rampdown_steepness"),
    "stairs": ("rampdown_steps", "epoch_steps"),
    "step": ("milestones", "step_factor"),
}
SCHEDULES = tuple(_OPTIONS)


def make_schedule(
    name,
    peak,
    steps,
    warmup_steps=0,
    milestones=None,
    step_factor=None,
    rampup_steps=None,
    rampdown_steps=None,
    rampdown_steepness=None,
    epoch_steps=None,
):
    """Return a learning rate that `keras.optimizers` take: a number, or a schedule that they save with themselves.

    With peak rate r, w warm-up steps and T steps in all, step t (from 0) has the rate r t / w while t < w, and then

        "constant"    r
        "cosine"      r (1 + cos(pi (t - w) / (T - w))) / 2
        "linear"      r min(1, (T - t) / D), with D the `rampdown_steps`
        "stairs"      r (1 - max(0, e - N) / (D + 1)) in epoch e = 1, 2, ... of E = `epoch_steps` each, the last D of
                      which are the `rampdown_steps` and N those before: the last epoch still learns
        "cyclegan"    r (1 - max(0, e + 1 - N) / (D + 1)), the rate of the authors' code, 0 in the last epoch
        "step"        r f^n, with f the `step_factor` and n the number of milestones <= t
        "rampdown"    r exp(-5 (1 - min(1, t / U))^2) exp(-s max(0, 1 - (T - t) / D)^2), with U the `rampup_steps`,
                      D the `rampdown_steps` and s the `rampdown_steepness`

    Args:
        name: "constant", "cosine", "cyclegan", "linear", "rampdown", "stairs" or "step".
        peak: Number > 0, the peak rate.
        steps: Integer >= 1, length of the run in steps, warm-up included.
        warmup_steps: Integer >= 0 and <= `steps`.
        milestones: For "step": increasing sequence of fractions of the run in (0, 1), or of steps >= 1 and < `steps`,
            counted from the start of the run. Default (0.5, 0.75).
        step_factor: For "step": number > 0 and <= 1. Default 0.1.
        rampup_steps: For "rampdown": integer >= 0. Default 80 / 300 of the run, the share of the papers, or 0 with
            warm-up, which takes its place.
        rampdown_steps: Integer, the last steps of the run. Default for "linear" all steps after the warm-up, for
            "rampdown" 50 / 300 of the run, the share of the papers, for "stairs" and "cyclegan" half of the epochs.
        rampdown_steepness: For "rampdown": number > 0; 5 is the curve of HybridNet. Default 12.5.
        epoch_steps: For "stairs" and "cyclegan": integer >= 1, of which `rampdown_steps` is a multiple. Default 1.

    Returns:
        Float, or a serialisable `keras.optimizers.schedules.LearningRateSchedule`.

    Raises:
        ValueError: If the name is unknown, a number is out of range, or an option belongs to another schedule.

    Example:
        >>> schedule = keras_repvis.training.make_schedule("step", 0.1, steps=100, warmup_steps=10)
        >>> [round(float(schedule(step)), 4) for step in (0, 5, 49, 50, 75)]
        [0.0, 0.05, 0.1, 0.01, 0.001]

    Reference:
        Loshchilov and Hutter (2017), "SGDR: Stochastic Gradient Descent with Warm Restarts", equation 5 ("cosine", one
        period). Laine and Aila (2017), "Temporal Ensembling for Semi-Supervised Learning", appendix A ("rampdown").
        Goyal et al. (2017), "Accurate, Large Minibatch SGD", section 2.2 (warm-up). Zhu, Park, Isola, Efros (2017),
        "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", section 4.
    """
    checks.one_of("schedule", name, SCHEDULES)
    checks.number("peak", peak, above=0)
    checks.number("steps", steps, low=1, integer=True)
    checks.number("warmup_steps", warmup_steps, low=0, high=steps, integer=True)
    options = {
        "milestones": milestones,
        "step_factor": step_factor,
        "rampup_steps": rampup_steps,
        "rampdown_steps": rampdown_steps,
        "rampdown_steepness": rampdown_steepness,
        "epoch_steps": epoch_steps,
    }
    options = {option: value for option, value in options.items() if value is not None}
    for option, value in options.items():
        if option not in _OPTIONS[name]:
            owners = ", ".join(owner for owner, owned in _OPTIONS.items() if option in owned)
            raise ValueError(f"{option}={value!r} is not accepted with schedule={name!r}: it belongs to {owners}.")
    if name == "constant" and not warmup_steps:
        return float(peak)
    if name in ("constant", "cosine"):
        return _cosine(peak, steps, warmup_steps, end=1.0 if name == "constant" else 0.0)
    make = {"linear": _linear, "rampdown": _rampdown, "step": _step, "stairs": _stairs, "cyclegan": _early_stairs}
    schedule = make[name](peak, steps, warmup_steps, **options)
    return LinearThen(schedule, start=0.0, end=peak, steps=warmup_steps) if warmup_steps else schedule


@keras.saving.register_keras_serializable("keras_repvis")
class LinearThen(keras.optimizers.schedules.LearningRateSchedule):
    """Go from one rate to another on a straight line, then follow another schedule, counted from there.

    rate(t) = start + (end - start) t / steps while t < steps, then schedule(t - steps). From zero it is a warm-up; from
    and to the same rate it puts the other schedule off.

    Args:
        schedule: `keras.optimizers.schedules.LearningRateSchedule`.
        start: Number >= 0, rate at step 0.
        end: Number >= 0, rate that the line arrives at.
        steps: Integer >= 1, length of the line.

    Raises:
        ValueError: If `schedule` is not a schedule or a number is out of range.

    Example:
        >>> import keras
        >>> from keras_repvis.training.schedules import LinearThen
        >>> decay = keras.optimizers.schedules.ExponentialDecay(0.4, decay_steps=10, decay_rate=0.5)
        >>> schedule = LinearThen(decay, start=0.0, end=0.4, steps=20)
        >>> [round(float(schedule(step)), 4) for step in (0, 10, 20, 30)]
        [0.0, 0.2, 0.4, 0.2]

    Reference:
        Goyal et al. (2017), "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", section 2.2.
    """

    def __init__(self, schedule, start, end, steps):
        super().__init__()
        if not isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
            raise ValueError(
                f"schedule={schedule!r} is not accepted: expected a keras.optimizers.schedules.LearningRateSchedule."
            )
        self.schedule = schedule
        self.start = checks.number("start", start, low=0)
        self.end = checks.number("end", end, low=0)
        self.steps = checks.number("steps", steps, low=1, integer=True)

    def __call__(self, step):
        step = keras.ops.convert_to_tensor(step)
        line = self.start + (self.end - self.start) * ramps.linear_ramp_up(step, self.steps)
        after = self.schedule(keras.ops.maximum(step - self.steps, 0))
        return keras.ops.where(step < self.steps, line, keras.ops.cast(after, line.dtype))

    def get_config(self):
        schedule = keras.saving.serialize_keras_object(self.schedule)
        return {"schedule": schedule, "start": self.start, "end": self.end, "steps": self.steps}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "schedule": keras.saving.deserialize_keras_object(config["schedule"])})


@keras.saving.register_keras_serializable("keras_repvis")
class RampUpDown(keras.optimizers.schedules.LearningRateSchedule):
    """Ramp up, stay at the peak, and ramp down at the end of the run.

    rate(t) = peak * sigmoid_ramp_up(t, rampup_steps) * sigmoid_ramp_down(t, rampdown_steps, steps, rampdown_steepness).

    Args:
        peak: Number > 0.
        steps: Integer >= 1, length of the run.
        rampup_steps: Integer >= 0, the first steps; 0 starts at the peak.
        rampdown_steps: Integer >= 0, the last steps; 0 ends at the peak. Both ramps fit into the run.
        rampdown_steepness: Number > 0; 5 is the curve of HybridNet.

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> from keras_repvis.training.schedules import RampUpDown
        >>> schedule = RampUpDown(0.003, steps=300, rampup_steps=80, rampdown_steps=50)
        >>> [round(float(schedule(epoch)), 6) for epoch in (0, 40, 80, 250, 275)]
        [2e-05, 0.00086, 0.003, 0.003, 0.000132]

    Reference:
        Laine and Aila (2017), "Temporal Ensembling for Semi-Supervised Learning", appendix A.
    """

    def __init__(self, peak, steps, rampup_steps=0, rampdown_steps=0, rampdown_steepness=12.5):
        super().__init__()
        self.peak = checks.number("peak", peak, above=0)
        self.steps = checks.number("steps", steps, low=1, integer=True)
        self.rampup_steps = checks.number("rampup_steps", rampup_steps, low=0, high=steps, integer=True)
        room = steps - rampup_steps
        self.rampdown_steps = checks.number("rampdown_steps", rampdown_steps, low=0, high=room, integer=True)
        self.rampdown_steepness = checks.number("rampdown_steepness", rampdown_steepness, above=0)

    def __call__(self, step):
        up = ramps.sigmoid_ramp_up(step, self.rampup_steps)
        down = ramps.sigmoid_ramp_down(step, self.rampdown_steps, self.steps, self.rampdown_steepness)
        return self.peak * up * down

    def get_config(self):
        return {
            "peak": self.peak,
            "steps": self.steps,
            "rampup_steps": self.rampup_steps,
            "rampdown_steps": self.rampdown_steps,
            "rampdown_steepness": self.rampdown_steepness,
        }


def _cosine(peak, steps, warmup_steps, end):
    # Keras' schedule counts the warm-up apart, and stays at `alpha` times the peak after the decay.
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup_steps else peak,
        decay_steps=max(steps - warmup_steps, 1),
        alpha=end,
        warmup_target=peak if warmup_steps else None,
        warmup_steps=warmup_steps,
    )


def _linear(peak, steps, warmup_steps, rampdown_steps=None):
    left = max(steps - warmup_steps, 1)
    down = left if rampdown_steps is None else rampdown_steps
    checks.number("rampdown_steps", down, low=1, high=left, integer=True)
    decay = keras.optimizers.schedules.PolynomialDecay(peak, decay_steps=down, end_learning_rate=0.0, power=1.0)
    return LinearThen(decay, start=peak, end=peak, steps=left - down) if down < left else decay


def _rampdown(peak, steps, warmup_steps, rampup_steps=None, rampdown_steps=None, rampdown_steepness=12.5):
    left = max(steps - warmup_steps, 1)
    if warmup_steps and rampup_steps:
        raise ValueError(
            f"rampup_steps={rampup_steps!r} is not accepted with warmup_steps={warmup_steps}: a run starts in one way."
        )
    # The shares of both papers: 80 and 50 of 300 epochs, 40,000 and 25,000 of 150,000 steps.
    up = rampup_steps
    if up is None:
        up = 0 if warmup_steps else round(steps * 80 / 300)
    down = rampdown_steps
    if down is None:
        down = min(round(steps * 50 / 300), max(left - up, 0))
    return RampUpDown(peak, left, up, down, rampdown_steepness)


def _stairs(peak, steps, warmup_steps, rampdown_steps=None, epoch_steps=1, early=False):
    checks.number("epoch_steps", epoch_steps, low=1, integer=True)
    epochs, warm = -(-steps // epoch_steps), -(-warmup_steps // epoch_steps)
    down = min(epochs // 2, epochs - warm) * epoch_steps if rampdown_steps is None else rampdown_steps
    checks.number("rampdown_steps", down, low=0, high=(epochs - warm) * epoch_steps, integer=True)
    if down % epoch_steps:
        raise ValueError(f"rampdown_steps={down} is not accepted: expected a multiple of epoch_steps={epoch_steps}.")
    down //= epoch_steps
    return EpochDecay(peak, epoch_steps, epochs - down, down, early, first_step=warmup_steps)


def _early_stairs(peak, steps, warmup_steps, **options):
    return _stairs(peak, steps, warmup_steps, **options, early=True)


def _step(peak, steps, warmup_steps, milestones=(0.5, 0.75), step_factor=0.1):
    checks.number("step_factor", step_factor, above=0, high=1)
    starts = [_milestone(milestones, one, steps) for one in milestones]
    if not starts or starts != sorted(starts) or len(set(milestones)) < len(starts) or starts[0] < warmup_steps:
        raise ValueError(
            f"milestones={milestones!r} is not accepted: expected one or more, increasing, none of them in the "
            f"{warmup_steps} steps of warm-up."
        )
    # In a short run two fractions may be the same step: the last one counts.
    rates = {start: peak * step_factor**count for count, start in enumerate(starts, 1)}
    # Keras changes the rate after the boundary, and counts from the end of the warm-up here.
    boundaries = [start - 1 - warmup_steps for start in rates]
    return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, [float(peak), *rates.values()])


def _milestone(milestones, one, steps):
    """Return the step at which the rate falls, from a fraction of the run or a step."""
    if isinstance(one, float) and 0 < one < 1:
        return max(round(one * steps), 1)
    if isinstance(one, int) and not isinstance(one, bool) and 1 <= one < steps:
        return one
    raise ValueError(
        f"milestones={milestones!r} is not accepted: {one!r} is neither a fraction of the run in (0, 1) nor a step "
        f">= 1 and < {steps}."
    )
