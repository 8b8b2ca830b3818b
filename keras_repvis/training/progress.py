"""What a run says while it trains: a bar with time left on a terminal, one JSON line an epoch elsewhere."""

import contextlib
import json
import sys
import time

import keras
import rich.console
import rich.progress


class Progress(keras.callbacks.Callback):
    """Keras callback that reports images per second, time left and the metrics of each epoch.

    On a terminal: one bar for the whole run. Elsewhere: one JSON object a line and an epoch on the stream, with the
    keys "epoch" (from 1), "epochs", "images_per_second", "seconds", and one per metric. Pass it to `fit` together with
    `verbose=0`.

    Args:
        batch_size: Integer, images a step over all replicas.
        stream: Text file that receives the report; `sys.stderr` when None.

    Example:
        >>> callback = keras_repvis.training.Progress(batch_size=32)
        >>> isinstance(callback, __import__("keras").callbacks.Callback)
        True
    """

    def __init__(self, batch_size, stream=None):
        super().__init__()
        self.batch_size = batch_size
        self.stream = sys.stderr if stream is None else stream
        self._bar = None

    def on_train_begin(self, logs=None):
        if self.stream.isatty():
            self._bar = _bar(self.stream)
            self._bar.start()
            self._task = self._bar.add_task("", total=None, speed=0.0, metrics="", epoch="")

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch, self._epoch_start, self._steps = epoch, time.monotonic(), 0
        if self._bar:
            steps, epochs = self.params["steps"], self.params["epochs"]
            self._bar.update(
                self._task,
                total=steps and steps * epochs,
                completed=(steps or 0) * epoch,
                epoch=f"epoch {epoch + 1}/{epochs}",
            )

    def on_train_batch_end(self, batch, logs=None):
        self._steps += 1
        if self._bar:
            done = (self.params["steps"] or 0) * self._epoch + batch + 1  # A run may go on within an epoch.
            self._bar.update(self._task, completed=done, speed=self._speed())

    def on_epoch_end(self, epoch, logs=None):
        metrics = {name: float(value) for name, value in (logs or {}).items()}
        if self._bar:
            text = "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())
            self._bar.update(self._task, metrics=text)
            return
        line = {
            "epoch": epoch + 1,
            "epochs": self.params["epochs"],
            "images_per_second": round(self._speed(), 1),
            "seconds": round(time.monotonic() - self._epoch_start, 3),
            **metrics,
        }
        # A run goes on when whoever read its report is gone: a closed terminal, a `tee` that Ctrl-C has ended.
        with contextlib.suppress(OSError):
            print(json.dumps(line), file=self.stream, flush=True)

    def on_train_end(self, logs=None):
        self.close()

    def close(self):
        """Take the bar down; safe to call twice. `fit` does not call `on_train_end` after an error."""
        if self._bar:
            with contextlib.suppress(OSError):
                self._bar.stop()
            self._bar = None

    def _speed(self):
        return self._steps * self.batch_size / max(time.monotonic() - self._epoch_start, 1e-9)


def _bar(stream):
    return rich.progress.Progress(
        rich.progress.TextColumn("{task.fields[epoch]}"),
        rich.progress.BarColumn(),
        rich.progress.TextColumn("{task.fields[speed]:.0f} images/s"),
        rich.progress.TimeRemainingColumn(),
        rich.progress.TextColumn("{task.fields[metrics]}"),
        console=rich.console.Console(file=stream),
    )
