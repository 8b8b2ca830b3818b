"""Publishing: write a model in all its forms, read them back, compare, and let the version appear at once."""

import contextlib
import pathlib
import tempfile
import warnings

import keras
import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.zoo import canonical, card, equality, export, exporting, integer_images, manifest, operations
from keras_repvis.zoo import handle as handles
from keras_repvis.zoo import provenance, transaction
from keras_repvis.zoo.layout import CARD_FILE, CHECK_FILE, KERAS_FILE, SALIENCY_FILE, VARIANTS, latest
from keras_repvis.zoo.resolving import Version, reading
from keras_repvis.zoo.root import find_root, shipped_root


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
    evidence=None,
    variants=(),
    signatures=(),
    examples=None,
    inputs=None,
    allow_operations=(),
    custom_objects=None,
):
    """Publish `model` as the next version of `handle`.

    The version directory is a SavedModel (see `keras_repvis.zoo.export.save`) that also holds `model.keras` for
    fine-tuning and analysis, the model card `card.md`, the inputs and outputs both were checked on (`check.npz`) and
    `manifest.json`. The optimiser of a compiled model is not published. Any number of processes may publish at once.

    The SavedModel is exported by a new process, so the same weights and code give the same bytes. Published again, they
    are not a new version: the one that is there is returned. (Where the model has classes that only the running program
    knows, from `__main__` or a function, this process exports; the manifest says so in "process", and the bytes then
    depend on what the program did before.)

    Variants are optional, each in its own file, and compared with the model; one that differs by more than its stated
    tolerance, or cannot be made, is left out with a warning, and the manifest says why:

    * "folded": a SavedModel in `folded/`, batch normalisation folded and weights frozen; the one to serve;
    * "float16", "int8": LiteRT files; "int8" is calibrated on `examples`.

    Args:
        model: Built `keras.Model` with one input tensor, for instance images float32 `(batch, height, width, channels)`
            in [0, 1]. Custom layers are registered with Keras, or in `custom_objects`.
        handle: String `publisher/model`; the version number is given by the zoo.
        root: Root of the zoo; see `find_root`. It is made if it does not exist.
        metrics: Mapping of names to measured numbers, for instance {"test_accuracy": 0.98}, added to the evidence's.
            Default none.
        training: Mapping that says how the model was trained: flags, seed. Default none.
        data: Mapping that says on what, or an object with a `fingerprint` such as a `data.Source`. Default none.
        licence: SPDX name of the weights' licence. Default "Apache-2.0".
        description: One sentence for people.
        parent: Handle of the published version this one was made from, in the same zoo, or None.
        intended_use: Text for the model card.
        limits: Text for the model card.
        evidence: What `keras_repvis.zoo.gather_evidence` measured: metrics, calibration, a saliency grid; or None.
        variants: Sequence of "folded", "float16", "int8". Default none.
        signatures: Sequence of "uint8", "uint16": signatures `translate_uint8`, `translate_uint16` of a model from
            images to images, which take and return images of whole numbers, of any size the model takes. Default none.
        examples: Array of at least 32 inputs such as the model will meet, needed for "int8".
        inputs: Batch to compare the files with the model on; seeded noise in [0, 1] when None.
        allow_operations: Names of operations to allow beyond those that only compute; who loads the SavedModel has to
            allow them too.
        custom_objects: Mapping of names to classes that `model` needs and that are not registered.

    Returns:
        The new `Version`, or the one that holds the same already.

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
        ...     again = zoo.publish(model, "me/tiny", root, metrics={"test_accuracy": 0.5}, licence="MIT")
        ...     second = zoo.publish(model, "me/tiny", root, parent=first.handle)
        >>> first.handle, again.handle, second.handle
        ('me/tiny/1', 'me/tiny/1', 'me/tiny/2')
    """
    target = handles.parse(handle)
    if target.version is not None or target.alias is not None:
        raise ValueError(f"handle={handle!r} is not accepted: the zoo gives the number, expected 'publisher/model'.")
    for variant in variants:
        checks.one_of("variants", variant, VARIANTS)
    signatures = integer_images.check_names(signatures)
    root = find_root(root)
    measured = provenance.plain("metrics", evidence and evidence.metrics)
    facts = {
        "calibration": provenance.plain("calibration", evidence and evidence.calibration),
        "data": provenance.describe_data(data),
        "description": provenance.text("description", description),
        "intended_use": provenance.text("intended_use", intended_use),
        "licence": provenance.text("licence", licence, required=True),
        "limits": provenance.text("limits", limits),
        "metrics": {**measured, **provenance.plain("metrics", metrics)},
        "training": provenance.plain("training", training),
    }
    inputs = equality.make_inputs(export.input_spec(model), inputs)
    transaction.sweep(root)
    with contextlib.ExitStack() as stack:
        # Held, so that nobody collects the parent meanwhile.
        facts["parent"] = None if parent is None else stack.enter_context(reading(parent, root)).handle
        directory = stack.enter_context(transaction.incoming(root / target.publisher / target.model))
        facts.update(_write_model(model, directory, inputs, custom_objects, variants, examples, signatures))
        facts.update(provenance.environment(keras=keras, numpy=np, tensorflow=tf))
        found = operations.check_operations(directory, allow_operations)
        facts["operations"] = {endpoint: sorted(names) for endpoint, names in found.items()}
        if evidence is not None:
            (directory / SALIENCY_FILE).write_bytes(evidence.saliency)
        path, number = _commit(directory, facts, target)
    return Version(f"{target}/{number}", path, number)


def _write_model(model, directory, inputs, custom_objects, variants, examples, signatures):
    """Write all forms of `model`, check them, and return what the manifest says about them."""
    expected = equality.outputs(model, inputs)
    equality.check_finite(expected, model.name)
    equality.write_check(directory, inputs, expected)
    with keras.saving.custom_object_scope(custom_objects or {}):
        _without_optimiser(model).save(directory / KERAS_FILE)
        canonical.canonical_keras_file(directory / KERAS_FILE)
        keras_model = _load_keras(directory / KERAS_FILE)
        equality.check_weights(model.weights, keras_model.weights, KERAS_FILE)
        limit = equality.tolerance(model)
        differences = {
            KERAS_FILE: equality.check_outputs(expected, equality.outputs(keras_model, inputs), KERAS_FILE, limit)
        }
        exported = _export(directory, examples, variants, custom_objects, signatures)
    saved_model = tf.saved_model.load(str(directory))
    name = "saved_model.pb"
    equality.check_weights(model.weights, export.only_weights(model, saved_model.variables), name)
    differences[name] = equality.check_outputs(expected, equality.outputs(saved_model, inputs), name, limit)
    integer_images.check_signatures(signatures, saved_model, inputs, limit)
    for variant, reason in exported["variants_refused"].items():
        warnings.warn(f"{model.name} is published without the variant {variant!r}: {reason}", stacklevel=3)
    return {
        "architecture": model.name,
        "check": {"differences": differences, "examples": len(inputs), "file": CHECK_FILE},
        "cost": card.measure_cost(model),
        # Of the model read back: Keras calls the weights of some models otherwise after reloading.
        "weights": equality.digest_weights(keras_model),
        **exported,
    }


def _export(directory, examples, variants, custom_objects, signatures):
    with tempfile.TemporaryDirectory(prefix="repvis_publish_") as temporary:
        calibration = None
        if examples is not None and variants:
            calibration = pathlib.Path(temporary, "examples.npy")
            np.save(calibration, examples)
        path = directory / KERAS_FILE
        return exporting.export_file(path, directory, variants, calibration, custom_objects, signatures)


def _commit(directory, facts, target):
    digest = manifest.digest({"format": manifest.FORMAT, **facts, "files": manifest.list_files(directory)})

    def seal(number):
        numbered = {**facts, "handle": f"{target}/{number}"}
        pathlib.Path(directory, CARD_FILE).write_text(card.render(numbered), encoding="utf-8")
        manifest.write(directory, numbered)

    shipped = shipped_root()
    above = 0 if shipped is None else latest(shipped / target.publisher / target.model) or 0
    return transaction.commit(directory, seal, digest, above=above)


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
