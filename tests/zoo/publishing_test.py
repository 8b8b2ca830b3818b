"""A version is published complete and equal to the model, or not at all."""

import os
import pathlib
import shutil
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import zoo
from keras_repvis.zoo import equality, exporting, layout, manifest, publishing

# Publishes a small model after as many others were made as it is told, so that Keras and TensorFlow number otherwise.
_PUBLISH = """
import sys
import keras
import numpy as np
from keras_repvis import zoo

for _ in range(int(sys.argv[2])):
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dropout(0.5)])(np.zeros((1, 3)))
layers = [keras.layers.Conv2D(4, 3, name="conv"), keras.layers.BatchNormalization(name="norm")]
layers += [keras.layers.Dropout(0.5, name="drop"), keras.layers.Flatten(name="flat")]
layers += [keras.layers.Dense(3, name="logits")]
model = keras.Sequential([keras.Input((6, 6, 1), name="images"), *layers], name="net")
for index, weight in enumerate(model.weights):
    weight.assign(np.random.default_rng(index).uniform(0.1, 1.0, weight.shape))
variants = ("folded", "float16", "int8")
examples = np.random.default_rng(0).random((64, 6, 6, 1), "float32")
print(zoo.publish(model, "me/net", sys.argv[1], variants=variants, examples=examples, metrics={"a": 1}).handle)
"""


def _tiny(name="tiny"):
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)], name=name)


def test_a_version_holds_what_it_should(shared_root):
    version = zoo.resolve("test/small", shared_root)
    names = {path.relative_to(version.path).as_posix() for path in version.path.rglob("*") if path.is_file()}
    assert names == {
        "card.md",
        "check.npz",
        "fingerprint.pb",
        "manifest.json",
        "model.keras",
        "saved_model.pb",
        "variables/variables.data-00000-of-00001",
        "variables/variables.index",
    }
    assert sorted(os.listdir(version.path.parent)) == ["1", "history.jsonl"]


def test_the_manifest_tells_the_origin(classifier, shared_root):
    record = zoo.read_manifest("test/small", shared_root)
    assert record["handle"] == "test/small/1"
    assert record["metrics"] == {"test_accuracy": 0.75}
    assert record["training"] == {"seed": 3, "flags": {"epochs": 2}}
    assert record["data"] == {"name": "noise", "fingerprint": "abc"}
    assert (record["licence"], record["parent"], record["architecture"]) == ("MIT", None, "small")
    assert record["versions"]["tensorflow"] == tf.__version__ and record["versions"]["keras"] == keras.__version__
    assert record["weights"] == equality.digest_weights(classifier)
    assert record["cost"]["parameters"] == classifier.count_params()
    assert set(record["signatures"]) == {"serving_default", "encoded_images"}
    assert {"Conv2D", "MatMul"} <= set(record["operations"]["serving_default"])
    operations = zoo.endpoint_operations(zoo.resolve("test/small", shared_root).path)
    assert record["operations"] == {endpoint: sorted(names) for endpoint, names in operations.items()}
    assert max(record["check"]["differences"].values()) < 1e-5


def test_the_check_is_stored_with_its_outputs(classifier, shared_root):
    with np.load(zoo.resolve("test/small", shared_root).path / "check.npz") as check:
        assert check["inputs"].shape == (3, 8, 8, 3)
        np.testing.assert_allclose(check["outputs_0"], classifier(check["inputs"]), rtol=0, atol=1e-6)


def test_the_next_version_and_its_parent(classifier, shared_root, tmp_path):
    root = shutil.copytree(shared_root, tmp_path / "zoo")
    version = zoo.publish(classifier, "test/small", root, parent="test/small")
    assert (version.handle, version.version) == ("test/small/2", 2)
    assert version.manifest["parent"] == "test/small/1"
    assert [entry.handle for entry in zoo.list_versions(root, shipped=False)] == ["test/small/1", "test/small/2"]
    with pytest.raises(ValueError, match="is not published"):
        zoo.publish(classifier, "test/small", root, parent="test/none")


def test_the_optimiser_is_left_out(tmp_path):
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(64)])
    plain = zoo.publish(model, "me/plain", tmp_path)
    model.compile("adam", "mse")
    model.fit(np.ones((2, 64)), np.ones((2, 64)), verbose=0)
    trained = zoo.publish(model, "me/trained", tmp_path)
    sizes = [(version.path / "model.keras").stat().st_size for version in (plain, trained)]
    assert abs(sizes[0] - sizes[1]) < 2000
    loaded = zoo.load("me/trained", tmp_path)
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])
    assert not loaded.compiled and model.compiled


@keras.saving.register_keras_serializable("zoo_test")
class Forgetful(keras.layers.Layer):
    """Reloads with another factor than it had."""

    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs):
        return inputs * self.factor

    def get_config(self):
        return super().get_config()


class Unregistered(keras.layers.Layer):
    """A layer Keras cannot find again by itself."""

    def call(self, inputs):
        return inputs * 2.0


@keras.saving.register_keras_serializable("zoo_test")
class Noisy(keras.layers.Layer):
    """Answers by chance."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.generator = keras.random.SeedGenerator(3)

    def call(self, inputs):
        return inputs + keras.random.uniform(keras.ops.shape(inputs), seed=self.generator)


@keras.saving.register_keras_serializable("zoo_test")
class Holding(keras.layers.Layer):
    """Holds a variable behind Keras' back."""

    hidden = []

    def call(self, inputs):
        if not self.hidden:
            self.hidden.append(tf.Variable(2.0))
        return inputs * self.hidden[0]


@keras.saving.register_keras_serializable("zoo_test")
class Printing(keras.layers.Layer):
    """Writes to the log at every call."""

    def call(self, inputs):
        with tf.control_dependencies([tf.print("called")]):
            return tf.identity(inputs)


def _with(layer):
    return keras.Sequential([keras.Input((4,)), layer, keras.layers.Dense(2)])


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: _with(Forgetful(3.0)), "read back from model.keras it answers differently"),
        (lambda: _with(Unregistered()), "[Rr]egister|configuration"),
        (lambda: _with(keras.layers.Lambda(lambda x: x + 1)), "[Ll]ambda"),
        (lambda: _with(Noisy()), "answers differently"),
        (lambda: _with(Holding()), "holds a resource that no layer tracks"),
        (lambda: _with(keras.layers.Rescaling(float("nan"))), "NaN or infinity"),
    ],
)
def test_what_does_not_come_back_the_same_is_refused(make, message, compiled, tmp_path):
    model = make()
    if compiled:
        model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=message):
        zoo.publish(model, "me/net", tmp_path)
    assert not os.listdir(tmp_path)


def test_custom_objects_may_be_given(tmp_path):
    custom_objects = {"Unregistered": Unregistered}
    model = _with(Unregistered())
    zoo.publish(model, "me/net", tmp_path, custom_objects=custom_objects)
    loaded = zoo.load("me/net", tmp_path, custom_objects=custom_objects)
    np.testing.assert_allclose(loaded(np.ones((1, 4))), model(np.ones((1, 4))), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"handle": "net"}, "handle='net'"),
        ({"handle": "../net"}, "'..' is not a name"),
        ({"handle": "me/net/1"}, "the zoo gives the number"),
        ({"model": "net"}, "expected a keras.Model, not str"),
        ({"model": keras.Sequential([keras.layers.Dense(2)])}, "is not built"),
        ({"metrics": {"loss": float("nan")}}, r"metrics\['loss'\]=nan"),
        ({"metrics": [0.9]}, "metrics="),
        ({"training": {"optimizer": keras.optimizers.SGD}}, r"training\['optimizer'\]"),
        ({"data": "digits"}, "data='digits'"),
        ({"licence": None}, "licence=None"),
        ({"licence": " "}, "licence=' '"),
        ({"description": 3}, "description=3"),
        ({"inputs": np.ones((1, 5))}, "inputs have shape"),
        ({"inputs": "noise"}, "inputs"),
        ({"parent": "me/none"}, "me/none"),
    ],
)
def test_refused_arguments_leave_nothing(arguments, message, tmp_path):
    given = {"model": _tiny(), "handle": "me/net", "root": tmp_path / "zoo", **arguments}
    with pytest.raises(ValueError, match=message):
        zoo.publish(**given)
    assert not os.listdir(tmp_path)


def test_a_root_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="it is a file"):
        zoo.publish(_tiny(), "me/net", tmp_path / "file")
    with pytest.raises(OSError):
        zoo.publish(_tiny(), "me/net", "/proc/zoo")


def _full(*_, **__):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    "owner, name",
    [(keras.Model, "save"), (np, "savez_compressed"), (exporting, "export_file"), (manifest, "write"), (os, "rename")],
)
def test_an_error_of_the_disk_leaves_the_old_state(owner, name, tmp_path, monkeypatch):
    model = _tiny()
    zoo.publish(model, "me/net", tmp_path)
    history = (tmp_path / "me" / "net" / "history.jsonl").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, _full)
        for handle in ("me/net", "you/net"):
            with pytest.raises(OSError, match="No space left"):
                zoo.publish(model, handle, tmp_path, description="Another.")
    assert os.listdir(tmp_path) == ["me"]
    assert sorted(os.listdir(tmp_path / "me" / "net")) == ["1", "history.jsonl"]
    assert (tmp_path / "me" / "net" / "history.jsonl").read_bytes() == history
    assert zoo.publish(model, "me/net", tmp_path, description="Another.").version == 2


def test_a_full_disk_leaves_the_old_state(small_disk):
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(64)])
    version = zoo.publish(model, "me/net", small_disk)
    size = sum(file.stat().st_size for file in version.path.rglob("*") if file.is_file())
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    before = sorted(small_disk.rglob("*"))
    for share in (0.2, 0.4, 0.6, 0.8, 0.95):
        (small_disk / "filler").write_bytes(bytes(int(free - share * size)))
        with pytest.raises(OSError, match="[Nn]o space|full"):
            zoo.publish(model, "me/net", small_disk, description="Another.")
        (small_disk / "filler").unlink()
        assert sorted(small_disk.rglob("*")) == before
        version.verify()
    assert zoo.publish(model, "me/net", small_disk, description="Another.").version == 2


def test_interruption_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(publishing, "_load_keras", interrupt)
    with pytest.raises(KeyboardInterrupt):
        zoo.publish(_tiny(), "me/net", tmp_path)
    assert not os.listdir(tmp_path)


def test_the_same_bytes_from_other_processes(tmp_path):
    versions = []
    for others in (0, 12):
        root = tmp_path / str(others)
        command = [sys.executable, "-c", _PUBLISH, str(root), str(others)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.stdout == "me/net/1\n", done.stderr
        versions.append(zoo.resolve("me/net", root))
    first, second = (version.manifest for version in versions)
    differing = {name for name, entry in first["files"].items() if entry != second["files"][name]}
    assert differing <= {"card.md"}
    assert first["digest"] == second["digest"]
    assert first["process"] == "own"
    assert set(first["variants"]) == {"folded", "float16", "int8"}


def test_the_same_again_is_the_same_version(tmp_path):
    model = _tiny()
    first = zoo.publish(model, "me/net", tmp_path, metrics={"loss": 0.5})
    assert zoo.publish(model, "me/net", tmp_path, metrics={"loss": 0.5}) == first
    assert zoo.publish(model, "me/net", tmp_path, metrics={"loss": 0.4}).version == 2
    model.layers[-1].bias.assign([1.0, 2.0])
    assert zoo.publish(model, "me/net", tmp_path, metrics={"loss": 0.5}).version == 3
    assert os.listdir(tmp_path / "me") == ["net"]


def test_a_parent_is_held_while_its_child_is_published(tmp_path, monkeypatch):
    model = _tiny()
    zoo.publish(model, "me/net", tmp_path)
    zoo.publish(model, "me/net", tmp_path, description="Another.")
    write = manifest.write

    def collect_then_write(*arguments):
        assert zoo.gc(["latest:1"], tmp_path, model="me/net").kept["me/net/1"] == "in use"
        return write(*arguments)

    monkeypatch.setattr(manifest, "write", collect_then_write)
    zoo.publish(model, "you/net", tmp_path, parent="me/net/1")
    assert zoo.gc(["latest:1"], tmp_path).kept["me/net/1"] == "parent of you/net/1"


def test_a_variant_that_is_refused_is_left_out_with_a_warning(tmp_path):
    with pytest.warns(UserWarning, match="without the variant 'int8': no calibration images"):
        version = zoo.publish(_tiny(), "me/net", tmp_path, variants=("float16", "int8"))
    assert list(version.manifest["variants"]) == ["float16"]
    assert "no calibration images" in version.manifest["variants_refused"]["int8"]
    assert not (version.path / "int8.tflite").exists()
    assert "Not published, `int8`" in (version.path / "card.md").read_text()


def test_a_model_that_writes_files_is_refused_unless_allowed(tmp_path):
    model = _with(Printing())
    with pytest.raises(zoo.UnsafeOperationError, match="PrintV2"):
        zoo.publish(model, "me/net", tmp_path)
    assert not os.listdir(tmp_path)
    version = zoo.publish(model, "me/net", tmp_path, allow_operations=["PrintV2"])
    with pytest.raises(zoo.UnsafeOperationError, match="PrintV2"):
        zoo.load_saved_model(version.handle, tmp_path)
    graph = zoo.load_saved_model(version.handle, tmp_path, allow_operations=["PrintV2"])
    assert graph(np.ones((1, 4), "float32")).shape == (1, 2)


_ORPHAN = """
import os, sys
import keras
from keras_repvis import zoo
from keras_repvis.zoo import exporting
# The exporting process waits until it is told that it is alone.
exporting._PROGRAM = exporting._PROGRAM.replace("exporting.main", "__import__('time').sleep(60), exporting.main")
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
popen = exporting.subprocess.Popen
def tell(*arguments, **options):
    process = popen(*arguments, **options)
    print(process.pid, flush=True)
    return process
exporting.subprocess.Popen = tell
zoo.publish(model, "me/net", sys.argv[1])
"""


def test_a_killed_publisher_takes_its_exporter_along_and_the_next_cleans_up(tmp_path):
    with subprocess.Popen([sys.executable, "-c", _ORPHAN, str(tmp_path)], stdout=subprocess.PIPE) as publisher:
        exporter = int(publisher.stdout.readline())
        publisher.kill()
    deadline = time.monotonic() + 60
    while pathlib.Path(f"/proc/{exporter}").exists() and "Z" not in pathlib.Path(f"/proc/{exporter}/stat").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert layout.leftovers(tmp_path / "me" / "net")
    assert zoo.list_versions(tmp_path, shipped=False) == ()
    assert zoo.publish(_tiny(), "me/net", tmp_path).version == 1
    assert not layout.leftovers(tmp_path / "me" / "net")
