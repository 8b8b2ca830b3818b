"""A rate that falls from epoch to epoch on a straight line, as CycleGAN's does."""

import keras

from keras_repvis import checks


@keras.saving.register_keras_serializable("keras_repvis")
class EpochDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Keep a rate for N epochs, then lower it by the same amount from each of D epochs to the next.

    In epoch e = 1, ..., N + D, with peak rate r,

        rate = r (1 - max(0, e - N) / (D + 1))

    so that the first of the D epochs is below the peak and the last one still learns, at r / (D + 1). With `early`, the
    line is one epoch ahead, r (1 - max(0, e + 1 - N) / (D + 1)), and the rate of the last epoch is 0: this is what the
    authors' PyTorch code of CycleGAN does. After the last epoch the rate stays what it was in it.

    Args:
        peak: Number > 0.
        epoch_steps: Integer >= 1, steps an epoch.
        constant_epochs: Integer N >= 0.
        rampdown_epochs: Integer D >= 0.
        early: Whether the line is one epoch ahead.
        first_step: Integer >= 0, steps done before step 0 of this schedule, in a warm-up for instance: epochs count
            from the start of the run.

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> from keras_repvis.training.epoch_decay import EpochDecay
        >>> for early in (False, True):
        ...     schedule = EpochDecay(1.0, epoch_steps=10, constant_epochs=2, rampdown_epochs=3, early=early)
        ...     [float(schedule(10 * epoch)) for epoch in range(5)]
        [1.0, 1.0, 0.75, 0.5, 0.25]
        [1.0, 0.75, 0.5, 0.25, 0.0]

    Reference:
        Zhu, Park, Isola, Efros (2017), "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
        Networks", section 4 (training details): 100 epochs at 2e-4, and 100 in which the rate falls to zero.
    """

    def __init__(self, peak, epoch_steps, constant_epochs, rampdown_epochs, early=False, first_step=0):
        super().__init__()
        self.peak = checks.number("peak", peak, above=0)
        self.epoch_steps = checks.number("epoch_steps", epoch_steps, low=1, integer=True)
        self.constant_epochs = checks.number("constant_epochs", constant_epochs, low=0, integer=True)
        self.rampdown_epochs = checks.number("rampdown_epochs", rampdown_epochs, low=0, integer=True)
        self.early = checks.one_of("early", early, (False, True))
        self.first_step = checks.number("first_step", first_step, low=0, integer=True)

    def __call__(self, step):
        # Counted in integers: float32 cannot tell the steps of a long run apart.
        done = keras.ops.cast(step, "int64") + self.first_step
        last = max(self.constant_epochs + self.rampdown_epochs, 1)
        epoch = keras.ops.minimum(keras.ops.floor_divide(done, self.epoch_steps) + 1, last)
        behind = keras.ops.cast(keras.ops.maximum(epoch + int(self.early) - self.constant_epochs, 0), "float32")
        return self.peak * (1.0 - behind / (self.rampdown_epochs + 1))

    def get_config(self):
        return {
            "peak": self.peak,
            "epoch_steps": self.epoch_steps,
            "constant_epochs": self.constant_epochs,
            "rampdown_epochs": self.rampdown_epochs,
            "early": self.early,
            "first_step": self.first_step,
        }
