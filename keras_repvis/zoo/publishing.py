"""Publishing: write both forms of a model, read them back, compare, and let the version appear at once."""

import pathlib

import keras
import numpy as np
import tensorflow as tf

from keras_repvis.zoo import card, equality, export, manifest, provenance, transaction
from keras_repvis.zoo import handle as handles
from keras_repvis.zoo.resolving import Version, resolve
from keras_repvis.zoo.root import find_root

KERAS_FILE = "model.keras"


def publish(
    model,
    handle,
    root=None,
    *,
    metrics=None,
    training=None,
    data=None,
    licence="Apache-2.0",
    description="",
    parent=None,
    intended_use="",
    limits="",
    inputs=None,
    custom_objects=None,
):
    """Publish `model` as the next version of `handle`.

    The version directory is a SavedModel (see `keras_repvis.zoo.export.save`) that also holds `model.keras` for
    fine-tuning and analysis, the model card `card.md`, the inputs and outputs both were checked on (`check.npz`) and
    `manifest.json`. The optimiser of a compiled model is not published. Any number of processes may publish at once.

    Args:
        model: Built `keras.Model` with one input tensor, for instance images float32 `(batch, height, width, channels)`
            in [0, 1]. Custom layers are registered with Keras, or in `custom_objects`.
        handle: String `publisher/model`; the version number is given by the zoo.
        root: Root of the zoo; see `find_root`. It is made if it does not exist.
        metrics: Mapping of names to measured numbers, for instance {"test_accuracy": 0.98}. Default none.
        training: Mapping that says how the model was trained: flags, seed. Default none.
        data: Mapping that says on what, or an object with a `fingerprint` such as a `data.Source`. Default none.
        licence: SPDX name of the weights' licence. Default "Apache-2.0".
        description: One sentence for people.
        parent: Handle of the published version this one was made from, in the same zoo, or None.
        intended_use: Text for the model card.
        limits: Text for the model card.
        inputs: Batch to compare the files with the model on; seeded noise in [0, 1] when None.
        custom_objects: Mapping of names to classes that `model` needs and that are not registered.

    Returns:
        The new `Version`.

    Raises:
        ValueError: If an argument is not accepted, or the model read back from a file is not the same.
        OSError: If the zoo cannot be written. In either case nothing is left behind.

    Example:
        >>> import tempfile
        >>> import keras
        >>> from keras_repvis import zoo
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="logits")])
        >>> with tempfile.TemporaryDirectory() as root:
        ...     first = zoo.publish(model, "me/tiny", root, metrics={"test_accuracy": 0.5}, licence="MIT")
        ...     second = zoo.publish(model, "me/tiny", root, parent=first.handle)
        >>> first.handle, second.handle
        ('me/tiny/1', 'me/tiny/2')
    """
    target = handles.parse(handle)
    if target.version is not None:
        raise ValueError(f"handle={handle!r} is not accepted: the zoo gives the number, expected 'publisher/model'.")
    root = find_root(root)
    facts = {
        "data": provenance.describe_data(data),
        "description": provenance.text("description", description),
        "intended_use": provenance.text("intended_use", intended_use),
        "licence": provenance.text("licence", licence, required=True),
        "limits": provenance.text("limits", limits),
        "metrics": provenance.plain("metrics", metrics),
        "parent": None if parent is None else resolve(parent, root).handle,
        "training": provenance.plain("training", training),
    }
    inputs = equality.make_inputs(export.input_spec(model), inputs)
    with transaction.incoming(root / target.publisher / target.model) as directory:
        facts.update(_write_model(model, directory, inputs, custom_objects))
        facts.update(provenance.environment(keras=keras, numpy=np, tensorflow=tf))
        path, number = transaction.commit(directory, lambda number: _seal(directory, facts, target, number))
    return Version(f"{target}/{number}", path, number)


def _write_model(model, directory, inputs, custom_objects):
    """Write both forms of `model`, check them, and return what the manifest says about them."""
    expected = equality.outputs(model, inputs)
    equality.check_finite(expected, model.name)
    try:
        signatures = export.save(model, directory)
        with keras.saving.custom_object_scope(custom_objects or {}):
            _without_optimiser(model).save(directory / KERAS_FILE)
            differences = _read_back(model, directory, inputs, expected)
    except tf.errors.OpError as error:
        # TensorFlow reports a full or read-only disk in classes of its own.
        raise OSError(f"{directory.parent}: {error.message}") from error
    np.savez_compressed(directory / equality.FILE, inputs=inputs, **_numbered(expected))
    return {
        "architecture": model.name,
        "check": {"differences": differences, "examples": len(inputs), "file": equality.FILE},
        "cost": card.measure_cost(model),
        "signatures": signatures,
        "weights": equality.digest_weights(model),
    }


def _read_back(model, directory, inputs, expected):
    """Load both files, raise if one is not `model`, and return the largest relative difference of outputs by file."""
    limit = equality.tolerance(model)
    saved_model = tf.saved_model.load(str(directory))
    equality.check_weights(export.variables(model), saved_model.variables, "saved_model.pb")
    keras_model = _load_keras(directory / KERAS_FILE)
    equality.check_weights(model.weights, keras_model.weights, KERAS_FILE)
    return {
        file: equality.check_outputs(expected, equality.outputs(loaded, inputs), file, limit)
        for file, loaded in (("saved_model.pb", saved_model), (KERAS_FILE, keras_model))
    }


def _load_keras(path):
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"model is not fit to publish: {path.name} cannot be read back. Register its custom layers with "
            f"keras.saving.register_keras_serializable, and use no Lambda. {error}"
        ) from error


def _without_optimiser(model):
    """Return `model`, or if it is compiled a copy that is not: the optimiser's state would double the file."""
    if not getattr(model, "compiled", False):
        return model
    config = keras.saving.serialize_keras_object(model)
    config.pop("compile_config", None)
    try:
        copy = keras.saving.deserialize_keras_object(config)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"model={model.name!r} is not fit to publish: it cannot be rebuilt from its configuration. {error}"
        ) from error
    copy.set_weights(model.get_weights())
    return copy


def _seal(directory, facts, target, number):
    """Write what carries the version's number: the card and, last, the manifest of everything."""
    facts = {**facts, "handle": f"{target}/{number}"}
    pathlib.Path(directory, card.FILE).write_text(card.render(facts), encoding="utf-8")
    manifest.write(directory, facts)


def _numbered(arrays):
    return {f"outputs_{index}": array for index, array in enumerate(arrays)}
