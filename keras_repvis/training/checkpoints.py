"""Checkpoints on disk: each a directory that appears by one rename, whole or not at all.

    <directory>/
      epoch_00002_step_000040/
        checkpoint.json     position, names and shapes of the variables, history, settings, and a check sum of these
        state.npz           the variables, one array each, with a check sum each
        ...                 further texts, for instance flagfile.txt

A process killed while it saves leaves a directory `.incoming-*`, which no reader looks at and the next save removes.
"""

import contextlib
import dataclasses
import json
import logging
import os
import pathlib
import re
import shutil
import uuid
import zipfile
import zlib

import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.data.position import Position
from keras_repvis.version import VERSION

_FORMAT = 1
_NAME = re.compile(r"epoch_(\d+)_step_(\d+)")

# What NumPy and zipfile raise for a file with one wrong byte somewhere; RuntimeError if it seems encrypted, or
# compressed in a way that is not supported.
_UNREADABLE = (OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile, zlib.error)

_BFLOAT16 = tf.bfloat16.as_numpy_dtype  # NumPy's file format does not know it.

_log = logging.getLogger(__name__)


class CheckpointError(ValueError):
    """A directory is no checkpoint, is damaged, or belongs to another learner.

    Example:
        >>> issubclass(keras_repvis.training.CheckpointError, ValueError)
        True
    """


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A learner at one moment of its training.

    Args:
        position: `data.Position` of the next batch.
        variables: List of {"name", "shape", "dtype"}, as `LearnerState.describe` returns it.
        arrays: List of arrays, one a variable.
        history: List of dicts, one a finished epoch.
        settings: Dict of what determines the run, JSON-able.
        metrics: Dict of the metrics of the epoch just finished; empty in the middle of one.

    Example:
        >>> keras_repvis.training.Checkpoint(keras_repvis.data.Position(2, 5), [], []).position.step
        5
    """

    position: Position
    variables: list
    arrays: list
    history: list = dataclasses.field(default_factory=list)
    settings: dict = dataclasses.field(default_factory=dict)
    metrics: dict = dataclasses.field(default_factory=dict)


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
            raise ValueError(f"monitor={monitor!r} is not accepted: expected a metric of the validation data, 'val_…'.")
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
            _write(incoming, checkpoint, texts or {})
            if final.exists():  # Damaged, or saved before the run went back to an earlier one.
                os.rename(final, self.directory / f".incoming-{uuid.uuid4().hex}")
            os.rename(incoming, final)
            _sync(self.directory)
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
                return _read_header(path)["settings"]
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
            value = _read_header(path)["metrics"].get(self.monitor)
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


def read_checkpoint(path, describes=None):
    """Return the checkpoint in a directory.

    Args:
        path: Directory of the checkpoint.
        describes: List of {"name", "shape", "dtype"} of the variables it is to be for, or None for any.

    Returns:
        `Checkpoint`.

    Raises:
        CheckpointError: If it is damaged, of another format, or of other variables; the message says which.

    Example:
        >>> import tempfile
        >>> checkpoints = keras_repvis.training.Checkpoints(tempfile.mkdtemp())
        >>> position = keras_repvis.data.Position(epoch=1, step=5)
        >>> path = checkpoints.save(keras_repvis.training.Checkpoint(position, [], []))
        >>> keras_repvis.training.read_checkpoint(path).position
        Position(epoch=1, step=5)
    """
    header = _read_header(path)
    if describes is not None:
        _compare(path, header["variables"], describes)
    try:
        with np.load(pathlib.Path(path) / "state.npz", allow_pickle=False) as stored:
            arrays = [
                _decode(stored[str(index)], description) for index, description in enumerate(header["variables"])
            ]
        position = Position(**header["position"])
    except _UNREADABLE as error:
        raise CheckpointError(f"checkpoint {str(path)!r} is damaged: {error or type(error).__name__}") from error
    return Checkpoint(
        position, header["variables"], arrays, header["history"], header["settings"], metrics=header["metrics"]
    )


def _read_header(path):
    try:
        header = dict(json.loads((pathlib.Path(path) / "checkpoint.json").read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"checkpoint {str(path)!r} is damaged: {error}") from error
    if header.get("format") != _FORMAT:
        raise CheckpointError(f"checkpoint {str(path)!r} has format {header.get('format')!r}; expected {_FORMAT}")
    if header.pop("crc32", None) != _check_sum(header):
        raise CheckpointError(f"checkpoint {str(path)!r} is damaged: checkpoint.json is not as it was written")
    return header


def _compare(path, stored, expected):
    """Raise if the stored variables are not the expected ones.

    Names may differ: Keras numbers them by what the process built before.
    """
    if len(stored) != len(expected):
        raise CheckpointError(
            f"checkpoint {str(path)!r} is of another learner: it has {len(stored)} variables, expected {len(expected)}"
        )
    for theirs, ours in zip(stored, expected):
        if (theirs["shape"], theirs["dtype"]) != (ours["shape"], ours["dtype"]):
            raise CheckpointError(
                f"checkpoint {str(path)!r} is of another learner: {theirs['name']!r} has {theirs['dtype']} "
                f"{theirs['shape']}, expected {ours['dtype']} {ours['shape']} for {ours['name']!r}"
            )


def _write(directory, checkpoint, texts):
    header = {
        "format": _FORMAT,
        "keras_repvis": VERSION,
        "position": dataclasses.asdict(checkpoint.position),
        "metrics": checkpoint.metrics,
        "settings": checkpoint.settings,
        "history": checkpoint.history,
        "variables": checkpoint.variables,
    }
    with open(directory / "state.npz", "wb") as file:
        np.savez(file, **{str(index): _encode(array) for index, array in enumerate(checkpoint.arrays)})
        file.flush()
        os.fsync(file.fileno())
    header["crc32"] = _check_sum(header)
    for name, text in {**texts, "checkpoint.json": json.dumps(header)}.items():
        with open(directory / name, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    _sync(directory)


def _check_sum(header):
    return zlib.crc32(json.dumps(header).encode())


def _remove(path):
    """Remove a directory, or a file, if there is one."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def _encode(array):
    return array.view(np.uint16) if array.dtype == _BFLOAT16 else array


def _decode(array, description):
    if description["dtype"] == "bfloat16":
        array = array.view(_BFLOAT16)
    shape = list(array.shape)
    # With several replicas an array may hold the copy of each.
    if description["shape"] not in (shape, shape[1:]) or array.dtype.name != description["dtype"]:
        raise ValueError(f"{description['name']} holds {array.dtype} {shape}")
    return array


def _sync(directory):
    """Have the entries of a directory on disk before what follows."""
    if os.name != "posix":
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
