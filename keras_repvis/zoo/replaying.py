"""Runs a published SavedModel on stored inputs in a process of its own, as someone else's program would.

The process imports TensorFlow and nothing of this package, so what it returns is what the files hold.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

from keras_repvis.zoo import operations

_PROGRAM = """
import sys
import numpy as np
import tensorflow as tf
directory, inputs, outputs = sys.argv[1:]
model = tf.saved_model.load(directory)
np.save(outputs, model(tf.constant(np.load(inputs))).numpy())
"""


def replay(directory, inputs):
    """Return the outputs of the SavedModel in `directory` on `inputs`, computed in a new process.

    Args:
        directory: Path of a published version.
        inputs: float32 array (batch, height, width, channels), the model's inputs.

    Returns:
        NumPy array, the outputs of the SavedModel's `__call__` in inference mode.

    Raises:
        ValueError: If the process fails; the message ends with what it said.
        UnsafeOperationError: If the SavedModel can do more than compute.

    Example:
        >>> import numpy as np
        >>> keras_repvis.zoo.replay("no/such/directory", np.zeros((1, 8, 8, 1), "float32"))
        Traceback (most recent call last):
        ...
        ValueError: directory='no/such/directory' holds no SavedModel.
    """
    directory = pathlib.Path(directory)
    if not (directory / "saved_model.pb").is_file():
        raise ValueError(f"directory={str(directory)!r} holds no SavedModel.")
    operations.check_operations(directory)
    with tempfile.TemporaryDirectory() as temporary:
        before, after = pathlib.Path(temporary, "inputs.npy"), pathlib.Path(temporary, "outputs.npy")
        np.save(before, inputs)
        finished = subprocess.run(
            [sys.executable, "-c", _PROGRAM, str(directory.resolve()), str(before), str(after)],
            cwd=temporary,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            check=False,
        )
        if finished.returncode:
            raise ValueError(f"directory={str(directory)!r} could not be run again:\n{finished.stderr[-2000:]}")
        return np.load(after)
