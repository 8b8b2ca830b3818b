"""What a run tells TensorBoard: the metrics of each epoch, the learning rate and the image grids."""

import importlib
import pathlib
import re

import keras
import numpy as np
import PIL.Image
import tensorflow as tf

_IMAGE = re.compile(r"(?P<name>.*)_(?P<epoch>\d{5,})\.png")


class TensorBoardLog(keras.callbacks.Callback):
    """Keras callback that writes TensorBoard's event files to <directory>/tensorboard/.

    `train` and `validation` below it receive the scalars epoch_<metric>, `train` also epoch_learning_rate and the grids
    that `ImageGrid` writes to <directory>/images, in whatever order the two callbacks stand. The step of an event is
    the epoch as in log.jsonl: from 1, over all starts of the run, so a resumed run goes on with the same curves. Read
    them with `tensorboard --logdir=<directory>`, or the directory above to see several runs. An epoch that a killed run
    has to repeat is written again, with the same values; TensorBoard shows it once.

    Under several workers give the callback to the first one only.

    Differs from `keras.callbacks.TensorBoard`: steps count from 1, nothing is done per batch (there, writing nothing
    costs each batch about 0.1 ms), and the validation metrics are not written a second time against the step.

    Args:
        directory: Directory of the run.

    Raises:
        ImportError: If TensorBoard is not installed.

    Example:
        >>> try:
        ...     callbacks = [keras_repvis.training.TensorBoardLog("runs/digits")]
        ... except ImportError:  # pip install 'keras-repvis[tensorboard]'
        ...     callbacks = []
    """

    def __init__(self, directory):
        super().__init__()
        _require_tensorboard()
        self.directory = pathlib.Path(directory).expanduser() / "tensorboard"
        self._images = self.directory.parent / "images"
        self._writers = {}
        self._written = None

    def on_epoch_begin(self, epoch, logs=None):
        if self._written is None:  # What was there when the run went on has been written before.
            self._written = {path for _, _, path in self._grids(last=epoch)}
        self._last = epoch

    def on_epoch_end(self, epoch, logs=None):
        self._write_scalars(epoch + 1, logs or {})
        self._write_grids(last=epoch + 1)
        self._last = epoch + 1

    def on_train_end(self, logs=None):
        if self._written is not None:
            # `ImageGrid` may stand behind this callback.
            self._write_grids(last=self._last)
        for writer in self._writers.values():
            writer.close()
        self._writers, self._written = {}, None

    def _write_scalars(self, epoch, logs):
        scalars = {name: float(value) for name, value in logs.items() if np.ndim(value) == 0}
        rate = getattr(getattr(self.model, "optimizer", None), "learning_rate", None)
        if rate is not None:
            scalars.setdefault("learning_rate", float(keras.ops.convert_to_numpy(rate)))
        for name, value in scalars.items():
            with self._writer("validation" if name.startswith("val_") else "train"):
                tf.summary.scalar(f"epoch_{name.removeprefix('val_')}", value, step=epoch)

    def _write_grids(self, last):
        for epoch, name, path in self._grids(last):
            if path not in self._written:
                with PIL.Image.open(path) as image:
                    pixels = np.asarray(image)
                with self._writer("train"):
                    grid = pixels.reshape(1, *pixels.shape[:2], -1)
                    tf.summary.image("images" if name == "epoch" else name, grid, step=epoch)
                self._written.add(path)

    def _grids(self, last):
        """Return sorted (epoch, name, path) of the image grids up to the epoch `last`."""
        found = [(_IMAGE.fullmatch(path.name), path) for path in self._images.glob("*.png")]
        grids = [(int(match["epoch"]), match["name"], path) for match, path in found if match]
        return sorted(grid for grid in grids if grid[0] <= last)

    def _writer(self, place):
        """Return the context in which summaries go to the folder `place`; leaving it flushes them to the disk."""
        if place not in self._writers:
            self._writers[place] = tf.summary.create_file_writer(str(self.directory / place))
        return self._writers[place].as_default()


def _require_tensorboard():
    try:
        importlib.import_module("tensorboard.summary")
    except ImportError as error:
        raise ImportError(
            f"TensorBoard's event files need the package tensorboard ({error}): pip install 'keras-repvis[tensorboard]'"
        ) from error
