"""One checkpoint: what it holds, how it is written into a directory, and how it is read and doubted.

    checkpoint.json     position, names and shapes of the variables, history, settings, and a check sum of these
    state.npz           the variables, one array each, with a check sum each
    ...                 further texts, for instance flagfile.txt
"""

import dataclasses
import json
import os
import pathlib
import zipfile
import zlib

import numpy as np
import tensorflow as tf

from keras_repvis.data.position import Position
from keras_repvis.version import VERSION

_FORMAT = 1

# What NumPy and zipfile raise for a file with one wrong byte somewhere; RuntimeError if it seems encrypted, or
# compressed in a way that is not supported.
_UNREADABLE = (OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile, zlib.error)

_BFLOAT16 = tf.bfloat16.as_numpy_dtype  # NumPy's file format does not know it.


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
    header = read_header(path)
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


def read_header(path):
    """Return what checkpoint.json says, a dict; raises `CheckpointError` if it is damaged."""
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


def write_checkpoint(directory, checkpoint, texts):
    """Write a `Checkpoint`, and `texts` beside it, into an empty directory, and have it on disk.

    Args:
        directory: `pathlib.Path`.
        checkpoint: `Checkpoint`.
        texts: Dict of file name to text.

    Raises:
        OSError: If it cannot be written.
    """
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
    sync(directory)


def _check_sum(header):
    return zlib.crc32(json.dumps(header).encode())


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


def sync(directory):
    """Have the entries of a directory on disk before what follows."""
    if os.name != "posix":
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
