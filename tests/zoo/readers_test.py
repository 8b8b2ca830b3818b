"""Every tool that reads SavedModels reads a published version, in a process that knows nothing of this package."""

import json
import os
import re
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_repvis import zoo
from keras_repvis.zoo import layout

# One process for all readers, as TensorFlow takes seconds to import. Each leaves its answers in an .npz file, and what
# else is to be checked in facts.json.
_READERS = r"""
import contextlib
import io
import json
import sys

import numpy as np
import tensorflow as tf

directory = sys.argv[1]
images = np.load("images.npy")
facts = {}


def moved(before, variables):
    return [bool(np.any(old != np.asarray(variable.numpy()))) for old, variable in zip(before, variables)]


def saved_model():
    loaded = tf.saved_model.load(directory)
    pngs = tf.stack([tf.io.encode_png(tf.cast(tf.round(image * 255), tf.uint8)) for image in images])
    np.savez(
        "saved_model.npz",
        call=loaded(images),
        call_keyword=loaded(images, training=False),
        one=loaded(images[:1]),
        signature=loaded.signatures["serving_default"](images=tf.constant(images))["logits"],
        encoded=loaded.signatures["encoded_images"](encoded=pngs)["logits"],
    )


def tfsm_layer():
    import keras

    inputs = keras.Input((8, 8, 3))
    layer = keras.layers.TFSMLayer(directory, call_endpoint="serving_default")
    model = keras.Model(inputs, layer(inputs)["logits"])
    np.savez("tfsm_layer.npz", call=layer(images)["logits"], model=model.predict(images, batch_size=2, verbose=0))
    facts["tfsm_layer"] = len(layer.trainable_weights)


def command_line():
    from tensorflow.python.tools import saved_model_cli

    commands = {
        "show": ["show", "--dir", directory, "--all"],
        "run": ["run", "--dir", directory, "--tag_set", "serve", "--signature_def", "serving_default",
                "--inputs", "images=images.npy", "--outdir", "."],
    }
    for name, arguments in commands.items():
        sys.argv = ["saved_model_cli", *arguments]
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
            saved_model_cli.main()
        facts[name] = out.getvalue()


def hub():
    import tensorflow_hub
    import tf_keras

    layer = tensorflow_hub.KerasLayer(directory, trainable=True)
    frozen = tensorflow_hub.KerasLayer(directory)
    np.savez("hub.npz", load=tensorflow_hub.load(directory)(images), layer=layer(images), frozen=frozen(images))
    before = [np.asarray(variable.numpy()) for variable in layer.variables]
    model = tf_keras.Sequential([tf_keras.Input((8, 8, 3)), layer, tf_keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    model.fit(images, np.ones((len(images), 2)), batch_size=2, verbose=0)
    facts["hub"] = {
        "trainable": len(layer.trainable_variables),
        "moved": moved(before, layer.variables),
        "losses": len(layer.losses),
        "frozen": len(frozen.trainable_variables),
    }


for reader in (saved_model, tfsm_layer, command_line, hub):
    reader()
facts["own"] = [name for name in sys.modules if name.startswith("keras_repvis")]
with open("facts.json", "w") as file:
    json.dump(facts, file)
"""


@pytest.fixture(scope="module", name="images")
def images_fixture():
    return np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3)).astype("float32") / 255


@pytest.fixture(scope="module", name="expected")
def expected_fixture(classifier, images):
    return np.asarray(classifier(images, training=False))


@pytest.fixture(scope="module", name="read")
def read_fixture(shared_root, images, tmp_path_factory):
    """Return the directory in which the readers left their answers, and what else they found."""
    directory = tmp_path_factory.mktemp("readers")
    np.save(directory / "images.npy", images)
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", _READERS, str(shared_root / "test" / "small" / "1")]
    run = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    return directory, json.loads((directory / "facts.json").read_text())


def _check(file, expected, names):
    with np.load(file) as answers:
        assert set(answers) == set(names)
        for name, found in answers.items():
            np.testing.assert_allclose(found, expected[: len(found)], rtol=0, atol=1e-6, err_msg=name)


def test_no_reader_needs_this_package(read):
    assert read[1]["own"] == []


def test_saved_model_load(read, expected):
    _check(read[0] / "saved_model.npz", expected, ["call", "call_keyword", "one", "signature", "encoded"])


def test_tfsm_layer_of_keras(read, expected):
    _check(read[0] / "tfsm_layer.npz", expected, ["call", "model"])
    assert read[1]["tfsm_layer"] == 5


def test_saved_model_cli_shows_both_signatures(read):
    shown = read[1]["show"]
    for text in ("signature_def['serving_default']", "signature_def['encoded_images']", "inputs['images']", "(-1, 4)"):
        assert text in shown
    # The call, once for each mode.
    assert "Function Name: '__call__'" in shown and "Option #2" in shown


def test_saved_model_cli_runs(read, expected):
    assert "logits" in read[1]["run"]
    np.testing.assert_allclose(np.load(read[0] / "logits.npy"), expected, rtol=0, atol=1e-6)


def test_tensorflow_hub(read, expected):
    """It loads, and its layer for tf_keras trains every weight, moves the statistics and adds the losses."""
    directory, facts = read
    _check(directory / "hub.npz", expected, ["load", "layer", "frozen"])
    # Five weights that train, two statistics, and the state of dropout's generator.
    assert facts["hub"] == {"trainable": 5, "moved": [True] * 8, "losses": 2, "frozen": 0}


def test_keras(classifier, shared_root, images):
    """As a Keras model: it trains every weight and moves the statistics towards those of the images."""
    model = zoo.load("test/small", shared_root)
    norm = model.get_layer("norm")
    statistics = np.asarray(classifier.layers[1](images)).mean((0, 1, 2))
    before = [np.array(weight) for weight in model.weights]
    distance = np.abs(np.array(norm.moving_mean) - statistics)
    model.compile(keras.optimizers.SGD(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(images, np.arange(5) % 4, epochs=20, batch_size=5, verbose=0)
    assert len(before) == 7 and all(np.any(old != np.array(new)) for old, new in zip(before, model.weights))
    assert np.all(np.abs(np.array(norm.moving_mean) - statistics) < distance)


def _as_serving_reads(name):
    """The number that TensorFlow Serving takes a child of a model's directory for, or None: C++ parsing of an int64."""
    match = re.fullmatch(r"\s*([+-]?\d+)\s*", name, re.ASCII)
    return int(match[1]) if match and -(2**63) <= int(match[1]) < 2**63 else None


_watched = {"directory": None, "names": set()}


def _watch(event, arguments):
    if _watched["directory"] and event in ("open", "os.mkdir", "os.rename", "os.link", "os.symlink"):
        for path in arguments[:2]:
            if isinstance(path, (str, bytes, os.PathLike)):
                path = os.path.abspath(os.fsdecode(path))
                if path.startswith(f"{_watched['directory']}/"):
                    _watched["names"].add(path[len(_watched["directory"]) + 1 :].split("/")[0])


@pytest.fixture(name="watch")
def watch_fixture():
    """Return a function that starts to note the names this process uses in a directory, and returns their set."""
    sys.addaudithook(_watch)

    def watch(directory):
        _watched.update(directory=str(directory), names=set())
        return _watched["names"]

    yield watch
    _watched["directory"] = None


def test_tensorflow_serving_sees_the_versions_and_nothing_else(put, watch, tmp_path):
    """Whatever is in a model's directory, while something is done to it too: numbers are versions, and are written as
    Serving writes them, for two names of one number would be two versions."""
    model = tmp_path / "test" / "small"
    model.mkdir(parents=True)
    names = watch(model)
    for number in range(1, 13):
        put(tmp_path, "test/small", text=str(number))
    zoo.set_alias("test/small/3", "champion", tmp_path)
    zoo.gc(["latest:4"], tmp_path)
    read = {name: _as_serving_reads(name) for name in names | set(os.listdir(model))}
    versions = {number for number in read.values() if number is not None}
    assert versions == set(range(1, 13))
    assert all(name == str(number) for name, number in read.items() if number is not None)
    # The names while a version is written and while it is removed were among them.
    others = [name for name, number in read.items() if number is None]
    for kind in (layout.INCOMING, layout.TRASH, "aliases.json", "history.jsonl"):
        assert any(name.startswith(kind) for name in others), kind
    left = {_as_serving_reads(name) for name in os.listdir(model)} - {None}
    assert left == set(layout.version_numbers(model)) == {3, 9, 10, 11, 12}


@pytest.mark.parametrize("name", ["01", "+1", "-1", " 1", "1 ", "0", "9223372036854775808", "1.0", "1e3", "١"])
def test_other_spellings_of_numbers_are_no_versions_here(put, tmp_path, name):
    put(tmp_path, "test/small")
    (tmp_path / "test" / "small" / name).mkdir()
    assert layout.version_numbers(tmp_path / "test" / "small") == [1]
    assert zoo.resolve("test/small", tmp_path).version == 1
