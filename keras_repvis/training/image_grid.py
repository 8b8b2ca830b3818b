"""Image grids written while a model trains: what a generator draws, or an autoencoder rebuilds, epoch by epoch."""

import logging
import math
import os
import pathlib
import re
import uuid

import keras
import numpy as np
import PIL.Image

from keras_repvis import checks

_log = logging.getLogger(__name__)
_GAP = 2
_WHITE = 255
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)
# float32 arithmetic may leave [0, 1] by rounding alone.
_SLACK = 1e-4


class ImageGrid(keras.callbacks.Callback):
    """Keras callback that writes the images of a function to <directory>/images/epoch_00001.png and so on.

    The last epoch is always written. Epochs count from 1 over all starts of the run, so a resumed run goes on where it
    was. A file appears whole or not at all. A full disk does not stop the training: a warning names the missing file.
    Under several workers give the callback to the first one only.

    Args:
        function: Function without arguments that returns images, float32 (count, height, width, 1 or 3) in [0, 1].
        directory: Directory of the run.
        every: Integer >= 1, epochs between two grids.
        columns: Integer >= 1, images in a row; None makes the grid about square.
        name: What the files are called before the number; a second callback of a run needs another name.

    Raises:
        ValueError: If an argument is out of range; during training, if the function returns something else than images
            in [0, 1].

    Example:
        >>> import numpy as np
        >>> callback = keras_repvis.training.ImageGrid(lambda: np.zeros((4, 8, 8, 1), "float32"), "runs/digits")
        >>> callback.path(epoch=3).as_posix()
        'runs/digits/images/epoch_00003.png'
    """

    def __init__(self, function, directory, every=1, columns=None, name="epoch"):
        super().__init__()
        if not callable(function):
            raise ValueError(f"function={function!r} is not accepted: expected a function that returns images.")
        checks.number("every", every, low=1, integer=True)
        if columns is not None:
            checks.number("columns", columns, low=1, integer=True)
        if not _NAME.fullmatch(name):
            raise ValueError(f"name={name!r} is not accepted: expected letters, digits, '_', '-' and '.'.")
        self.function = function
        self.directory = pathlib.Path(directory).expanduser() / "images"
        self.every = every
        self.columns = columns
        self.name = name

    def path(self, epoch):
        """Return the file of an epoch, counted from 1."""
        return self.directory / f"{self.name}_{epoch:05d}.png"

    def on_epoch_end(self, epoch, logs=None):
        done = epoch + 1
        if done % self.every and done != (self.params or {}).get("epochs"):
            return
        pixels = grid(self.function(), self.columns)
        try:
            _write(self.path(done), pixels)
        except OSError as error:
            _log.warning("%s was not written: %s. Training goes on.", self.path(done), error)


def grid(images, columns=None):
    """Put images beside one another, row by row, with white between them and where the last row ends early.

    Args:
        images: Float array (count, height, width, channels), 1 or 3 channels, in [0, 1].
        columns: Integer >= 1, images in a row; None makes the grid about square: the square root of the count, rounded
            up.

    Returns:
        uint8 array (rows * height + (rows - 1) * 2, columns * width + (columns - 1) * 2, channels); a value v of the
        images is round(255 v).

    Raises:
        ValueError: If `images` is no such array, or not every value is finite and in [0, 1] (up to rounding, 1e-4).

    Example:
        >>> import numpy as np
        >>> keras_repvis.training.grid(np.zeros((5, 8, 8, 3)), columns=3).shape
        (18, 28, 3)
    """
    images = _checked(images)
    count, height, width, channels = images.shape
    columns = math.ceil(count**0.5) if columns is None else checks.number("columns", columns, low=1, integer=True)
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    cells = np.full((rows * columns, height + _GAP, width + _GAP, channels), _WHITE, "uint8")
    cells[:count, :height, :width] = np.round(images * 255)
    cells = cells.reshape(rows, columns, height + _GAP, width + _GAP, channels)
    tiled = cells.transpose(0, 2, 1, 3, 4).reshape(rows * (height + _GAP), columns * (width + _GAP), channels)
    return tiled[:-_GAP, :-_GAP]


def _checked(images):
    images = np.asarray(images)
    expected = "expected float32 images (count, height, width, 1 or 3) in [0, 1]"
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or 0 in images.shape:
        raise ValueError(f"images of shape {images.shape} are not accepted: {expected}.")
    if not np.issubdtype(images.dtype, np.floating):
        raise ValueError(f"images of type {images.dtype} are not accepted: {expected}.")
    bad = int(np.sum(~np.isfinite(images)))
    if bad:
        raise ValueError(f"images are not accepted: {bad} of {images.size} values are NaN or infinite; {expected}.")
    lowest, highest = float(images.min()), float(images.max())
    if lowest < -_SLACK or highest > 1 + _SLACK:
        raise ValueError(f"images in [{lowest:g}, {highest:g}] are not accepted: {expected}.")
    return images


def _write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        PIL.Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels).save(temporary, format="PNG")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
