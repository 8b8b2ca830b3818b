"""The training loop: epochs of steps with Keras' callbacks, saving and stopping between any two steps."""

import contextlib
import logging
import signal
import time

import keras
import numpy as np

from keras_repvis.data.position import Position
from keras_repvis.training import replicas
from keras_repvis.training.interruption import Interrupted
from keras_repvis.training.non_finite import NonFiniteError

# Steps between two moments at which several workers agree whether to save or stop: it costs a message each time.
_AGREE_EVERY = 10

_log = logging.getLogger(__name__)


class Loop:
    """Trains a learner from a `data.Position` to the end of its last epoch; `training.fit` puts its parts together.

    Args:
        model: Compiled `keras.Model`.
        steps: Its `Steps`.
        epochs: Integer, epochs in all.
        validation: Stream to evaluate after every epoch, or None.
        keeper: `Checkpointing`, or None.
        watch: `NonFiniteWatch`.
        average: `WeightAverage`, or None.
        callbacks: Sequence of Keras callbacks.
        save_minutes: Number, longest time between two checkpoints.
        save_steps: Integer, steps between two checkpoints; 0 for none but those by time and epoch.
    """

    def __init__(self, model, steps, epochs, validation, keeper, watch, average, callbacks, save_minutes, save_steps):
        self.model = model
        self.steps = steps
        self.epochs = epochs
        self.validation = validation
        self.keeper = keeper
        self.watch = watch
        self.average = average
        self.save_seconds = 60 * save_minutes
        self.save_steps = save_steps
        self.history = keeper.history if keeper else []
        self.callbacks = keras.callbacks.CallbackList(
            list(callbacks), add_history=True, model=model, epochs=epochs, steps=steps.steps_per_epoch, verbose=0
        )

    def run(self, position, interruption):
        """Train from `position` on; return the history, a list of dicts, one an epoch."""
        self.interruption = interruption
        if position.epoch >= self.epochs:
            self._finalize()
            return self.history
        if position != Position():
            self.keeper.note("resumed", position, self.keeper.changes)
        self.steps.start(self.epochs, position)
        self.saved = time.monotonic()
        self.model.stop_training = False
        self.callbacks.on_train_begin()
        metrics = None
        while position.epoch < self.epochs and not self.model.stop_training:
            metrics, position = self._epoch(position)
        if self.keeper:
            self.keeper.note("finished", position)
        self._finalize()
        self.callbacks.on_train_end(metrics)
        return self.history

    def _finalize(self):
        """Have an optimiser that averages the weights put the average in their place, as `model.fit` does."""
        if isinstance(self.model.optimizer, keras.optimizers.Optimizer):
            self.model.optimizer.finalize_variable_values(self.model.trainable_weights)

    def _epoch(self, position):
        """Train from `position` to the end of its epoch, validate, log, save; return the metrics and the position."""
        started = time.monotonic()
        self.model.reset_metrics()
        if position.step:
            self.keeper.restore_metrics()
        self.callbacks.on_epoch_begin(position.epoch)
        logs = {}
        per_epoch = self.steps.steps_per_epoch
        while position.step < per_epoch:
            logs = self._step(position)
            position = Position(position.epoch, position.step + 1)
            if position.step < per_epoch:
                self._save_if_due(position)
            if self.model.stop_training:
                break
        metrics = self.steps.results(logs)
        if self.validation is not None:
            # An epoch that a callback has stopped in the middle may go on later, and with it the sums of its metrics.
            sums = [(one, one.numpy()) for one in self.model.metrics_variables] if position.step < per_epoch else []
            metrics |= {f"val_{name}": value for name, value in self._validate().items()}
            for variable, value in sums:
                variable.assign(value)
        step = position.epoch * per_epoch + position.step
        seconds = round(time.monotonic() - started, 3)
        entry = {"epoch": position.epoch + 1, "step": step, "seconds": seconds, **self._rate(), **metrics}
        self.history.append(entry) if self.keeper is None else self.keeper.log(entry)
        self.callbacks.on_epoch_end(position.epoch, metrics)
        # A callback may have stopped the training in the middle.
        after = Position(position.epoch + 1) if position.step == per_epoch else position
        if self.keeper:
            saved = self._save(after, metrics)
            self._stop_if_asked(after, self._agreed(self._asked(), True)[0], saved)
        return metrics, after

    def _step(self, position):
        self.callbacks.on_train_batch_begin(position.step)
        self.watch.before_step()
        logs = self.steps.train()
        number = position.epoch * self.steps.steps_per_epoch + position.step + 1
        try:
            left_out = self.watch.after_step(number, logs)
        except NonFiniteError as error:
            if self.keeper:
                self.keeper.note("stopped", position, str(error))
            raise
        if left_out:
            _log.warning("left out: %s", left_out)
            if self.keeper:
                self.keeper.note("skipped_step", position, left_out)
        if self.average is not None:
            self.average.update()
        self.callbacks.on_train_batch_end(position.step, logs)
        return logs

    def _validate(self):
        self.callbacks.on_test_begin()
        with self.average.applied() if self.average is not None else contextlib.nullcontext():
            metrics = self.steps.evaluate(self.validation, self.callbacks)
        self.callbacks.on_test_end(metrics)
        return metrics

    def _rate(self):
        rate = getattr(self.model.optimizer, "learning_rate", None)
        return {} if rate is None else {"learning_rate": float(rate.numpy())}

    def _save_if_due(self, position):
        if self.keeper is None:
            return
        timely = time.monotonic() - self.saved >= self.save_seconds
        asked, timely = self._agreed(self._asked(), timely, position.step % _AGREE_EVERY == 0)
        if asked or timely or (self.save_steps and position.step % self.save_steps == 0):
            saved = self._save(position)
            self._stop_if_asked(position, asked, saved)

    def _save(self, position, metrics=None):
        saved = self.keeper.save(position, metrics)
        self.saved = time.monotonic()
        return saved

    def _asked(self):
        return self.interruption.requested or 0

    def _agreed(self, asked, timely, now=True):
        """Return what any worker wants: the signal that asks to stop (0 for none), and whether it is time to save."""
        strategy = self.steps.strategy
        if not replicas.is_multi_worker(strategy):
            return asked, timely
        if not now:
            return 0, False
        wishes = [asked == signal.SIGINT, asked == signal.SIGTERM, timely]
        interrupt, terminate, timely = self.steps.total(np.array(wishes, "int64")) > 0
        return (signal.SIGTERM if terminate else signal.SIGINT if interrupt else 0), bool(timely)

    def _stop_if_asked(self, position, asked, saved):
        if not asked or position.epoch >= self.epochs:
            return
        name = signal.Signals(asked).name
        self.keeper.note("stopped", position, name)
        where = f"epoch {position.epoch + 1}, step {position.step} of {self.steps.steps_per_epoch}"
        path = str(self.keeper.run.path)
        how = f"saved in {path!r}; the same command goes on from there."
        if not saved:
            how = f"could not be saved; the same command goes on from the last good checkpoint in {path!r}."
        raise Interrupted(f"{name}: stopped at {where}, and {how}", asked)
