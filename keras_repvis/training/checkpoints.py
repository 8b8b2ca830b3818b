"""The checkpoints of a run on disk: each a directory that appears by one rename, whole or not at all.

    <directory>/
      epoch_00002_step_000040/    see `training.checkpoint`

A process killed while it saves leaves a directory `.incoming-*`, which no reader looks at and the next save removes.
"""

import contextlib
import logging
import os
import pathlib
import re
import shutil
import uuid

import numpy as np

from keras_repvis import checks
from keras_repvis.training.checkpoint import (
    CheckpointError,
    read_checkpoint,
    read_header,
    sync,
    write_checkpoint,
)

_NAME = re.compile(r"epoch_(\d+)_step_(\d+)")

_log = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoints of one run.

    Args:
        directory: Where they are; made when missing.
        keep: Integer >= 1, how many of the newest to keep. Default 2, so that one is left if the newest is damaged.
        monitor: Name of a validation metric, "val_accuracy" for instance: the checkpoint of the epoch in which it was
            best is kept too. "" for none.
        mode: "max" or "min", which value of it is best.

    Raises:
        ValueError: If an argument is not accepted; `monitor` must start with "val_": the training data cannot
            tell which epoch is best, and the test data must not.

    Example:
        >>> import tempfile
        >>> keras_repvis.training.Checkpoints(tempfile.mkdtemp()).paths()
        []
    """

    def __init__(self, directory, keep=2, monitor="", mode="max"):
        if monitor and not monitor.startswith("val_"):
            raise ValueError(f"monitor={monitor!r} is not accepted: expected a metric of the validation data, val_*.")
        self.directory = pathlib.Path(directory)
        self.keep = checks.number("keep", keep, low=1, integer=True)
        self.monitor = monitor
        self.mode = checks.one_of("mode", mode, ("max", "min"))
        self.directory.mkdir(parents=True, exist_ok=True)

    def paths(self):
        """Return what is named as a checkpoint, the oldest first, paths; what it holds is not looked at."""
        found = [path for path in self.directory.glob("epoch_*") if _NAME.fullmatch(path.name)]
        return sorted(found, key=lambda path: [int(number) for number in _NAME.fullmatch(path.name).groups()])

    def save(self, checkpoint, texts=None):
        """Publish a checkpoint and remove those that are no longer to be kept.

        Later ones go too. A run saves before them only if none of them could be used, and they would take the places of
        those that can.

        Args:
            checkpoint: `Checkpoint`.
            texts: Dict of file name to text, put beside it.

        Returns:
            Path of its directory.

        Raises:
            OSError: If it cannot be written, on a full disk for instance; the earlier ones are still there.
        """
        for left in self.directory.glob(".incoming-*"):
            _remove(left)
        incoming = self.directory / f".incoming-{uuid.uuid4().hex}"
        position = checkpoint.position
        final = self.directory / f"epoch_{position.epoch:05d}_step_{position.step:06d}"
        try:
            incoming.mkdir()
            write_checkpoint(incoming, checkpoint, texts or {})
            if final.exists():  # Damaged, or saved before the run went back to an earlier one.
                os.rename(final, self.directory / f".incoming-{uuid.uuid4().hex}")
            os.rename(incoming, final)
            sync(self.directory)
        finally:
            _remove(incoming)
        self._prune(final)
        return final

    def latest(self, describes=None):
        """Return the newest good checkpoint, or None.

        Args:
            describes: List of {"name", "shape", "dtype"}: a checkpoint of other variables is foreign.

        Returns:
            `Checkpoint`. Damaged and foreign ones that are newer are passed over, with a warning that names them.

        Raises:
            CheckpointError: If there are checkpoints, but none is good: training from the start would overwrite them.
        """
        found = self.paths()
        for path in reversed(found):
            try:
                return read_checkpoint(path, describes)
            except CheckpointError as error:
                _log.warning("%s; going on from the one before it.", error)
        if found:
            raise CheckpointError(
                f"none of the {len(found)} checkpoints in {str(self.directory)!r} can be used: see the warnings. "
                "Remove them, or give another directory, to start afresh."
            )
        return None

    def settings(self):
        """Return the settings of the newest checkpoint whose header can be read, or None."""
        for path in reversed(self.paths()):
            with contextlib.suppress(CheckpointError):
                return read_header(path)["settings"]
        return None

    def best(self):
        """Return the path of the checkpoint with the best `monitor`, or None; the earliest of equals."""
        scored = [(score, path) for path in self.paths() if (score := self._score(path)) is not None]
        return max(scored, key=lambda pair: pair[0])[1] if scored else None

    def _score(self, path):
        """Return the monitored metric, higher is better, or None."""
        if not self.monitor:
            return None
        try:
            value = read_header(path)["metrics"].get(self.monitor)
        except CheckpointError:
            return None
        if value is None or not np.isfinite(value):
            return None
        return value if self.mode == "max" else -value

    def _prune(self, newest):
        paths = self.paths()
        count = paths.index(newest) + 1
        for path in paths[count:]:
            _remove(path)
        best = self.best()
        for path in paths[:count][: -self.keep]:
            if path != best:
                _remove(path)


def _remove(path):
    """Remove a directory, or a file, if there is one."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
