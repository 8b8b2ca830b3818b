"""The directory of a training run: its flags, its log, its checkpoints and its model.

    <directory>/
      flagfile.txt      the flags of the run: `repvis-train --flagfile=<directory>/flagfile.txt` repeats it
      settings.json     the same as JSON: everything that determines the result
      log.jsonl         one JSON object an epoch
      events.jsonl      one JSON object an event: resumed, saved, skipped_step, save_failed, stopped, finished
      checkpoints/      see `training.checkpoints`
      model.keras       the trained model, written when the run is complete (of a translation two: generator_ab.keras
                        and generator_ba.keras)
"""

import contextlib
import json
import os
import pathlib
import uuid

from keras_repvis.training.checkpoints import Checkpoints
from keras_repvis.training.global_gradient import GlobalGradientOptimizer


class RunDirectory:
    """A training run on disk.

    Args:
        path: Directory; made when missing.
        keep: Integer >= 1, how many of the newest checkpoints to keep.
        monitor: Name of a validation metric, "val_accuracy" for instance, whose best checkpoint is kept too; "" for no
            such.
        mode: "max" or "min", which value of `monitor` is best.

    Raises:
        ValueError: If `path` exists and is not a directory, or another argument is not accepted.

    Example:
        >>> import tempfile
        >>> keras_repvis.training.RunDirectory(tempfile.mkdtemp()).read_log()
        []
    """

    def __init__(self, path, keep=2, monitor="", mode="max"):
        self.path = pathlib.Path(path).expanduser()
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"run_dir={str(path)!r} is a file; give a directory that is new or holds an earlier run.")
        self.checkpoints = Checkpoints(self.path / "checkpoints", keep, monitor, mode)

    @property
    def model_path(self):
        """Path of the finished model."""
        return self.path / "model.keras"

    @contextlib.contextmanager
    def locked(self):
        """Context in which no other process can train in this directory; on POSIX, and a killed process lets go.

        Raises:
            ValueError: If another process does.
        """
        try:
            import fcntl
        except ImportError:  # Windows.
            yield
            return
        with open(self.path / ".lock", "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ValueError(f"run_dir={str(self.path)!r}: another process is training in it.") from None
            yield

    def write_text(self, name, text):
        """Write the file `name` whole or not at all."""
        temporary = self.path / f".{name}.{uuid.uuid4().hex}"
        try:
            temporary.write_text(text)
            os.replace(temporary, self.path / name)
        finally:
            temporary.unlink(missing_ok=True)

    def save_model(self, model, name="model.keras"):
        """Write the finished model whole or not at all, compiled with the bare optimiser, and return the file's path.

        So it loads wherever Keras is, without this package, unless a layer, the loss or the schedule is of it.
        """
        temporary = self.path / f".{uuid.uuid4().hex}.keras"
        try:
            with _bare(model):
                model.save(temporary)
            os.replace(temporary, self.path / name)
        finally:
            temporary.unlink(missing_ok=True)
        return self.path / name

    def write_log(self, entries):
        """Make `entries`, a list of dicts, the whole of log.jsonl."""
        self.write_text("log.jsonl", "".join(json.dumps(entry) + "\n" for entry in entries))

    def read_log(self):
        """Return the logged entries, a list of dicts; a line that a killed process left unfinished is passed over."""
        return _read_lines(self.path / "log.jsonl")

    def event(self, name, position, message=""):
        """Append an event at a `data.Position` to events.jsonl."""
        entry = {"event": name, "epoch": position.epoch, "step": position.step, "message": message}
        with open(self.path / "events.jsonl", "ab+") as file:
            # A line that a full disk or a killed process left unfinished does not take this one with it.
            torn = file.tell() and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n"
            file.write(b"\n" * bool(torn) + json.dumps(entry).encode() + b"\n")

    def read_events(self):
        """Return the events, a list of dicts with "event", "epoch", "step" (of the epoch) and "message"."""
        return _read_lines(self.path / "events.jsonl")


@contextlib.contextmanager
def _bare(model):
    """Context in which a model has the optimiser that is wrapped, and was compiled with it."""
    optimizer = getattr(model, "optimizer", None)  # A part of a learner is not compiled.
    if not isinstance(optimizer, GlobalGradientOptimizer):
        yield
        return
    config = model.get_compile_config()
    if config.get("optimizer", {}).get("class_name") == GlobalGradientOptimizer.__name__:
        config["optimizer"] = config["optimizer"]["config"]["inner_optimizer"]
    model.optimizer = optimizer.inner_optimizer
    model.get_compile_config = lambda: config
    try:
        yield
    finally:
        del model.get_compile_config
        model.optimizer = optimizer


def _read_lines(path):
    entries = []
    for line in path.read_text().splitlines() if path.exists() else ():
        with contextlib.suppress(ValueError):
            entries.append(json.loads(line))
    return entries
