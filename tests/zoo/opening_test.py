"""A handle, a .keras file and any SavedModel open to the same function, and none of them is trusted."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import zoo

INPUTS = np.random.default_rng(0).random((3, 5), "float32")


@pytest.fixture(scope="module", name="model")
def model_fixture():
    inputs = keras.Input((5,), name="x")
    return keras.Model(inputs, keras.layers.Dense(2, name="logits")(inputs), name="small")


@pytest.fixture(scope="module", name="places")
def places_fixture(model, tmp_path_factory):
    """The same model as a file, in a zoo, and as SavedModels of three makers."""
    root = tmp_path_factory.mktemp("opening")
    model.save(root / "small.keras")
    model.export(root / "exported", verbose=False)
    version = zoo.publish(model, "me/small", root / "zoo")

    module = tf.Module()
    module.kernel, module.bias = (tf.Variable(weight) for weight in model.get_weights())
    spec = tf.TensorSpec((None, 5), name="x")
    signature = tf.function(lambda x: {"logits": x @ module.kernel + module.bias}, input_signature=[spec])
    tf.saved_model.save(module, str(root / "plain"), signatures={"serving_default": signature})
    two = tf.function(lambda x: {"a": x, "b": 2 * x}, input_signature=[spec])
    tf.saved_model.save(module, str(root / "two"), signatures={"serving_default": two})
    reading = tf.function(lambda name: {"bytes": tf.io.read_file(name)}, input_signature=[tf.TensorSpec((), tf.string)])
    tf.saved_model.save(module, str(root / "reading"), signatures={"serving_default": reading})
    return root, version


def test_all_answer_alike(model, places):
    root, version = places
    expected = model.predict(INPUTS, verbose=0)
    for place in (root / "small.keras", root / "exported", root / "plain", version.path, str(version.path)):
        opened = zoo.open_model(place)
        np.testing.assert_allclose(opened(INPUTS), expected, rtol=1e-5, atol=1e-6)
    assert isinstance(zoo.open_model("me/small", root=root / "zoo"), keras.Model)
    function = zoo.open_model(root / "plain")
    assert (function.spec.shape.as_list(), function.name) == ([None, 5], "plain")


def test_several_outputs_stay_a_dict(places):
    found = zoo.open_model(places[0] / "two")(INPUTS)
    np.testing.assert_allclose(found["b"], 2 * INPUTS)


def test_what_does_more_than_compute_is_refused(places):
    with pytest.raises(zoo.UnsafeOperationError, match="ReadFile"):
        zoo.open_model(places[0] / "reading")


def test_what_there_is_not(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        zoo.open_model(tmp_path / "none.keras")
    with pytest.raises(ValueError, match="nothing is published|none"):
        zoo.open_model("nobody/none", root=tmp_path)
