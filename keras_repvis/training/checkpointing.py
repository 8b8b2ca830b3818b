"""Saving a learner while it trains, and going on from what was saved."""

import json
import logging

from keras_repvis.data.position import Position
from keras_repvis.training import replicas
from keras_repvis.training.checkpoint import Checkpoint
from keras_repvis.training.learner_state import optimizers_of

_log = logging.getLogger(__name__)


class ChangedSettingsError(ValueError):
    """A run would go on with other settings than it began with.

    Example:
        >>> issubclass(keras_repvis.training.ChangedSettingsError, ValueError)
        True
    """


class Checkpointing:
    """Saves a learner into a `RunDirectory` and restores it from there.

    Args:
        run: `RunDirectory`.
        model: `keras.Model` that trains.
        state: Its `LearnerState`.
        settings: Dict, JSON-able, of everything that determines the result.
        accept_changes: Whether to go on although settings have changed.
        texts: Dict of file name to text, put into every checkpoint.

    Attributes:
        history: List of dicts, one a finished epoch.
        own_copies: Boolean, whether the replicas have been given back what each held for itself.
        changes: String, how the settings differ from those that the run began with; empty if they do not.

    Raises:
        ValueError: If JSON cannot hold `settings`.

    """

    def __init__(self, run, model, state, settings=None, accept_changes=False, texts=None):
        self.run = run
        self.history = []
        self.own_copies = False
        self.changes = ""
        self._model = model
        self._state = state
        try:
            self._settings = json.loads(json.dumps(settings or {}))  # As they will be read: a tuple is a list.
        except TypeError as error:
            raise ValueError(f"settings={settings!r} is not accepted: JSON cannot hold it ({error}).") from None
        self._accept_changes = accept_changes
        self._texts = texts or {}
        self._metrics_in_hand = None

    def restore(self):
        """Restore the newest good checkpoint.

        Returns:
            `data.Position` to go on from; that of the beginning if there is no checkpoint.

        Raises:
            ChangedSettingsError: If the run began with other settings, and `accept_changes` is false.
            CheckpointError: If there are checkpoints but none is good.
        """
        # Before the variables are compared: most settings that change the variables would only be told as these.
        changes = self._differences(self.run.checkpoints.settings())
        if changes and not self._accept_changes:
            raise ChangedSettingsError(
                f"the run in {str(self.run.path)!r} began with other settings: {changes}. Going on would give neither "
                "the one result nor the other. Take the settings of before, give a new directory, or say that the "
                "changes are meant (--accept_changes)."
            )
        checkpoint = self.run.checkpoints.latest(self._state.describe())
        if checkpoint is None:
            return Position()
        changes = self.changes = self._differences(checkpoint.settings)
        rates = [optimizer.learning_rate for optimizer in optimizers_of(self._model)] if changes else []
        rates = [None if rate is None else float(rate.numpy()) for rate in rates]
        self.own_copies = self._state.assign(checkpoint.arrays)
        if changes:
            _log.warning("going on with other settings: %s", changes)
            _set_rates(optimizers_of(self._model), rates)
        self.history = list(checkpoint.history)
        self._metrics_in_hand = checkpoint.arrays
        if replicas.is_chief(self._model.distribute_strategy):
            self.run.write_log(self.history)
        return checkpoint.position

    def restore_metrics(self):
        """Give the metrics their values in the middle of the epoch that is going on."""
        self._state.assign_metrics(self._metrics_in_hand)

    def log(self, entry):
        """Take the entry of an epoch into the history, in place of that of its first part, and write log.jsonl."""
        while self.history and self.history[-1]["epoch"] >= entry["epoch"]:
            self.history.pop()
        self.history.append(entry)
        if replicas.is_chief(self._model.distribute_strategy):
            try:
                self.run.write_log(self.history)
            except OSError as error:
                _log.warning("log.jsonl was not written: %s. Training goes on.", error)

    def save(self, position, metrics=None):
        """Save the learner; if the disk does not take it, warn and go on.

        Args:
            position: `data.Position` of the next batch.
            metrics: Dict of the metrics of the epoch just finished, or None in the middle of one.

        Returns:
            Boolean, whether it was saved. With several workers all must call it; the first one writes.
        """
        arrays = self._state.read()
        if not replicas.is_chief(self._model.distribute_strategy):
            return True
        checkpoint = Checkpoint(
            position, self._state.describe(), arrays, self.history, self._settings, metrics or {}
        )
        try:
            path = self.run.checkpoints.save(checkpoint, self._texts)
        except OSError as error:
            _log.warning(
                "checkpoint at epoch %d, step %d was not saved: %s. Training goes on; the last good one stays.",
                position.epoch + 1,
                position.step,
                error,
            )
            self.note("save_failed", position, str(error))
            return False
        self.note("saved", position, path.name)
        return True

    def note(self, event, position, message=""):
        """Write an event if this is the process that writes and the disk takes it."""
        if replicas.is_chief(self._model.distribute_strategy):
            try:
                self.run.event(event, position, message)
            except OSError as error:
                _log.warning("events.jsonl was not written: %s. Training goes on.", error)

    def _differences(self, before):
        if before is None:
            return ""
        names = sorted(set(before) | set(self._settings))
        missing = object()
        differ = [name for name in names if before.get(name, missing) != self._settings.get(name, missing)]
        return ", ".join(f"{name} was {before.get(name)!r}, is {self._settings.get(name)!r}" for name in differ)


def _set_rates(optimizers, rates):
    """Set the rates that are variables; a schedule is not restored, so it is the new one anyway."""
    for optimizer, rate in zip(optimizers, rates):
        try:
            optimizer.learning_rate = rate
        except TypeError:
            continue
