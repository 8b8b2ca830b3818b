"""A Keras layer over a published model: its weights are tracked, freeze, train, and are saved with the model around."""

import dataclasses
import os
import pathlib

import keras
import tensorflow as tf
from keras.src.saving import serialization_lib

from keras_repvis.zoo import handle as handles
from keras_repvis.zoo import loading, manifest, operations
from keras_repvis.zoo.resolving import resolve
from keras_repvis.zoo.reusable import Reusable
from keras_repvis.zoo.root import find_root


@keras.saving.register_keras_serializable("keras_repvis")
class KerasLayer(keras.layers.Layer):
    """A published model as one layer, to build on and to fine-tune.

    The layer runs the reusable SavedModel, so it needs none of the Python code the model was made with. Its weights are
    those of the SavedModel, trainable or not as they were published, and the states of its random generators.

    With `trainable=True` it trains like the model itself: batch normalisation uses and moves its statistics, dropout
    drops, and the model's regularisation losses are added. With `trainable=False` nothing of it moves: it runs in
    inference mode also inside `fit`. `layer.trainable` can be set later, before `compile`.

    The SavedModel computes in the types it was published in, whatever the dtype policy; inputs and outputs of a
    floating type are converted.

    A model with this layer is saved to `.keras` and loaded in safe mode like any other. The file holds the weights, the
    handle with its version and the digest of what is published; on loading, the version is looked up again, in `root`
    if that was given and else in the zoo there is then, verified, and refused if it is not the same. The operations of
    the SavedModel are compared with those known to be safe at each loading (see `check_operations`); names in
    `allow_operations` are not taken from a file in safe mode.

    Args:
        handle: `publisher/model` for the latest version, `publisher/model/3`, or a path: of a version, or of any
            reusable SavedModel, of which the operations are checked and no files compared.
        trainable: Whether its weights train. Default False.
        root: Root of the zoo; see `find_root`.
        allow_operations: Collection of names of operations to accept beyond the safe ones, for instance ["PrintV2"].
        **kwargs: `name` and `dtype`, as of every Keras layer.

    Call arguments:
        inputs: What the published model takes, for instance images `(batch, height, width, channels)`, float in [0, 1].
        training: Whether to run in training mode. Only if the layer is trainable.

    Output shape:
        That of the published model, for instance `(batch, classes)` logits.

    Raises:
        ValueError: If nothing is published under the handle, or what is there is no reusable SavedModel, or it does not
            say which variables train and `trainable` is True.
        IntegrityError: If a file of the version was changed; on loading a saved model, if it is not the same version.
        UnsafeOperationError: If the SavedModel can do more than compute.

    Example:
        >>> import tempfile
        >>> import keras
        >>> from keras_repvis import zoo
        >>> features = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="features")])
        >>> with tempfile.TemporaryDirectory() as root:
        ...     handle = zoo.publish(features, "me/tiny", root).handle
        ...     layer = zoo.KerasLayer("me/tiny", trainable=True, root=root)
        >>> model = keras.Sequential([keras.Input((4,)), layer, keras.layers.Dense(2)])
        >>> layer.handle, len(model.trainable_weights), model.output_shape
        ('me/tiny/1', 4, (None, 2))
    """

    def __init__(self, handle, trainable=False, root=None, allow_operations=(), **kwargs):
        if not isinstance(trainable, bool):
            raise ValueError(f"trainable={trainable!r} is not accepted: expected True or False.")
        # Keras would convert the inputs to the type of the policy, and their precision would be lost.
        super().__init__(autocast=False, **kwargs)
        origin = _find(handle, root)
        loaded = _load(origin, allow_operations)
        self.handle = origin.handle
        self.digest = origin.digest
        self.root = origin.root
        self.allow_operations = tuple(allow_operations)
        # As an attribute, so that an export finds tables and other resources of the SavedModel.
        self._loaded = loaded
        self._reusable = Reusable(loaded, origin.handle)
        if trainable and self._reusable.variables and not self._reusable.trainable:
            raise ValueError(
                f"trainable=True is not accepted: {origin.handle} lists no trainable variables, so nothing would train."
            )
        self._saved_variables = self._make_weights(self._reusable)
        # After the weights, so that those of a frozen layer are marked too: a model goes by them.
        self.trainable = trainable
        self.built = True

    def call(self, inputs, training=None):
        """Return the outputs of the published model."""
        outputs = self._reusable(inputs, training=bool(training) and self.trainable)
        return tf.nest.map_structure(self._converted, outputs)

    def compute_output_spec(self, inputs, training=None):
        """Return the `keras.KerasTensor`s of the outputs for those of the inputs."""
        specs = keras.tree.map_structure(lambda one: tf.TensorSpec(one.shape, one.dtype), inputs)
        return tf.nest.map_structure(
            lambda spec: keras.KerasTensor(spec.shape, self._converted_type(spec.dtype)),
            self._reusable.output_specs(specs),
        )

    def compute_output_shape(self, input_shape):
        """Return the shapes of the outputs for those of the inputs."""
        specs = self._reusable.output_specs(self._reusable.input_specs(input_shape))
        return tf.nest.map_structure(lambda spec: tuple(spec.shape), specs)

    def get_config(self):
        """Return what the layer is made of: plain JSON values."""
        return {
            **super().get_config(),
            "handle": self.handle,
            "root": self.root,
            "allow_operations": list(self.allow_operations),
            "digest": self.digest,
        }

    @classmethod
    def from_config(cls, config):
        """Return the layer of a configuration, if what is published under its handle is still the same."""
        config = dict(config)
        digest = config.pop("digest", None)
        if config.get("allow_operations") and serialization_lib.in_safe_mode():
            raise ValueError(
                f"{config.get('handle')} is not loaded: the file asks to allow_operations="
                f"{config['allow_operations']!r}, and a file may not allow them. Where you trust it, load it with "
                "safe_mode=False."
            )
        origin = _find(config["handle"], _root_of_handle(config["handle"], config.get("root")))
        if origin.digest != digest:
            raise manifest.IntegrityError(
                f"{origin.path}: is not the {config['handle']} this was saved with: its digest is {origin.digest}, "
                f"expected {digest}."
            )
        return cls(**{**config, "root": origin.root})

    def _make_weights(self, reusable):
        """Return a `keras.Variable` for each variable, that shares its storage, under a name of its own."""
        taken, tracked = set(), []
        with keras.name_scope(self.name):
            for place, variable in enumerate(reusable.variables):
                name = _unused(variable.name.partition(":")[0].replace("/", "_"), taken)
                dtype = variable.dtype.name
                trains = place in reusable.trainable
                tracked.append(keras.Variable(variable, dtype=dtype, trainable=trains, autocast=False, name=name))
        for place, losses in reusable.regularization_losses.items():
            # So Keras adds them while the variable trains, and publishes them again with the model around.
            tracked[place].regularizer = _SavedLosses(losses)
        return tracked

    def _converted(self, tensor):
        return tf.cast(tensor, self._converted_type(tensor.dtype))

    def _converted_type(self, dtype):
        return self.compute_dtype if dtype.is_floating else dtype.name


class _SavedLosses(keras.regularizers.Regularizer):
    """The regularisation losses of a SavedModel that concern one variable: they know it already."""

    def __init__(self, losses):
        self.losses = losses

    def __call__(self, x):
        return sum(loss() for loss in self.losses)


@dataclasses.dataclass(frozen=True)
class _Origin:
    """Where a layer comes from: `handle` with its version or path, `root` as given, and the digest of what is there."""

    handle: str
    root: str | None
    path: pathlib.Path
    digest: str
    published: bool


def _find(handle, root):
    path = handles.as_path(handle)
    if path is not None and _is_bare(path):
        path = pathlib.Path(os.path.abspath(path))
        return _Origin(str(path), None, path, operations.digest(path), published=False)
    version = resolve(handle, root)
    name = version.handle if path is None else str(version.path)
    root = None if root is None or path is not None else str(find_root(root))
    return _Origin(name, root, version.path, version.manifest["digest"], published=True)


def _is_bare(path):
    """Return whether `path` is a directory that no zoo has made: neither a version nor a model with versions."""
    return (
        os.path.isdir(path)
        and not os.path.lexists(path / manifest.FILE)
        and not any(name.isdecimal() for name in os.listdir(path))
    )


def _load(origin, allow_operations):
    if origin.published:
        return loading.load_saved_model(origin.handle, origin.root, allow_operations=allow_operations)
    operations.check_operations(origin.path, allow_operations)
    return tf.saved_model.load(str(origin.path))


def _root_of_handle(handle, root):
    """Return `root` if the zoo there has the model, else None, for the zoo of this machine: files travel, zoos stay."""
    if root is None or handles.as_path(handle) is not None:
        return None
    parsed = handles.parse(handle)
    return root if os.path.isdir(os.path.join(root, parsed.publisher, parsed.model)) else None


def _unused(name, taken):
    unused, repeat = name, 2
    while unused in taken:
        unused, repeat = f"{name}_{repeat}", repeat + 1
    taken.add(unused)
    return unused
