"""Loading a published version: resolve once, verify every byte, then read."""

import keras
import tensorflow as tf

from keras_repvis.zoo import manifest
from keras_repvis.zoo.publishing import KERAS_FILE
from keras_repvis.zoo.resolving import resolve


def load(handle, root=None, custom_objects=None):
    """Load a published model as a Keras model, to run, to fine-tune or to look into.

    The version is verified against its manifest first: sizes and SHA-256 of all files. The `.keras` file is read in
    Keras' safe mode, so nothing in it is executed but the layers it names. The model is not compiled.

    Args:
        handle: `publisher/model` for the latest version, `publisher/model/3`, or a path.
        root: Root of the zoo; see `find_root`.
        custom_objects: Mapping of names to classes that the model needs and that are not registered with Keras.

    Returns:
        `keras.Model`; the weights train as they did before publication.

    Raises:
        ValueError: If nothing is published under the handle.
        IntegrityError: If a file is missing, extra, changed or a symbolic link; the message names it.

    Example:
        >>> import tempfile
        >>> import keras
        >>> from keras_repvis import zoo
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="logits")])
        >>> with tempfile.TemporaryDirectory() as root:
        ...     handle = zoo.publish(model, "me/tiny", root).handle
        ...     loaded = zoo.load("me/tiny", root)
        >>> handle, loaded.count_params()
        ('me/tiny/1', 10)
    """
    path = _verified(handle, root)
    return keras.saving.load_model(path / KERAS_FILE, custom_objects=custom_objects, compile=False, safe_mode=True)


def load_saved_model(handle, root=None):
    """Load a published model as a reusable SavedModel: a program that needs none of the model's Python classes.

    Args:
        handle: As in `load`.
        root: Root of the zoo; see `find_root`.

    Returns:
        Object with `__call__(inputs, training=False)`, `variables`, `trainable_variables`, `regularization_losses` and
        `signatures`; see `keras_repvis.zoo.export.save`.

    Raises:
        ValueError: If nothing is published under the handle.
        IntegrityError: If a file is missing, extra, changed or a symbolic link; the message names it.

    Example:
        >>> import tempfile
        >>> import keras
        >>> from keras_repvis import zoo
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="logits")])
        >>> with tempfile.TemporaryDirectory() as root:
        ...     _ = zoo.publish(model, "me/tiny", root)
        ...     graph = zoo.load_saved_model("me/tiny", root)
        >>> graph(keras.ops.ones((3, 4)), training=False).shape
        TensorShape([3, 2])
        >>> len(graph.trainable_variables)
        2
    """
    return tf.saved_model.load(str(_verified(handle, root)))


def _verified(handle, root):
    version = resolve(handle, root)
    manifest.verify(version.path)
    # Read through the version, which also compares the handle: one version copied over another is noticed.
    return version.manifest and version.path
