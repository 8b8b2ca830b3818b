"""Two published models, loaded: how far their weights and their answers are apart."""

import dataclasses

import keras
import numpy as np

from keras_repvis.zoo import equality, loading
from keras_repvis.zoo.difference import Behaviour
from keras_repvis.zoo.layout import KERAS_FILE
from keras_repvis.zoo.manifest import IntegrityError


def compare(a, b, weights, custom_objects=None):
    """Compare the values of two published models.

    Args:
        a: First `Version`.
        b: Second `Version`.
        weights: Tuple of `WeightChange` without values, what their manifests say.
        custom_objects: See `keras_repvis.zoo.load`.

    Returns:
        The pair (tuple of `WeightChange` with values, tuple of `Behaviour`).

    Raises:
        ValueError: If a model cannot be loaded.
    """
    versions = (a, b)
    models = [_load(version, custom_objects) for version in versions]
    values = [_by_digest(model) for model in models]
    weights = tuple(_measure(weight, versions, values) for weight in weights)
    return weights, _compare_behaviour(versions, models)


def _load(version, custom_objects):
    try:
        return loading.load(version.path, custom_objects=custom_objects)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{version.handle} cannot be loaded. Give its classes as custom_objects, or compare the manifests alone, "
            f"without values. {error}"
        ) from error


def _by_digest(model):
    """Return the weights by what they hold: their paths may be others after loading, as a Sequential's are."""
    facts = equality.digest_weights(model).values()
    return {(entry["sha256"], entry["dtype"]): weight for entry, weight in zip(facts, model.weights)}


def _measure(weight, versions, values):
    if weight.a is None or weight.b is None or weight.a["shape"] != weight.b["shape"]:
        return weight
    a, b = (_value(weight.path, version, found) for version, found in zip(versions, values))
    norm = np.linalg.norm(a)
    return dataclasses.replace(
        weight,
        max_change=_finite(np.abs(b - a).max(initial=0.0)),
        relative_norm=_finite(np.linalg.norm(b - a) / norm) if norm else None,
    )


def _value(path, version, values):
    """Return a weight in float64: the difference of two float16 may be none of float16."""
    facts = version.manifest["weights"][path]
    weight = values.get((facts["sha256"], facts["dtype"]))
    if weight is None:
        raise IntegrityError(f"{version.path / KERAS_FILE}: does not hold the weight {path} of the manifest.")
    # Equal bytes may come in several shapes, such as zeros.
    return np.asarray(keras.ops.convert_to_numpy(weight), np.float64).reshape(facts["shape"])


def _compare_behaviour(versions, models):
    stored = [_stored_inputs(version) for version in versions]
    cases = list(zip(("a", "b"), stored))
    if stored[0].dtype == stored[1].dtype and np.array_equal(*stored):
        cases = [("a and b", stored[0])]
    return tuple(_run(name, inputs, versions, models) for name, inputs in cases)


def _stored_inputs(version):
    with np.load(version.path / version.manifest["check"]["file"], allow_pickle=False) as arrays:
        return arrays["inputs"]


def _run(name, inputs, versions, models):
    for which, version in zip(("a", "b"), versions):
        spec = _input_spec(version)
        if not _fits(inputs, spec):
            shape = ", ".join("any" if size is None else str(size) for size in spec["shape"])
            reason = f"{inputs.dtype} {inputs.shape} does not fit {which}, which takes {spec['dtype']} ({shape})"
            return Behaviour(name, len(inputs), reason=reason)
    answers = [_answer(model, inputs) for model in models]
    shapes = [[output.shape for output in outputs] for outputs in answers]
    if shapes[0] != shapes[1]:
        return Behaviour(name, len(inputs), reason=f"a answers {_listed(shapes[0])}, b {_listed(shapes[1])}")
    difference = max((np.abs(y - x).max(initial=0.0) for x, y in zip(*answers)), default=0.0)
    scale = max((np.abs(output).max(initial=0.0) for outputs in answers for output in outputs), default=0.0)
    if not np.isfinite(difference) or not np.isfinite(scale):
        return Behaviour(name, len(inputs), reason="an answer is NaN or infinity")
    relative = float(difference / scale) if scale else 0.0
    return Behaviour(name, len(inputs), difference=relative, same_top1=_same_top1(*answers))


def _input_spec(version):
    (spec,) = version.manifest["signatures"]["serving_default"]["inputs"].values()
    return spec


def _fits(inputs, spec):
    shape = spec["shape"]
    sizes_fit = len(shape) == inputs.ndim and all(want in (None, got) for want, got in zip(shape, inputs.shape))
    return sizes_fit and spec["dtype"] == inputs.dtype.name


def _answer(model, inputs):
    outputs = keras.tree.flatten(model(keras.ops.convert_to_tensor(inputs), training=False))
    return [np.asarray(keras.ops.convert_to_numpy(output), np.float64) for output in outputs]


def _same_top1(a, b):
    if len(a) != 1 or a[0].ndim != 2 or a[0].shape[1] < 2:
        return None
    return float(np.mean(a[0].argmax(axis=1) == b[0].argmax(axis=1)))


def _finite(value):
    return float(value) if np.isfinite(value) else None


def _listed(shapes):
    return ", ".join(map(str, shapes))
