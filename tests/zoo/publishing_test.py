"""A version is published complete and equal to the model, or not at all."""

import os
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import zoo
from keras_repvis.zoo import equality, manifest, publishing, transaction

# Forks publishers of a small model: three are killed, each at its moment, while two publish at once; a last one is
# killed right after its rename. One process imports TensorFlow for all of them; none has used it before the fork.
_PUBLISHERS = """
import os, signal, sys, time
import keras
from keras_repvis import zoo
from keras_repvis.zoo import manifest, publishing

moments = {
    "write": (publishing.export, "save"),
    "seal": (manifest, "write"),
    "flush": (os, "fsync"),
    "rename": (os, "rename"),
}

def publish(moment=None):
    ready, say = os.pipe()
    child = os.fork()
    if child:
        os.close(say)
        return child, ready
    if moment:
        owner, name = moments[moment]
        original = getattr(owner, name)
        def wait(*arguments):
            original(*arguments)
            os.write(say, b"there")
            time.sleep(600)
        setattr(owner, name, wait)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    os.write(1, (zoo.publish(model, "me/net", sys.argv[1]).handle + "\\n").encode())
    os._exit(0)

def kill(child, ready):
    assert os.read(ready, 5) == b"there"
    os.kill(child, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL

waiting = [publish(moment) for moment in ("write", "seal", "flush")]
publishing_now = [publish() for _ in range(2)]
for child in waiting:
    kill(*child)
for child, _ in publishing_now:
    assert os.waitpid(child, 0)[1] == 0
kill(*publish("rename"))
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
    assert os.listdir(version.path.parent) == ["1"]


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
    assert [entry.handle for entry in zoo.list_versions(root)] == ["test/small/1", "test/small/2"]
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


def _full_in_tensorflow(*_, **__):
    raise tf.errors.ResourceExhaustedError(None, None, "variables.data; No space left on device")


@pytest.mark.parametrize(
    "owner, name, failure",
    [
        (publishing.export, "save", _full_in_tensorflow),
        (keras.Model, "save", _full),
        (np, "savez_compressed", _full),
        (manifest, "write", _full),
        (os, "fsync", _full),
        (os, "rename", _full),
    ],
)
def test_a_full_disk_leaves_the_old_state(owner, name, failure, tmp_path, monkeypatch):
    model = _tiny()
    zoo.publish(model, "me/net", tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, failure)
        for handle in ("me/net", "you/net"):
            with pytest.raises(OSError, match="No space left"):
                zoo.publish(model, handle, tmp_path)
    assert os.listdir(tmp_path) == ["me"]
    assert os.listdir(tmp_path / "me" / "net") == ["1"]
    assert zoo.publish(model, "me/net", tmp_path).version == 2


def test_interruption_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(publishing, "_load_keras", interrupt)
    with pytest.raises(KeyboardInterrupt):
        zoo.publish(_tiny(), "me/net", tmp_path)
    assert not os.listdir(tmp_path)


def test_a_number_taken_meanwhile_changes_card_and_manifest(tmp_path, monkeypatch):
    zoo.publish(_tiny(), "me/net", tmp_path)
    numbers = iter([1, 2])
    monkeypatch.setattr(transaction, "next_number", lambda _: next(numbers))
    version = zoo.publish(_tiny(), "me/net", tmp_path)
    assert version.version == 2
    assert manifest.verify(version.path)["handle"] == "me/net/2"
    assert (version.path / "card.md").read_text().startswith("# Module me/net/2\n")


def test_kills_and_publishers_at_once(tmp_path):
    command = [sys.executable, "-c", _PUBLISHERS, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split()) == ["me/net/1", "me/net/2"]
    versions = zoo.list_versions(tmp_path)
    # The rename is the publication: the third publisher was killed right after it.
    assert [version.handle for version in versions] == ["me/net/1", "me/net/2", "me/net/3"]
    for version in versions:
        assert manifest.verify(version.path)["handle"] == version.handle
    assert zoo.load("me/net", tmp_path).count_params() == 10
    # The three that were killed before it left what no reader takes for a version.
    leftovers = {name for name in os.listdir(tmp_path / "me" / "net")} - {"1", "2", "3"}
    assert len(leftovers) == 3 and all(name.startswith(transaction.INCOMING) for name in leftovers)
