"""The training loop: Keras `fit` for any learner under any strategy, that stops and goes on anywhere."""

import contextlib
import logging
import os
import signal
import time

import keras
import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.data.position import Position
from keras_repvis.training import replica_state, replicas
from keras_repvis.training.checkpointing import Checkpointing
from keras_repvis.training.interruption import Interrupted, Interruption
from keras_repvis.training.learner_state import LearnerState, wrap_optimizers
from keras_repvis.training.non_finite import NonFiniteError, NonFiniteWatch
from keras_repvis.training.progress import Progress
from keras_repvis.training.run_directory import RunDirectory
from keras_repvis.training.steps import Steps, check_stream
from keras_repvis.training.weight_average import WeightAverage

# Steps between two moments at which several workers agree whether to save or stop: it costs a message each time.
_AGREE_EVERY = 10

_log = logging.getLogger(__name__)


def fit(
    model,
    stream,
    epochs,
    validation=None,
    run=None,
    save_minutes=10,
    save_steps=0,
    settings=None,
    accept_changes=False,
    texts=None,
    on_non_finite="stop",
    average=None,
    callbacks=(),
    progress=True,
):
    """Train a learner: what `model.fit` does, under every strategy, and resumable.

    The learner's `train_step` and `test_step` are run as Keras runs them, with the same callbacks. Besides:

    * Every optimiser of the learner is put into a `GlobalGradientOptimizer`, which see.
    * Each replica draws random numbers of its own (`spread_seeds`).
    * With `run`, a checkpoint is saved after each epoch, every `save_steps` steps, every `save_minutes` minutes, and
      when SIGTERM or Ctrl-C asks to stop. The same call goes on from the newest good one, in the middle of an epoch
      too; on one device it ends with the same weights, bit for bit, as without the interruption.

    Args:
        model: Compiled `keras.Model`, built with its optimisers under `strategy.scope()`. A learner with optimisers
            of its own builds them in its `compile` (`optimizer.build(variables)`).
        stream: `data.Stream`, or another object with its `dataset`, `steps`, `splits_evenly` and `batch_size`.
        epochs: Integer >= 1, epochs in all, those done before included.
        validation: Stream to evaluate after every epoch, or None.
        run: Path or `RunDirectory` that keeps log and checkpoints, or None.
        save_minutes: Number > 0, longest time between two checkpoints.
        save_steps: Integer >= 0, steps between two checkpoints; 0 for none but those by time and epoch.
        settings: Dict, JSON-able, of what determines the result; a run that began with others is not gone on with.
        accept_changes: Whether it is, all the same.
        texts: Dict of file name to text, kept in the run directory and every checkpoint.
        on_non_finite: "stop" or "skip": what to do when a gradient or a logged metric is NaN or infinite.
        average: `WeightAverage`, or None. Validation is then done with the averaged weights.
        callbacks: Sequence of Keras callbacks. What they remember is not saved.
        progress: Whether to report progress on stderr.

    Returns:
        List of dicts, one an epoch: "epoch" (from 1), "step" (steps since the start), "seconds", "learning_rate" if
        `model.optimizer` has one, and the metrics, those of the validation with "val_" before the name.

    Raises:
        ValueError: If an argument is not accepted, batches cannot be shared evenly by the replicas, or another process
            trains in the same directory.
        ChangedSettingsError: If the run began with other settings.
        CheckpointError: If the run has checkpoints, but none can be used.
        NonFiniteError: If a gradient or a logged value is not finite. A step with such a gradient has moved no weight.
        ConnectionError: If another worker was lost.
        Interrupted: After SIGTERM or Ctrl-C, saved.

    Example:
        >>> import keras
        >>> stream = keras_repvis.data.Stream(keras_repvis.data.Source("repvis_digits", "train[:64]"), batch_size=32)
        >>> model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
        >>> model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        >>> history = keras_repvis.training.fit(model, stream, epochs=2, progress=False)
        >>> [entry["step"] for entry in history]
        [2, 4]
    """
    checks.number("epochs", epochs, low=1, integer=True)
    checks.number("save_minutes", save_minutes, above=0)
    checks.number("save_steps", save_steps, low=0, integer=True)
    steps = Steps(model, stream)
    if validation is not None:
        check_stream("validation", validation)
    if average is not None and not isinstance(average, WeightAverage):
        raise ValueError(f"average={average!r} is not accepted: expected a training.WeightAverage.")
    if not all(isinstance(callback, keras.callbacks.Callback) for callback in callbacks):
        raise ValueError(f"callbacks={callbacks!r} is not accepted: expected keras.callbacks.Callback objects.")
    strategy = steps.strategy
    steps.build()
    wrapped = _prepare_optimizers(model)
    watch = NonFiniteWatch(model, wrapped, on_non_finite)
    if average is not None and not average.variables:
        average.attach(model)
    run = RunDirectory(run) if run is not None and not isinstance(run, RunDirectory) else run
    with contextlib.ExitStack() as stack:
        keeper = None
        if run is not None:
            if replicas.is_chief(strategy):
                stack.enter_context(run.locked())
            state = LearnerState(model, average.variables if average else ())
            keeper = Checkpointing(run, model, state, settings, accept_changes, texts)
        position = keeper.restore() if keeper else Position()
        if run is not None and replicas.is_chief(strategy):
            for name, text in (texts or {}).items():  # Not before the run is known to go on.
                run.write_text(name, text)
        if keeper is not None and keeper.own_copies:
            model.seeds_are_spread = True
        else:
            replica_state.spread_seeds(model, strategy, again=position != Position())
        bar = Progress(stream.batch_size) if progress and replicas.is_chief(strategy) else None
        everything = [*([bar] if bar else []), *callbacks]
        loop = _Loop(model, steps, epochs, validation, keeper, watch, average, everything, save_minutes, save_steps)
        if bar:
            stack.callback(bar.close)
        interruption = stack.enter_context(Interruption(_acknowledge)) if keeper else None
        with _lost_workers(strategy):
            return loop.run(position, interruption)


@contextlib.contextmanager
def _lost_workers(strategy):
    """Context in which the failure of another worker is told in plain words."""
    errors = tf.errors
    try:
        yield
    except (errors.UnavailableError, errors.AbortedError, errors.CancelledError, errors.DeadlineExceededError) as error:
        if not replicas.is_multi_worker(strategy):
            raise
        raise ConnectionError(
            "another worker was lost. Start all of them again with the same command: the run goes on from its newest "
            "checkpoint."
        ) from error


def _acknowledge(name):
    # Past the buffer, which the signal may have found half filled. That nobody reads it must not stop the saving.
    with contextlib.suppress(OSError):
        os.write(2, f"{name}: saving after this step\n".encode())


def _prepare_optimizers(model):
    wrapped = wrap_optimizers(model)
    for optimizer in wrapped:
        if not optimizer.built and optimizer is model.optimizer:
            with model.distribute_strategy.scope():
                optimizer.build(model.trainable_variables)
    return wrapped


class _Loop:
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
        """Have an optimiser that averages the weights put the average in their place, as `model.fit` does at its end."""
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
