"""Opening whatever a user has as a model: a handle, a `.keras` file, or the directory of any SavedModel."""

import os
import pathlib

import keras
import tensorflow as tf

from keras_repvis.zoo import loading, manifest, operations


class SavedFunction:
    """The map from inputs to outputs of a loaded SavedModel; there are no layers to look into.

    Args:
        function: Function of a batch.
        spec: `tf.TensorSpec` of the batch, or None if the SavedModel does not tell.
        name: String, for messages.

    Call arguments:
        inputs: Tensor (batch, ...).

    Example:
        >>> import tensorflow as tf
        >>> from keras_repvis import zoo
        >>> twice = zoo.SavedFunction(lambda x: 2 * x, tf.TensorSpec((None, 3)), "twice")
        >>> twice(tf.ones((1, 3))).numpy().tolist(), twice.name
        ([[2.0, 2.0, 2.0]], 'twice')
    """

    def __init__(self, function, spec, name):
        self._function = function
        self.spec = spec
        self.name = name

    def __call__(self, inputs):
        return self._function(inputs)


def open_model(model, root=None, custom_objects=None, allow_operations=()):
    """Open a model, without trusting it: nothing of it runs but layers it names and operations that only compute.

    Args:
        model: Handle as in `load`, path of a `.keras` file, or path of the directory of a SavedModel, from this zoo or
            from elsewhere.
        root: Root of the zoo; see `find_root`.
        custom_objects: Mapping of names to classes that a `.keras` file needs and that are not registered with Keras.
        allow_operations: Names of operations to allow in a SavedModel beyond those that only compute.

    Returns:
        `keras.Model`, where there is one, or a `SavedFunction`.

    Raises:
        ValueError: If there is no such model, or a SavedModel offers no function of one batch.
        UnsafeOperationError: If a SavedModel can do more than compute.

    Example:
        >>> from keras_repvis import zoo
        >>> zoo.open_model("repvis/mobilenet_v2_digits").output_shape
        (None, 10)
    """
    path = pathlib.Path(model).expanduser()
    if path.suffix == ".keras" or path.is_file():
        if not path.is_file():
            raise ValueError(f"model={os.fspath(model)!r} is not accepted: there is no such file.")
        return keras.saving.load_model(path, custom_objects=custom_objects, compile=False, safe_mode=True)
    if (path / operations.FILE).is_file() and not (path / manifest.FILE).is_file():
        operations.check_operations(path, allow_operations)
        return _function(tf.saved_model.load(os.fspath(path)), path.name)
    return loading.load(os.fspath(model), root, custom_objects)


def _function(loaded, name):
    """Return the `SavedFunction` of a loaded SavedModel."""
    signature = loaded.signatures.get("serving_default") if hasattr(loaded, "signatures") else None
    specs = list(signature.structured_input_signature[1].values()) if signature else []
    spec = specs[0] if len(specs) == 1 else None
    if callable(loaded) and spec is not None:
        # A reusable SavedModel; not all of them take `training`.
        return SavedFunction(lambda inputs: _kept(loaded, loaded(inputs)), spec, name)
    if spec is None:
        raise ValueError(
            f"model={name!r} is not accepted: its serving_default takes {len(specs)} tensors, expected one batch."
        )
    outputs = list(signature.structured_outputs)
    if len(outputs) != 1:
        return SavedFunction(lambda inputs: _kept(loaded, signature(**{spec.name: inputs})), spec, name)
    return SavedFunction(lambda inputs: _kept(loaded, signature(**{spec.name: inputs})[outputs[0]]), spec, name)


def _kept(loaded, outputs):
    """Return `outputs`; that `loaded` is named here keeps its variables alive as long as the function."""
    return outputs
