"""A training run as its directory holds it: settings, flags, metrics of each epoch, events and result."""

import dataclasses
import json
import math
import numbers
import pathlib

import numpy as np


@dataclasses.dataclass(frozen=True)
class Run:
    """What a run left on disk.

    Args:
        path: `pathlib.Path` of the run's directory, absolute.
        name: Last part of the path.
        settings: Dict of what determines the run (settings.json, else the configuration in result.json).
        entries: Tuple of dicts, one an epoch in the order of the epochs (log.jsonl); "epoch" counts from 1. Of an epoch
            that was logged twice, because the run was killed and went on, the later entry.
        events: Tuple of dicts with "event" and, where known, "epoch" (epochs done before it), "step" (steps done in the
            next epoch) and "message" (events.jsonl).
        result: Dict written at the end of the run (result.json); empty while the run is not complete.
        flags: Tuple of the lines of flagfile.txt, "--name=value".
        problems: Tuple of sentences: what of the directory could not be read.

    Example:
        >>> import pathlib
        >>> entries = ({"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25, "val_loss": 0.75})
        >>> run = keras_repvis.report.Run(pathlib.Path("runs/digits"), "digits", {"epochs": 2}, entries)
        >>> run.metrics, [values.tolist() for values in run.series("loss")]
        (('loss', 'val_loss'), [[1, 2], [0.5, 0.25]])
    """

    path: pathlib.Path
    name: str
    settings: dict = dataclasses.field(default_factory=dict)
    entries: tuple = ()
    events: tuple = ()
    result: dict = dataclasses.field(default_factory=dict)
    flags: tuple = ()
    problems: tuple = ()

    @property
    def metrics(self):
        """Names of the numbers in `entries`, in the order of their first appearance; not "epoch" and "step"."""
        names = {name: None for entry in self.entries for name, value in entry.items() if _is_real(value)}
        return tuple(name for name in names if name not in ("epoch", "step"))

    @property
    def tested(self):
        """Dict of the numbers in `result` whose names begin with "test_"."""
        return {name: value for name, value in self.result.items() if name.startswith("test_") and _is_real(value)}

    def series(self, metric):
        """Return (epochs, values), an integer and a float array: the epochs in which `metric` was logged."""
        found = [(entry["epoch"], entry[metric]) for entry in self.entries if _is_real(entry.get(metric))]
        return np.array([epoch for epoch, _ in found], "int64"), np.array([value for _, value in found], "float64")


def read_run(path):
    """Read the directory of a run, also of one that is still training or was killed.

    Args:
        path: Directory with log.jsonl, one JSON object an epoch; settings.json, flagfile.txt, events.jsonl and
            result.json may be missing. A line torn by a crash is left out and listed under `problems`.

    Returns:
        `Run`.

    Raises:
        ValueError: If `path` is not a directory with log.jsonl.

    Example:
        >>> import pathlib, tempfile
        >>> directory = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (directory / "log.jsonl").write_text('{"epoch": 1, "loss": 0.5}\\n{"epoch": 2, "lo')
        >>> run = keras_repvis.report.read_run(directory)
        >>> run.entries, run.problems
        (({'epoch': 1, 'loss': 0.5},), ('log.jsonl: 1 line could not be read.',))
    """
    directory = pathlib.Path(path).expanduser().resolve()
    if not (directory / "log.jsonl").is_file():
        state = "has no log.jsonl" if directory.is_dir() else "is not a directory"
        raise ValueError(
            f"run={str(path)!r} {state}: expected the directory of a run, as --run_dir names it, that has finished an "
            "epoch."
        )
    problems = []
    entries = {}
    for entry in _lines(directory / "log.jsonl", "epoch", _is_epoch, problems):
        entries[entry["epoch"]] = entry
    events = _lines(directory / "events.jsonl", "event", lambda kind: isinstance(kind, str), problems)
    result = _object(directory / "result.json", problems)
    configuration = result.get("configuration")
    return Run(
        path=directory,
        name=directory.name or str(directory),
        settings=_object(directory / "settings.json", problems)
        or (configuration if isinstance(configuration, dict) else {}),
        entries=tuple(entries[epoch] for epoch in sorted(entries)),
        events=tuple(events),
        result=result,
        flags=_flags(directory / "flagfile.txt"),
        problems=tuple(problems),
    )


def _lines(path, key, accepts, problems):
    """Return the objects of a file of JSON lines whose `key` has an accepted value, and count the other lines."""
    objects, unreadable = [], 0
    for line in _text(path).splitlines():
        found = _parsed(line)
        if isinstance(found, dict) and accepts(found.get(key)):
            objects.append(found)
        elif line.strip():
            unreadable += 1
    if unreadable:
        problems.append(f"{path.name}: {unreadable} line{'s' * (unreadable > 1)} could not be read.")
    return objects


def _object(path, problems):
    text = _text(path)
    found = _parsed(text)
    if isinstance(found, dict):
        return found
    if text:
        problems.append(f"{path.name} could not be read.")
    return {}


def _flags(path):
    lines = (line.strip() for line in _text(path).splitlines())
    return tuple(line for line in lines if line.startswith("-"))


def _text(path):
    # A crash may leave anything in the last bytes.
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _parsed(text):
    try:
        return json.loads(text)
    except ValueError:
        return None


def _is_epoch(value):
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_real(value):
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and not _too_large(value)


def _too_large(value):
    """Return whether a JSON integer is beyond a float."""
    try:
        math.isfinite(value)
    except OverflowError:
        return True
    return False
