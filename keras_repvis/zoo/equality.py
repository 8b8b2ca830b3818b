"""Whether a file gives back the model it was made from: the same weights, and the same outputs on the same inputs."""

import hashlib
import os
import sys

import keras
import numpy as np
import tensorflow as tf

from keras_repvis.zoo.layout import CHECK_FILE

_BATCH = 3
_FREE_SIZE = 64
_SEED = 20240229
# Relative to the largest output. Two compilations of one float32 network differ in the order of sums only.
_TOLERANCES = {"float32": 1e-5, "float64": 1e-5, "bfloat16": 3e-2, "float16": 5e-3}


def make_inputs(spec, inputs=None):
    """Return a batch to compare on: `inputs` checked against the `tf.TensorSpec` `spec`, or seeded noise in [0, 1].

    Noise is a multiple of 1/255, so that image files hold it exactly. Free sizes become 64.

    Raises:
        ValueError: If `inputs` do not fit.
    """
    if inputs is not None:
        try:
            array = np.asarray(inputs, spec.dtype.as_numpy_dtype)
        except (TypeError, ValueError) as error:
            raise ValueError(f"inputs are not accepted: expected an array of {spec.dtype.name}. {error}") from None
        if not spec.shape.is_compatible_with(array.shape) or len(array) == 0:
            raise ValueError(f"inputs have shape {array.shape}: expected {tuple(spec.shape)}, at least one example.")
        return array
    shape = [_BATCH, *(_FREE_SIZE if size is None else size for size in spec.shape[1:])]
    noise = np.random.default_rng(_SEED).integers(0, 256, shape)
    return (noise / 255.0).astype(spec.dtype.as_numpy_dtype)


def outputs(function, inputs):
    """Return the outputs of `function` on the array `inputs` as a list of float32 arrays.

    Args:
        function: Keras model or reusable SavedModel, called with `training=False`. A Keras model runs eagerly: for one
            batch that costs less than to compile it, and it checks the compiled graph against the layers themselves.
        inputs: Array.
    """
    found = function(tf.constant(inputs), training=False)
    return [np.asarray(tf.cast(output, tf.float32)) for output in tf.nest.flatten(found)]


def write_check(directory, inputs, expected):
    """Store `inputs`, and the list of outputs `expected` on them, in `directory`."""
    arrays = {f"outputs_{index}": array for index, array in enumerate(expected)}
    np.savez_compressed(os.path.join(directory, CHECK_FILE), inputs=inputs, **arrays)


def read_check(directory):
    """Return the pair (inputs, list of outputs) that is stored in `directory`."""
    with np.load(os.path.join(directory, CHECK_FILE), allow_pickle=False) as arrays:
        return arrays["inputs"], [arrays[f"outputs_{index}"] for index in range(len(arrays.files) - 1)]


def check_finite(arrays, name):
    """Raise a `ValueError` if any output in `arrays` of the model `name` is NaN or infinite."""
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError(f"model={name!r} is not fit to publish: it answers NaN or infinity.")


def tolerance(model):
    """Return the relative difference of outputs that rounding explains, by the coarsest type a layer computes in."""
    return max(_TOLERANCES.get(layer.compute_dtype, 1e-5) for layer in _layers(model))


def _layers(model):
    yield model
    for layer in getattr(model, "layers", ()):
        yield from _layers(layer)


def relative_difference(expected, found):
    """Return the largest difference between two lists of arrays, relative to the largest absolute value of `expected`.

    NaN if either holds one; infinity if their numbers or shapes are not the same.
    """
    if [array.shape for array in expected] != [array.shape for array in found]:
        return float("inf")
    # NumPy's maximum of NaN is NaN, Python's depends on the order: so the differences stay in one array.
    scale = np.max([1e-30, *(np.abs(array).max(initial=0.0) for array in expected)])
    return float(np.max([0.0, *(np.abs(a - b).max(initial=0.0) for a, b in zip(expected, found))]) / scale)


def check_outputs(expected, found, file, limit):
    """Return the `relative_difference` of two lists of arrays; raise if it matters.

    Args:
        expected: Outputs of the model in memory.
        found: Outputs of what `file` was read back to.
        file: Name to put into the message.
        limit: Largest relative difference accepted; see `tolerance`.

    Raises:
        ValueError: If they differ by more than rounding.
    """
    difference = relative_difference(expected, found)
    if not difference <= limit:
        raise ValueError(
            f"model is not fit to publish: read back from {file} it answers differently (by {difference:.3g}, relative "
            "to the largest output). A layer's get_config may forget an argument, or its answer may depend on chance."
        )
    return difference


def digest_weights(model):
    """Return a dict of weight path -> {"sha256", "shape", "dtype", "trainable"} in the model's order.

    The digest is that of the little-endian bytes in row-major order. Two weights of one path are told apart by `#2`.
    """
    digests = {}
    for weight in model.weights:
        path, repeat = weight.path, 2
        while path in digests:
            path, repeat = f"{weight.path}#{repeat}", repeat + 1
        digests[path] = {
            "sha256": digest_array(weight.value),
            "shape": list(weight.shape),
            "dtype": keras.backend.standardize_dtype(weight.dtype),
            "trainable": weight.trainable,
        }
    return digests


def digest_array(value):
    """Return the SHA-256 of an array's little-endian bytes in row-major order."""
    array = np.ascontiguousarray(np.asarray(value))
    return hashlib.sha256((array if sys.byteorder == "little" else array.byteswap()).tobytes()).hexdigest()


def check_weights(expected, found, file):
    """Raise a `ValueError` unless two sequences of variables, in memory and read back from `file`, hold equal bytes."""
    expected, found = ([digest_array(variable) for variable in variables] for variables in (expected, found))
    if expected != found:
        count = sum(a != b for a, b in zip(expected, found)) + abs(len(expected) - len(found))
        raise ValueError(f"model is not fit to publish: {count} of its {len(expected)} weights differ in {file}.")
