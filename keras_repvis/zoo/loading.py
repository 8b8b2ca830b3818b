"""Loading a published version: resolve once, verify every byte, then read."""

import keras
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.zoo import operations
from keras_repvis.zoo.layout import FOLDED, KERAS_FILE
from keras_repvis.zoo.resolving import reading


def load(handle, root=None, custom_objects=None):
    """Load a published model as a Keras model, to run, to fine-tune or to look into.

    The version is verified against its manifest first: names and sizes of all files always, their SHA-256 when this
    process loads the version for the first time or a file was written since. The `.keras` file is read in
    Keras' safe mode, so nothing in it is executed but the layers it names. The model is not compiled.

    Args:
        handle: `publisher/model` for the latest version, `publisher/model/3`, `publisher/model@alias`, or a path.
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
    with reading(handle, root) as version:
        version.verify("once")
        path = version.path / KERAS_FILE
        return keras.saving.load_model(path, custom_objects=custom_objects, compile=False, safe_mode=True)


def load_saved_model(handle, root=None, variant=None, allow_operations=()):
    """Load a published model as a reusable SavedModel: a program that needs none of the model's Python classes.

    Before anything of it runs, its bytes are verified and the operations of each of its endpoints are compared with a
    list of operations that only compute: a SavedModel that reads, writes or prints files is refused.

    Args:
        handle: As in `load`.
        root: Root of the zoo; see `find_root`.
        variant: None for the model as published, or "folded" for the variant with batch normalisation folded and
            weights frozen, the one to serve; see `publish`.
        allow_operations: Sequence of names of operations to allow beyond the list, for instance ["PrintV2"].

    Returns:
        Object with `__call__(inputs, training=False)`, `variables`, `trainable_variables`, `regularization_losses` and
        `signatures`; see `keras_repvis.zoo.export.save`. The folded variant has only the call and the signatures.

    Raises:
        ValueError: If nothing is published under the handle, or the version has no such variant.
        IntegrityError: If a file is missing, extra, changed or a symbolic link; the message names it.
        UnsafeOperationError: If an endpoint uses an operation that is not allowed; the message names both.

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
    with reading(handle, root) as version:
        variants = version.verify("once")["variants"]
        directory = version.path
        if variant is not None:
            checks.one_of(f"variant of {version.handle}", variant, [name for name in variants if name == FOLDED])
            directory = directory / variants[variant]["file"]
        operations.check_operations(directory, allow_operations)
        return tf.saved_model.load(str(directory))
