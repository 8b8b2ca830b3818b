"""A comparison names what differs between two versions, how much, and nothing else."""

import itertools
import json
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

from keras_repvis import zoo
from keras_repvis.zoo import comparing, equality, manifest
from keras_repvis.zoo.resolving import Version, resolve

_NOISE = np.random.default_rng(5).random((6, 8, 8, 3), np.float32)
_OPERATIONS = {"serving_default": ["AddV2", "Conv2D", "MatMul"], "__call__": ["Conv2D"]}
_NUMBERS = itertools.count(1)


def _build(units=4, size=8, hidden=None):
    keras.utils.set_random_seed(3)
    inputs = keras.Input((size, size, 3), name="images")
    x = keras.layers.Conv2D(2, 3, name="conv")(inputs)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    if hidden:
        x = keras.layers.Dense(hidden, activation="relu", name="hidden")(x)
    return keras.Model(inputs, keras.layers.Dense(units, name="logits")(x), name="net")


def _put(root, model, inputs=_NOISE, **facts):
    """Write what a comparison reads of a version; publishing it for real takes a process of its own."""
    number = next(_NUMBERS)
    handle = f"me/net/{number}"
    directory = root / handle
    directory.mkdir(parents=True)
    model.save(directory / "model.keras")
    np.savez(directory / "check.npz", inputs=inputs)
    spec = {"images": {"dtype": "float32", "shape": list(model.input_shape)}}
    outputs = {"logits": {"dtype": "float32", "shape": list(model.output_shape)}}
    record = {
        "check": {"file": "check.npz", "examples": len(inputs)},
        "created": f"2026-01-01T00:00:{number:02d}",
        "handle": handle,
        "licence": "MIT",
        "metrics": {},
        "operations": _OPERATIONS,
        "parent": None,
        "signatures": {"serving_default": {"inputs": spec, "outputs": outputs}},
        "training": {"seed": 3, "flags": {"epochs": 2}},
        "weights": equality.digest_weights(model),
    }
    manifest.write(directory, {**record, **facts})
    return Version(handle, directory, number)


@pytest.fixture(name="root", scope="module")
def root_fixture(tmp_path_factory):
    return tmp_path_factory.mktemp("zoo")


@pytest.fixture(name="model")
def model_fixture():
    return _build()


@pytest.fixture(name="first", scope="module")
def first_fixture(root):
    return _put(root, _build(), metrics={"test": {"accuracy": 0.75}, "loss": 0.5})


def _names(changes):
    return [change.name for change in changes]


def test_a_published_version_and_itself(shared_root):
    found = comparing.diff("test/small", "test/small/1", shared_root)
    assert found.same_model and found.relation == "a and b are one version"
    assert (found.a, found.b, found.equal_weights) == ("test/small/1", "test/small/1", 7)
    assert not (found.weights or found.settings or found.files or found.configuration)
    (run,) = found.behaviour
    assert (run.inputs, run.difference, run.same_top1, run.reason) == ("a and b", 0.0, 1.0, None)
    assert [(change.name, change.change) for change in found.metrics] == [("test_accuracy", 0.0)]
    assert [title for title, _, _ in found.tables()] == ["", "metrics", "behaviour"]


def test_the_same_weights_with_other_metrics(root, first):
    metrics = {"test": {"accuracy": 0.875}, "calibration_error": 0.0625}
    second = _put(root, _build(), metrics=metrics)
    found = comparing.diff(first, second)
    assert found.same_model and found.weights == ()
    assert [(change.name, change.only, change.change) for change in found.metrics] == [
        ("calibration_error", "b", None),
        ("loss", "a", None),
        ("test.accuracy", None, 0.125),
    ]
    assert found.behaviour[0].difference == 0.0
    assert found.settings == ()


def test_exactly_one_weight(root, first, model):
    bias = model.get_layer("logits").bias
    bias.assign([0.0, 0.25, 0.0, 0.0])
    kernel = model.get_layer("conv").kernel
    before = np.array(kernel)
    after = before.copy()
    after[0, 0, 0, 0] -= 0.5
    kernel.assign(after)
    found = comparing.diff(first, _put(root, model))
    assert not found.same_model and found.equal_weights == 2
    changed, moved = sorted(found.weights, key=lambda weight: weight.path, reverse=True)
    assert (changed.path, moved.path) == ("logits/bias", "conv/kernel")
    # Where the first version is zero there is nothing to be relative to.
    assert (changed.max_change, changed.relative_norm) == (0.25, None)
    assert moved.max_change == pytest.approx(0.5, rel=1e-6)
    assert moved.relative_norm == pytest.approx(0.5 / np.linalg.norm(before.astype(np.float64)), rel=1e-6)
    assert changed.a == changed.b == {"shape": [4], "dtype": "float32", "trainable": True}
    assert not (found.configuration or found.signatures or found.operations or found.settings)
    assert _names(found.files) == ["model.keras"]


def test_weights_are_found_by_what_they_hold(root, first, model):
    # The path of a Sequential's weights is another one after loading.
    sequential = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(4)], name="one")
    second = _put(root, sequential)
    sequential.layers[-1].bias.assign([0.0, 0.5, 0.0, -1.0])
    found = comparing.diff(second, _put(root, sequential))
    assert [(weight.max_change, weight.relative_norm) for weight in found.weights] == [(1.0, None)]
    model.get_layer("logits").kernel.assign(np.ones((2, 4)))
    lost = _put(root, _build(), weights=equality.digest_weights(model))
    with pytest.raises(zoo.IntegrityError, match="model.keras: does not hold the weight logits/kernel"):
        comparing.diff(first, lost)


def test_behaviour_is_that_of_both_models(root, first, model):
    model.get_layer("logits").bias.assign([0.0, 0.25, 0.0, 0.0])
    others = _NOISE[:2] * 0.5
    found = comparing.diff(first, _put(root, model, inputs=others))
    a, b = _build(), model
    assert [run.inputs for run in found.behaviour] == ["a", "b"]
    for run, inputs in zip(found.behaviour, (_NOISE, others)):
        x, y = (np.asarray(one(inputs, training=False)) for one in (a, b))
        assert run.examples == len(inputs) and run.reason is None
        assert run.difference == pytest.approx(0.25 / max(abs(x).max(), abs(y).max()), rel=1e-4)
        assert run.same_top1 == np.mean(x.argmax(1) == y.argmax(1))
    assert 0 < sum(run.same_top1 for run in found.behaviour) < 2


def test_a_fine_tuned_child(root, first, model):
    model.get_layer("conv").trainable = False
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.train_on_batch(_NOISE, np.arange(6) % 4)
    weights = equality.digest_weights(model)
    model.compile_config = None
    child = _put(root, model, parent=first.handle, training={"seed": 4, "flags": {"epochs": 2, "rate": 0.1}})
    found = comparing.diff(first, child)
    assert found.relation == "b was made from a"
    assert comparing.diff(child, first, values=False).relation == "a was made from b"
    # The frozen ones hold the same values and are named for being frozen.
    changes = {weight.path: (weight.max_change > 0, weight.b["trainable"]) for weight in found.weights}
    assert changes == {
        "conv/kernel": (False, False),
        "conv/bias": (False, False),
        "logits/kernel": (True, True),
        "logits/bias": (True, True),
    }
    assert weights["logits/kernel"]["sha256"] != first.manifest["weights"]["logits/kernel"]["sha256"]
    assert [(change.name, change.a, change.b, change.only) for change in found.settings] == [
        ("parent", None, first.handle, None),
        ("training.flags.rate", None, 0.1, "b"),
        ("training.seed", 3, 4, None),
    ]
    assert found.behaviour[0].difference > 0
    sibling = _put(root, _build(), parent=first.handle)
    assert comparing.diff(child, sibling, values=False).relation == f"both were made from {first.handle}"


def test_another_architecture(root, first):
    found = comparing.diff(first, _put(root, _build(units=5, hidden=3), operations={"__call__": ["Conv2D", "Relu"]}))
    assert [(w.path, w.a is None, w.b is None) for w in found.weights] == [
        ("hidden/bias", True, False),
        ("hidden/kernel", True, False),
        ("logits/bias", False, False),
        ("logits/kernel", False, False),
    ]
    shapes = {w.path: (w.a["shape"], w.b["shape"], w.max_change) for w in found.weights if w.a and w.b}
    assert shapes == {"logits/bias": ([4], [5], None), "logits/kernel": ([2, 4], [3, 5], None)}
    places = {change.name: change for change in found.configuration}
    assert places["config.layers[hidden]"].only == "b"
    assert places["config.layers[hidden]"].b["class_name"] == "Dense"
    assert (places["config.layers[logits].config.units"].a, places["config.layers[logits].config.units"].b) == (4, 5)
    assert not any(name.startswith("config.layers[conv]") for name in places)
    assert [(change.name, change.a, change.b, change.only) for change in found.operations] == [
        ("__call__", [], ["Relu"], None),
        ("serving_default", ["AddV2", "Conv2D", "MatMul"], [], "a"),
    ]
    assert [(change.name, change.a, change.b) for change in found.signatures] == [
        ("serving_default outputs logits", "float32 (any, 4)", "float32 (any, 5)")
    ]
    assert found.behaviour[0].reason == "a answers (6, 4), b (6, 5)"


def test_inputs_that_do_not_fit_say_so(root, first):
    found = comparing.diff(first, _put(root, _build(size=9), inputs=np.ones((2, 9, 9, 3), np.float32)))
    assert [run.reason for run in found.behaviour] == [
        "float32 (6, 8, 8, 3) does not fit b, which takes float32 (any, 9, 9, 3)",
        "float32 (2, 9, 9, 3) does not fit a, which takes float32 (any, 8, 8, 3)",
    ]
    # Free sizes fit what the other one was given, and not the other way round.
    free = _put(root, _build(size=None), inputs=np.ones((2, 9, 9, 3), np.float32))
    runs = comparing.diff(first, free).behaviour
    assert (runs[0].difference, runs[0].reason) == (pytest.approx(0.0, abs=1e-6), None)
    assert runs[1].reason == "float32 (2, 9, 9, 3) does not fit a, which takes float32 (any, 8, 8, 3)"


def test_answers_that_are_no_numbers(root, first, model):
    model.get_layer("logits").bias.assign([0.0, np.nan, 0.0, np.inf])
    found = comparing.diff(first, _put(root, model))
    assert found.behaviour[0].reason == "an answer is NaN or infinity"
    assert (found.weights[0].max_change, found.weights[0].relative_norm) == (None, None)
    json.dumps(found.to_dict(), allow_nan=False)


def test_order_of_layers_and_lists():
    layers = [{"name": name, "config": {"units": 3}} for name in ("one", "two", "three")]
    swapped = [layers[1], layers[0], {"name": "three", "config": {"units": 4}}]
    found = list(comparing._differences({"layers": layers, "size": [1, 2]}, {"layers": swapped, "size": [1, 3, 5]}))
    assert [(change.name, change.a, change.b, change.only) for change in found] == [
        ("layers[three].config.units", 3, 4, None),
        ("layers order", ["one", "two", "three"], ["two", "one", "three"], None),
        ("size[1]", 2, 3, None),
        ("size[2]", None, 5, "b"),
    ]
    unnamed = comparing._differences([{"name": "x", "a": 1}, {"name": "x", "a": 1}], [{"name": "x", "a": 1}, None])
    assert _names(unnamed) == ["[1]"]
    assert not list(comparing._differences({"a": {"shared_object_id": 1}}, {"a": {"shared_object_id": 2}}))
    assert _names(comparing._differences({"a": 1}, {"a": True})) == []


def test_without_values_nothing_of_tensorflow_is_needed(root, first, model):
    model.get_layer("logits").bias.assign([0.0, 0.25, 0.0, 0.0])
    second = _put(root, model, metrics={"loss": 0.25})
    code = (
        "import json, sys\n"
        "from keras_repvis.zoo import comparing\n"
        "for name in ('tensorflow', 'keras', 'h5py'): sys.modules[name] = None\n"
        "found = comparing.diff(*sys.argv[1:3], sys.argv[3], values=False)\n"
        "print(json.dumps([found.to_dict(), found.tables()]))"
    )
    command = [sys.executable, "-c", code, first.handle, second.handle, root]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    found, tables = json.loads(answer.stdout)
    expected = comparing.diff(first, second, values=False)
    assert found == expected.to_dict()
    assert tables == json.loads(json.dumps(expected.tables()))
    assert (found["weights"][0]["path"], found["weights"][0]["max_change"]) == ("logits/bias", None)
    assert found["behaviour"] == []


def test_plain_json(root, first):
    found = comparing.diff(first, _put(root, _build(units=5, hidden=3), metrics={"loss": 0.25}))
    record = found.to_dict()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert (record["same_model"], record["a"], record["metrics"][0]["name"]) == (False, first.handle, "loss")


def test_tables(root, first):
    found = comparing.diff(first, _put(root, _build(units=5, hidden=3), metrics={"loss": 0.25}))
    tables = {title: (header, rows) for title, header, rows in found.tables()}
    for header, rows in tables.values():
        assert rows and all(len(row) == len(header) and all(isinstance(cell, str) for cell in row) for row in rows)
    assert tables[""][1][-2:] == [
        ("model", "not the same: weights, architecture, signatures differ"),
        ("weights", "2 equal, 2 changed, 2 only in b"),
    ]
    assert ("loss", "0.5", "0.25", "-0.25") in tables["metrics"][1]
    assert ("test.accuracy", "0.75", "", "") in tables["metrics"][1]
    assert ("hidden/bias", "", "float32 (3)", "", "") in tables["weights"][1]
    assert ("config.layers[hidden]", "", "Dense") in tables["architecture"][1]
    assert tables["behaviour"][1] == [("a and b", "6", "not compared: a answers (6, 4), b (6, 5)", "")]
    short = {title: rows for title, _, rows in found.tables(limit=1)}
    left = len(tables["architecture"][1]) - 1
    assert short["architecture"][1] == (f"... and {left} more", "", "")
    assert {title: rows for title, _, rows in found.tables(limit=None)} == {title: t[1] for title, t in tables.items()}


def test_a_damaged_version_is_not_compared(root, first, model):
    second = _put(root, model)
    content = bytearray((second.path / "check.npz").read_bytes())
    content[40] ^= 1
    (second.path / "check.npz").write_bytes(content)
    for values in (True, False):
        with pytest.raises(zoo.IntegrityError, match="check.npz: its SHA-256 differs"):
            comparing.diff(first, second, values=values)


def test_a_file_without_configuration(root, first, model):
    second = _put(root, model)
    for content in (None, b"{", b"\xff"):
        with zipfile.ZipFile(second.path / "model.keras", "w") as archive:
            if content is not None:
                archive.writestr("config.json", content)
        manifest.write(second.path, {**second.manifest, "handle": second.handle})
        with pytest.raises(zoo.IntegrityError, match="model.keras: its configuration cannot be read"):
            comparing.diff(first, resolve(second.path), values=False)


def test_classes_that_are_not_known(root, first):
    class Doubled(keras.layers.Layer):
        def call(self, inputs):
            return inputs * 2

    inputs = keras.Input((8, 8, 3), name="images")
    model = keras.Model(inputs, keras.layers.Dense(4, name="logits")(keras.layers.Flatten()(Doubled()(inputs))))
    second = _put(root, model)
    with pytest.raises(ValueError, match=f"{second.handle} cannot be loaded. Give its classes as custom_objects"):
        comparing.diff(first, second)
    assert comparing.diff(first, second, custom_objects={"Doubled": Doubled}).behaviour[0].difference > 0
    assert comparing.diff(first, second, values=False).weights


def test_what_is_not_published(tmp_path):
    with pytest.raises(ValueError, match="'me/absent' is not published"):
        comparing.diff("me/absent", "me/absent/2", tmp_path, values=False)
