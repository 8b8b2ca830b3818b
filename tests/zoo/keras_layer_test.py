"""A published model as a layer: tracked, frozen, trained, saved, loaded and exported like any other."""

import json
import shutil
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import zoo
from keras_repvis.zoo import export
from keras_repvis.zoo.keras_layer import KerasLayer
from keras_repvis.zoo.operations import UnsafeOperationError


@pytest.fixture(scope="module", name="images")
def images_fixture():
    return np.random.default_rng(3).random((12, 8, 8, 3), "float32")


@pytest.fixture(scope="module", name="fine_tuned")
def fine_tuned_fixture(shared_root, images):
    """A model around a published one, all of it trained, and the values of the layer's variables before."""
    layer = KerasLayer("test/small", trainable=True, root=shared_root, name="small")
    before = _values(layer.variables)
    model = keras.Sequential([keras.Input((8, 8, 3)), layer, keras.layers.Dense(2, name="head")])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    model.fit(images, np.ones((12, 2)), batch_size=5, epochs=1, verbose=0)
    return model, before


def _values(variables):
    return [np.array(variable.numpy()) for variable in variables]


def _moved(before, variables):
    return {variable.name for old, variable in zip(before, variables) if np.any(old != variable.numpy())}


def _reusable(directory, function, **attributes):
    """Save `function` as the call of a bare reusable SavedModel."""
    saved = tf.train.Checkpoint()
    setattr(saved, "__call__", function)
    for name, value in attributes.items():
        setattr(saved, name, value)
    tf.saved_model.save(saved, str(directory), signatures={})
    return str(directory)


def test_weights_are_those_of_the_saved_model(classifier, shared_root):
    layer = KerasLayer("test/small", trainable=True, root=shared_root)
    assert len(layer.weights) == 8, "five that train, two statistics, the state of dropout's generator"
    assert len(layer.trainable_weights) == 5
    for variable, expected in zip(layer.trainable_weights, classifier.trainable_weights):
        np.testing.assert_array_equal(variable.numpy(), expected.numpy())
        assert expected.name in variable.name
    assert len({variable.path for variable in layer.weights}) == 8
    saved = layer._loaded.variables
    assert all(variable.value is one for variable, one in zip(layer._saved_variables, saved))
    frozen = KerasLayer("test/small", root=shared_root)
    assert frozen.trainable_weights == [] and len(frozen.weights) == 8


def test_answers_like_the_model(classifier, shared_root, images):
    layer = KerasLayer("test/small/1", root=shared_root)
    assert (layer.handle, layer.root) == ("test/small/1", str(shared_root))
    for inputs in (images, images.astype("float64"), tf.constant(images[:1])):
        np.testing.assert_allclose(layer(inputs), classifier(inputs, training=False), rtol=0, atol=1e-6)
    for path in (shared_root / "test" / "small", str(shared_root / "test" / "small" / "1")):
        by_path = KerasLayer(path)
        assert (by_path.handle, by_path.root) == (str(shared_root / "test" / "small" / "1"), None)
        np.testing.assert_array_equal(by_path(images), layer(images))


def test_gradients_and_losses_are_those_of_the_model(classifier, shared_root, images):
    layer = KerasLayer("test/small", trainable=True, root=shared_root)

    def gradients(model):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(model(images, training=False))) + sum(model.losses)
        return loss, tape.gradient(loss, [weight.value for weight in model.trainable_weights])

    (expected_loss, expected), (loss, found) = gradients(classifier), gradients(layer)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-5)
    assert len(layer.losses) == 2
    for one, other in zip(expected, found):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5)


def test_training_moves_everything(fine_tuned):
    model, before = fine_tuned
    layer = model.get_layer("small")
    names = {variable.name for variable in layer.variables}
    assert _moved(before, layer.variables) == names and len(names) == 8


def test_statistics_move_as_in_the_model(classifier, shared_root, images):
    layer = KerasLayer("test/small", trainable=True, root=shared_root)
    copy = keras.models.clone_model(classifier)
    copy.set_weights(classifier.get_weights())
    copy(images, training=True)
    layer(images, training=True)
    statistics = [variable for variable in layer.non_trainable_weights if "moving" in variable.name]
    norm = copy.get_layer("norm")
    for found, expected in zip(statistics, (norm.moving_mean, norm.moving_variance)):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5)


def test_frozen_nothing_moves_in_training(shared_root, images):
    layer = KerasLayer("test/small", root=shared_root)
    model = keras.Sequential([keras.Input((8, 8, 3)), layer, keras.layers.Dense(2)])
    before, expected = _values(model.variables), layer(images)
    model.compile("sgd", "mse")
    model.fit(images, np.ones((12, 2)), batch_size=5, epochs=1, verbose=0)
    assert _moved(before, model.variables) == {"kernel", "bias"}
    np.testing.assert_array_equal(layer(images, training=True), expected)
    assert layer.losses == []


def test_trainable_can_be_set_later(shared_root, images):
    layer = KerasLayer("test/small", root=shared_root)
    layer.trainable = True
    assert len(layer.trainable_weights) == 5 and len(layer.losses) == 2
    assert np.abs(layer(images, training=True) - layer(images, training=False)).max() > 1e-3
    before = _values(layer.variables)
    layer.trainable = False
    layer(images, training=True)
    assert layer.trainable_weights == [] and _moved(before, layer.variables) == set()


def test_saved_and_loaded_after_training(fine_tuned, images, tmp_path):
    model, _ = fine_tuned
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for one, other in zip(model.variables, loaded.variables):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=one.path)
    np.testing.assert_array_equal(model.predict(images, verbose=0), loaded.predict(images, verbose=0))
    assert [weight.name for weight in loaded.trainable_weights] == [weight.name for weight in model.trainable_weights]
    # Optimiser included: it goes on training.
    loaded.fit(images, np.ones((12, 2)), batch_size=5, epochs=1, verbose=0)
    assert np.any(loaded.get_layer("small").weights[0].numpy() != model.get_layer("small").weights[0].numpy())


def test_weights_alone(fine_tuned, shared_root, images, tmp_path):
    model, _ = fine_tuned
    model.save_weights(tmp_path / "model.weights.h5")
    fresh = keras.models.clone_model(model)
    assert np.abs(fresh(images) - model(images)).max() > 1e-3
    fresh.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(fresh(images), model(images))


def test_the_zoo_of_this_machine_serves_where_the_one_it_was_saved_with_is_gone(
    fine_tuned, images, tmp_path, shared_root, monkeypatch
):
    model, _ = fine_tuned
    model.save(tmp_path / "model.keras")
    _edit_config(tmp_path / "model.keras", root=str(tmp_path / "gone"))
    monkeypatch.setenv("KERAS_REPVIS_ZOO", str(shared_root))
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(images), model(images))
    assert loaded.get_layer("small").root is None


def _edit_config(path, **changes):
    """Change the configuration of the `KerasLayer` in a .keras file."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    for layer in config["config"]["layers"]:
        if layer["class_name"] == "KerasLayer":
            layer["config"].update(changes)
    members["config.json"] = json.dumps(config)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_another_version_than_it_was_saved_with_is_refused(fine_tuned, tmp_path, shared_root, monkeypatch):
    model, _ = fine_tuned
    path = tmp_path / "model.keras"
    model.save(path)
    _edit_config(path, digest="0" * 64)
    with pytest.raises(zoo.IntegrityError, match=r"test/small/1: is not the test/small/1 this was saved with"):
        keras.saving.load_model(path)
    _edit_config(path, handle="test/small/2")
    with pytest.raises(ValueError, match="2"):
        keras.saving.load_model(path)
    monkeypatch.setenv("KERAS_REPVIS_ZOO", str(tmp_path / "empty"))
    _edit_config(path, handle="test/small/1", root=None)
    with pytest.raises(ValueError, match="handle='test/small/1' is not published in .*empty"):
        keras.saving.load_model(path)


def test_a_changed_file_is_refused(shared_root, tmp_path):
    root = shutil.copytree(shared_root, tmp_path / "zoo")
    config = KerasLayer("test/small", root=root).get_config()
    path = root / "test" / "small" / "1" / "saved_model.pb"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    for make in (lambda: KerasLayer("test/small", root=root), lambda: KerasLayer.from_config(config)):
        with pytest.raises(zoo.IntegrityError, match="saved_model.pb"):
            make()


def test_a_copy_has_weights_of_its_own(fine_tuned, images):
    model, _ = fine_tuned
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy(images), model(images))
    copy.get_layer("small").weights[0].assign(copy.get_layer("small").weights[0] * 2)
    assert np.abs(copy(images) - model(images)).max() > 1e-3


def test_exported_again(fine_tuned, images, tmp_path):
    model, _ = fine_tuned
    model.export(tmp_path / "keras", verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "keras"))
    np.testing.assert_allclose(exported.serve(images), model(images), rtol=0, atol=1e-6)
    export.save(model, tmp_path / "zoo")
    loaded = tf.saved_model.load(str(tmp_path / "zoo"))
    np.testing.assert_allclose(loaded(images), model(images), rtol=0, atol=1e-6)
    assert (len(loaded.variables), len(loaded.trainable_variables)) == (10, 7)
    np.testing.assert_allclose([loss() for loss in loaded.regularization_losses], model.losses, rtol=1e-6)


def test_published_again(fine_tuned, shared_root, images, tmp_path):
    """In another zoo than that of the model inside it."""
    model, _ = fine_tuned
    version = zoo.publish(model, "test/tuned", tmp_path / "zoo")
    np.testing.assert_allclose(zoo.load("test/tuned", tmp_path / "zoo")(images), model(images), rtol=0, atol=1e-6)
    nested = KerasLayer(version.handle, trainable=True, root=tmp_path / "zoo")
    np.testing.assert_allclose(nested(images), model(images), rtol=0, atol=1e-6)
    assert len(nested.trainable_weights) == 7 and len(nested.losses) == 2


def test_mixed_precision_computes_in_float32(shared_root, images):
    exact = KerasLayer("test/small", root=shared_root)(images)
    layer = KerasLayer("test/small", root=shared_root, dtype="mixed_float16")
    assert layer(keras.Input((8, 8, 3))).dtype == layer(images).dtype == "float16"
    np.testing.assert_array_equal(layer(images), tf.cast(exact, "float16"))
    assert {weight.dtype for weight in layer.trainable_weights} <= {"float32"}
    half = images.astype("float16")
    np.testing.assert_allclose(layer(half), exact, rtol=0, atol=2e-2)


def test_static_and_free_sizes(tmp_path, images):
    inputs = keras.Input((None, None, 3))
    convolution = keras.layers.Conv2D(2, 3, strides=2)
    export.save(keras.Model(inputs, convolution(inputs)), tmp_path)
    layer = KerasLayer(str(tmp_path), trainable=True)
    np.testing.assert_allclose(layer(images[:, :7]), convolution(images[:, :7]), rtol=0, atol=1e-6)
    shapes = [(None, None, None, 3), (None, 8, None, 3), (None, 8, 8, 3), (4, 9, 7, 3)]
    expected = [(None, None, None, 2), (None, 3, None, 2), (None, 3, 3, 2), (4, 4, 3, 2)]
    assert [layer(keras.KerasTensor(shape)).shape for shape in shapes] == expected
    assert [layer.compute_output_shape(shape) for shape in shapes] == expected
    frames = keras.layers.TimeDistributed(layer)
    assert frames(keras.KerasTensor((None, 5, 8, 8, 3))).shape == (None, 5, 3, 3, 2)
    # A layer that needs the sizes gets them in training too, also with a short last batch.
    model = keras.Sequential([keras.Input((8, 8, 3)), layer, keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(images, np.zeros((12, 1)), batch_size=5, verbose=0)
    assert model.predict(images, batch_size=5, verbose=0).shape == (12, 1)


def test_a_bare_saved_model_with_a_structure_of_inputs(tmp_path):
    weight, constant = tf.Variable([2.0, 3.0]), tf.Variable(1.0)
    spec = {"a": tf.TensorSpec((None, 2)), "b": tf.TensorSpec((None, 2))}
    call = tf.function(lambda inputs: {"sum": inputs["a"] * weight + inputs["b"], "count": tf.shape(inputs["a"])[0]
                                       + tf.cast(constant, "int32")}, input_signature=[spec])
    path = _reusable(tmp_path / "saved", call, variables=[weight], trainable_variables=[weight], other=constant)
    layer = KerasLayer(path, trainable=True)
    inputs = {name: keras.Input((2,), name=name) for name in "ab"}
    model = keras.Model(inputs, layer(inputs))
    batch = {"a": np.ones((3, 2)), "b": np.ones((3, 2))}
    found = model(batch)
    np.testing.assert_array_equal(found["sum"], np.tile([[3.0, 4.0]], (3, 1)))
    assert found["count"] == 4 and model.output["count"].dtype == "int32"
    assert layer.compute_output_shape({"a": (None, 2), "b": (7, 2)}) == {"sum": (7, 2), "count": ()}
    # A variable that the SavedModel uses without listing it is kept, and does not train.
    assert len(layer.trainable_weights) == 1 and len(layer.non_trainable_weights) == 1
    layer.non_trainable_weights[0].assign(5.0)
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras")(batch)["count"] == 8


def test_a_bare_saved_model_that_changed_is_refused(classifier, tmp_path):
    export.save(classifier, tmp_path)
    config = KerasLayer(tmp_path).get_config()
    KerasLayer.from_config(config)
    export.save(keras.models.clone_model(classifier), tmp_path)
    with pytest.raises(zoo.IntegrityError, match="is not the .* this was saved with"):
        KerasLayer.from_config(config)


def test_a_saved_model_that_reads_files_is_refused_and_can_be_allowed(tmp_path):
    words = tmp_path / "words"
    words.write_text("x")
    call = tf.function(
        lambda x: x + tf.cast(tf.strings.length(tf.io.read_file(str(words))), "float32"),
        input_signature=[tf.TensorSpec((None, 1))],
    )
    path = _reusable(tmp_path / "saved", call)
    with pytest.raises(UnsafeOperationError, match="__call__ runs ReadFile"):
        KerasLayer(path)
    layer = KerasLayer(path, allow_operations=["ReadFile"])
    model = keras.Sequential([keras.Input((1,)), layer])
    np.testing.assert_array_equal(model(np.zeros((1, 1))), [[1.0]])
    np.testing.assert_array_equal(keras.models.clone_model(model)(np.zeros((1, 1))), [[1.0]])
    # A file cannot allow itself what its reader did not.
    model.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="a file may not allow them.*safe_mode=False"):
        keras.saving.load_model(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=False)
    np.testing.assert_array_equal(loaded(np.zeros((1, 1))), [[1.0]])


def test_what_is_no_reusable_saved_model(tmp_path, shared_root):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.export(tmp_path / "exported", verbose=False)
    with pytest.raises(ValueError, match="it cannot be called, so it is not a reusable SavedModel"):
        KerasLayer(tmp_path / "exported")
    call = tf.function(lambda x: x, input_signature=[tf.TensorSpec((None, 1))])
    assert KerasLayer(_reusable(tmp_path / "without", call), trainable=True).weights == []
    weight = tf.Variable(1.0)
    call = tf.function(lambda x: x * weight, input_signature=[tf.TensorSpec((None, 1))])
    path = _reusable(tmp_path / "unlisted", call, variables=[weight])
    with pytest.raises(ValueError, match="trainable=True is not accepted: .*unlisted lists no trainable variables"):
        KerasLayer(path, trainable=True)
    with pytest.raises(ValueError, match="takes no input"):
        KerasLayer(_reusable(tmp_path / "nothing", tf.function(lambda: 1.0, input_signature=[])))
    with pytest.raises(ValueError, match="saved_model.pb: is missing"):
        KerasLayer(tmp_path)
    with pytest.raises(ValueError, match="trainable='yes' is not accepted: expected True or False"):
        KerasLayer("test/small", trainable="yes", root=shared_root)
    with pytest.raises(ValueError, match="handle=3 is not accepted"):
        KerasLayer(3)
