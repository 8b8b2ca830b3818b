"""The directory of a training run: its flags, its log, its last checkpoint and its model.

    <directory>/
      flagfile.txt            the flags of the run: `repvis-train --flagfile=<directory>/flagfile.txt` repeats it
      log.jsonl               one JSON object an epoch
      checkpoint/epoch_00003/ model.keras (weights and optimiser) and position.json (place in the data stream)
      model.keras             the trained model, written when the run is complete

A checkpoint appears by one rename, so a killed run leaves the previous checkpoint or the new one, never half of one.
"""

import json
import os
import pathlib
import shutil
import uuid

import keras

from keras_repvis.data.position import Position


class RunDirectory:
    """A training run on disk.

    Args:
        path: Directory; made when missing.

    Raises:
        ValueError: If `path` exists and is not a directory.

    Example:
        >>> import tempfile
        >>> keras_repvis.training.RunDirectory(tempfile.mkdtemp()).latest() is None
        True
    """

    def __init__(self, path):
        self.path = pathlib.Path(path).expanduser()
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"run_dir={str(path)!r} is a file; give a directory that is new or holds an earlier run.")
        self._checkpoints = self.path / "checkpoint"
        self._checkpoints.mkdir(parents=True, exist_ok=True)

    @property
    def model_path(self):
        """Path of the finished model."""
        return self.path / "model.keras"

    def write_text(self, name, text):
        """Write the file `name` whole or not at all."""
        temporary = self.path / f".{name}.{uuid.uuid4().hex}"
        temporary.write_text(text)
        os.replace(temporary, self.path / name)

    def save_model(self, model):
        """Write the finished model whole or not at all."""
        temporary = self.path / f".{uuid.uuid4().hex}.keras"
        try:
            model.save(temporary)
            os.replace(temporary, self.model_path)
        finally:
            temporary.unlink(missing_ok=True)

    def log(self, entry):
        """Append the dict `entry` to log.jsonl."""
        with open(self.path / "log.jsonl", "a") as file:
            file.write(json.dumps(entry) + "\n")

    def truncate_log(self, epochs):
        """Forget the log entries after the first `epochs`: a run that died after logging will log them again."""
        entries = self.read_log()
        if len(entries) > epochs:
            self.write_text("log.jsonl", "".join(json.dumps(entry) + "\n" for entry in entries[:epochs]))

    def read_log(self):
        """Return the logged entries, a list of dicts."""
        file = self.path / "log.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def save(self, model, position):
        """Publish a checkpoint of `model` (with its optimiser) at `position` and remove the older ones."""
        final = self._checkpoints / f"epoch_{position.epoch:05d}"
        incoming = self._checkpoints / f".incoming-{uuid.uuid4().hex}"
        incoming.mkdir()
        try:
            model.save(incoming / "model.keras")
            (incoming / "position.json").write_text(position.to_json())
            if final.exists():
                shutil.rmtree(final)
            os.rename(incoming, final)
        finally:
            shutil.rmtree(incoming, ignore_errors=True)
        for older in self._complete()[:-1]:
            shutil.rmtree(older, ignore_errors=True)

    def latest(self):
        """Return (path of the model, `Position`) of the newest checkpoint, or None."""
        complete = self._complete()
        if not complete:
            return None
        return complete[-1] / "model.keras", Position.from_json((complete[-1] / "position.json").read_text())

    def _complete(self):
        return sorted(self._checkpoints.glob("epoch_*"))


class Checkpointing(keras.callbacks.Callback):
    """Keras callback that logs each epoch to a `RunDirectory` and saves a checkpoint after it.

    Args:
        directory: `RunDirectory`.
        every: Integer >= 1, epochs between two checkpoints; the last epoch is always saved.

    Example:
        >>> import tempfile
        >>> directory = keras_repvis.training.RunDirectory(tempfile.mkdtemp())
        >>> keras_repvis.training.Checkpointing(directory).every
        1
    """

    def __init__(self, directory, every=1):
        super().__init__()
        self.directory = directory
        self.every = every

    def on_epoch_end(self, epoch, logs=None):
        self.directory.log({"epoch": epoch + 1, **{name: float(value) for name, value in (logs or {}).items()}})
        if (epoch + 1) % self.every == 0 or epoch + 1 == self.params["epochs"]:
            self.directory.save(self.model, Position(epoch=epoch + 1, step=0))
