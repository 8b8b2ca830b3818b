"""Two published versions side by side: what their manifests say, and what their models do."""

import contextlib
import json
import zipfile

from keras_repvis.zoo import card
from keras_repvis.zoo.difference import Change, Difference, WeightChange
from keras_repvis.zoo.layout import KERAS_FILE
from keras_repvis.zoo.manifest import IntegrityError
from keras_repvis.zoo.resolving import Version, reading

# Entries of a manifest that have a part of their own, or are about one publication only.
_NO_SETTINGS = ("check", "created", "digest", "files", "format", "handle", "metrics", "operations", "seal")
_NO_SETTINGS += ("signatures", "weights")
# An identifier that Keras takes from memory: another one in every process.
_ADDRESS = "shared_object_id"
# The configuration of the largest model is a few MB.
_MAX_CONFIGURATION = 64 << 20


def diff(a, b, root=None, values=True, custom_objects=None):
    """Compare two published versions: weights, architecture, signatures, operations, metrics, settings, answers.

    Both are verified, every byte, before anything in them is read. Weights with equal SHA-256 are equal; of the others
    the values are compared if the shapes agree: the largest absolute change, and the norm of the change relative to the
    norm of the weight in `a`. Both models are run on the inputs that were stored with `a` and with `b`, as far as they
    fit both.

    Args:
        a: First version: a `Version`, or a handle or path as in `zoo.resolve`.
        b: Second version, likewise.
        root: Root of the zoo; see `find_root`.
        values: Whether to load the models, to compare values of weights and answers. If not, TensorFlow is not
            imported. Default True.
        custom_objects: Mapping of names to classes that the models need and that are not registered with Keras.

    Returns:
        A `Difference`.

    Raises:
        ValueError: If nothing is published under a handle, or a model cannot be loaded.
        IntegrityError: If a version is damaged; the message names the file.

    Example:
        >>> import tempfile
        >>> import keras
        >>> from keras_repvis import zoo
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="logits")], name="tiny")
        >>> with tempfile.TemporaryDirectory() as root:
        ...     _ = zoo.publish(model, "me/tiny", root, metrics={"accuracy": 0.5})
        ...     difference = zoo.diff("me/tiny/1", "me/tiny", root)
        >>> difference.relation, difference.same_model, difference.equal_weights, difference.metrics[0].change
        ('a and b are one version', True, 2, 0.0)
    """
    with contextlib.ExitStack() as stack:
        a, b = (stack.enter_context(reading(_handle(version), root)) for version in (a, b))
        records = a.verify(), b.verify()
        weights, equal = _compare_weights(*(record["weights"] for record in records))
        behaviour = ()
        if values:
            # Here, not above: without values nothing needs TensorFlow.
            from keras_repvis.zoo import comparing_values

            weights, behaviour = comparing_values.compare(a, b, weights, custom_objects)
        return Difference(
            a=a.handle,
            b=b.handle,
            relation=_relate(*records),
            equal_weights=equal,
            weights=weights,
            signatures=_compare(*(_tensors(record) for record in records)),
            operations=_compare_operations(*(record.get("operations", {}) for record in records)),
            metrics=_compare(*(_flat(record["metrics"]) for record in records), equal=True),
            configuration=tuple(_differences(*(_configuration(version) for version in (a, b)))),
            settings=_compare(*(_settings(record) for record in records)),
            files=_compare(*(record["files"] for record in records)),
            behaviour=behaviour,
        )


def _handle(version):
    return version.path if isinstance(version, Version) else version


def _relate(a, b):
    if a["seal"] == b["seal"]:
        return "a and b are one version"
    if a["digest"] == b["digest"]:
        return "a and b have the same content"
    if b["parent"] == a["handle"]:
        return "b was made from a"
    if a["parent"] == b["handle"]:
        return "a was made from b"
    if a["parent"] and a["parent"] == b["parent"]:
        return f"both were made from {a['parent']}"
    return ""


def _compare_weights(a, b):
    """Return (tuple of `WeightChange` without values, number of equal weights)."""
    changes = []
    for path in sorted(a.keys() | b.keys()):
        if a.get(path) != b.get(path):
            changes.append(WeightChange(path, *(_shape_of(weights.get(path)) for weights in (a, b))))
    changes.sort(key=lambda change: change.a is not None and change.b is not None)
    return tuple(changes), len(a.keys() | b.keys()) - len(changes)


def _shape_of(facts):
    return facts and {name: facts[name] for name in ("shape", "dtype", "trainable")}


def _compare(a, b, equal=False):
    """Return a tuple of `Change` for two dicts; of equal values too if `equal`."""
    changes = [
        Change(name, a.get(name), b.get(name), None if name in a and name in b else "a" if name in a else "b")
        for name in sorted(a.keys() | b.keys())
    ]
    return tuple(change for change in changes if equal or change.differs)


def _compare_operations(a, b):
    """Return a tuple of `Change` by endpoint, of the operations that only one of both uses."""
    return tuple(
        Change(change.name, *(sorted(set(x or ()) - set(y or ())) for x, y in _both_ways(change)), change.only)
        for change in _compare(a, b)
    )


def _both_ways(change):
    return (change.a, change.b), (change.b, change.a)


def _tensors(record):
    return {" ".join(names): f"{dtype} {shape}" for *names, dtype, shape in card.tensors(record["signatures"])}


def _settings(record):
    return _flat({name: value for name, value in record.items() if name not in _NO_SETTINGS})


def _flat(mapping, prefix=""):
    """Return a dict of dotted name -> value, of every leaf of nested mappings; an empty mapping has none."""
    leaves = {}
    for name, value in mapping.items():
        leaves.update(_flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value})
    return leaves


def _configuration(version):
    """Return the configuration of the architecture, from inside the Keras file."""
    path = version.path / KERAS_FILE
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("config.json").file_size > _MAX_CONFIGURATION:
                raise IntegrityError(f"{path}: its configuration is larger than any.")
            return json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise IntegrityError(f"{path}: its configuration cannot be read: {error}") from None


def _differences(a, b, place=""):
    """Yield a `Change` for every place where two configurations differ; a layer of one of them is one place."""
    a, b = _as_mapping(a), _as_mapping(b)
    if isinstance(a, dict) and isinstance(b, dict):
        for name in sorted(a.keys() | b.keys(), key=str):
            inside = f"[{name}]" if isinstance(a, _Items) else f".{name}" if place else name
            if name == _ADDRESS:
                continue
            if name not in b:
                yield Change(place + inside, a=a[name], only="a")
            elif name not in a:
                yield Change(place + inside, b=b[name], only="b")
            else:
                yield from _differences(a[name], b[name], place + inside)
        order = [[name for name in x if name in y] for x, y in ((a, b), (b, a))]
        if isinstance(a, _Items) and order[0] != order[1]:
            yield Change(f"{place} order", *order)
    elif a != b:
        yield Change(place, a, b)


class _Items(dict):
    """The items of a list by their names, in order."""


def _as_mapping(value):
    """Return a list of layers, or other lists of named things, as a mapping; other lists by index."""
    if not isinstance(value, list):
        return value
    names = [_name(item) for item in value]
    if None not in names and len(set(names)) == len(names):
        return _Items(zip(names, value))
    return _Items(enumerate(value))


def _name(item):
    if not isinstance(item, dict):
        return None
    name = item.get("name")
    if name is None and isinstance(item.get("config"), dict):
        name = item["config"].get("name")
    return name if isinstance(name, str) else None
