"""Training: Keras `fit` for any learner under any strategy, that stops and goes on anywhere."""

import contextlib
import os

import keras
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.data.position import Position
from keras_repvis.training import replica_state, replicas
from keras_repvis.training.checkpointing import Checkpointing
from keras_repvis.training.interruption import Interruption
from keras_repvis.training.learner_state import LearnerState, wrap_optimizers
from keras_repvis.training.loop import Loop
from keras_repvis.training.non_finite import NonFiniteWatch
from keras_repvis.training.progress import Progress
from keras_repvis.training.run_directory import RunDirectory
from keras_repvis.training.steps import Steps, check_stream
from keras_repvis.training.weight_average import WeightAverage


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
    _check_parts(validation, average, callbacks)
    steps = Steps(model, stream)
    chief = replicas.is_chief(steps.strategy)
    steps.build()
    watch = NonFiniteWatch(model, _prepare_optimizers(model), on_non_finite)
    if average is not None and not average.variables:
        average.attach(model)
    run = RunDirectory(run) if run is not None and not isinstance(run, RunDirectory) else run
    with contextlib.ExitStack() as stack:
        keeper = None
        if run is not None:
            if chief:
                stack.enter_context(run.locked())
            state = LearnerState(model, average.variables if average else ())
            keeper = Checkpointing(run, model, state, settings, accept_changes, texts)
        position = _begin(model, keeper)
        if keeper and chief:
            for name, text in (texts or {}).items():  # Not before the run is known to go on.
                run.write_text(name, text)
        bar = [Progress(stream.batch_size)] if progress and chief else []
        for each in bar:
            stack.callback(each.close)
        loop = Loop(
            model, steps, epochs, validation, keeper, watch, average, [*bar, *callbacks], save_minutes, save_steps
        )
        interruption = stack.enter_context(Interruption(_acknowledge)) if keeper else None
        stack.enter_context(_lost_workers(steps.strategy))
        return loop.run(position, interruption)


def _check_parts(validation, average, callbacks):
    if validation is not None:
        check_stream("validation", validation)
    if average is not None and not isinstance(average, WeightAverage):
        raise ValueError(f"average={average!r} is not accepted: expected a training.WeightAverage.")
    if not all(isinstance(callback, keras.callbacks.Callback) for callback in callbacks):
        raise ValueError(f"callbacks={callbacks!r} is not accepted: expected keras.callbacks.Callback objects.")


def _begin(model, keeper):
    """Restore what was saved, give the replicas random states of their own, and return the position to go on from."""
    position = keeper.restore() if keeper else Position()
    if keeper is not None and keeper.own_copies:
        model.seeds_are_spread = True
    else:
        replica_state.spread_seeds(model, model.distribute_strategy, again=position != Position())
    return position


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
