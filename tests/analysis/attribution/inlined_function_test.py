"""Functions that TensorFlow holds as graphs: their operations come into the caller's graph, with their own weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import analysis, zoo
from keras_repvis.analysis.attribution import DeConvNet, Gradient, GuidedBackprop, inlined_function

layers = keras.layers
IMAGES = np.random.default_rng(0).random((3, 8, 8, 3), "float32")
CALLS = ("PartitionedCall", "StatefulPartitionedCall")


def network(activation="relu"):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8, 8, 3))
    hidden = layers.BatchNormalization()(layers.Conv2D(6, 3, activation=activation)(inputs))
    hidden = layers.Conv2D(4, 3, activation="relu6")(hidden)
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(hidden)))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Function of a model that returns it as a SavedModel, loaded."""
    def load(model):
        path = tmp_path_factory.mktemp("exported")
        model.export(path, verbose=False)
        return tf.saved_model.load(str(path))

    return load


def traced(function, *examples):
    """What `call` gives for the examples, and the types of the operations of its graph."""
    types = []

    @tf.function(autograph=False)
    def run(inputs):
        outputs = inlined_function.call(function, inputs)
        types.extend(operation.type for operation in tf.compat.v1.get_default_graph().get_operations())
        return outputs

    inputs = examples[0] if len(examples) == 1 else list(examples)
    return run(inputs), types


def test_a_saved_model_shows_its_operations(exported):
    model = network()
    loaded = exported(model)
    for function in (loaded.serve, loaded.signatures["serving_default"]):
        outputs, types = traced(function, tf.constant(IMAGES))
        outputs = outputs["output_0"] if isinstance(outputs, dict) else outputs
        np.testing.assert_allclose(outputs, model(IMAGES), rtol=1e-5, atol=1e-6)
        assert not set(CALLS) & set(types)
        assert types.count("Relu") == types.count("Relu6") == 1 and types.count("Conv2D") == 2


@pytest.mark.parametrize("method", [Gradient, DeConvNet, GuidedBackprop])
def test_maps_of_a_bare_saved_model_are_those_of_the_model(method, exported):
    model = network()
    loaded = exported(model)
    expected = method(model)(IMAGES, [0, 2, 1])
    found = method(loaded.serve, batch_size=2)(IMAGES, [0, 2, 1])
    np.testing.assert_allclose(found.maps, expected.maps, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(found.diagnostics["score"], expected.diagnostics["score"], rtol=1e-5, atol=1e-6)
    signature = method(loaded.signatures["serving_default"])(IMAGES, lambda outputs: outputs["output_0"][:, 2])
    np.testing.assert_allclose(signature.maps, method(model)(IMAGES, 2).maps, rtol=1e-5, atol=1e-8)


def test_the_rules_fire(exported):
    loaded = exported(network())
    maps = [method(loaded.serve)(IMAGES, 1).maps for method in (Gradient, DeConvNet, GuidedBackprop)]
    for one, two in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(maps[one] - maps[two]).max() > 1e-4


@pytest.mark.parametrize("variant", [None, "folded"])
def test_saved_models_of_the_zoo(variant):
    saved = zoo.load_saved_model("repvis/mobilenet_v1_digits", variant=variant)
    images = np.random.default_rng(1).random((2, 32, 32, 1), "float32")
    expected = GuidedBackprop(zoo.load("repvis/mobilenet_v1_digits"))(images).maps
    np.testing.assert_allclose(GuidedBackprop(saved)(images).maps, expected, rtol=1e-3, atol=1e-4 * expected.max())


def test_weights_are_read_at_each_run(exported):
    model = network()
    loaded = exported(model)
    method = GuidedBackprop(loaded.serve)
    before = method(IMAGES, 1)
    for weight in loaded.variables:
        if weight.shape.rank == 4:
            weight.assign(weight * 2)
    after = method(IMAGES, 1)
    fresh = GuidedBackprop(loaded.serve)(IMAGES, 1)
    assert np.abs(after.maps - before.maps).max() > 1e-3
    np.testing.assert_allclose(after.maps, fresh.maps, rtol=1e-5, atol=1e-8)


def test_a_function_with_several_inputs_and_outputs():
    scale = tf.Variable(3.0)

    @tf.function
    def inner(image):
        return tf.nn.relu(image - 0.5)

    @tf.function
    def function(inputs):
        image, factor = inputs
        return {"scaled": scale * inner(image) * factor, "plain": [inner(image)]}

    factors = np.arange(3, dtype="float32").reshape(3, 1, 1, 1)
    outputs, types = traced(function, tf.constant(IMAGES), tf.constant(factors))
    np.testing.assert_allclose(outputs["scaled"], 3 * np.maximum(IMAGES - 0.5, 0) * factors, rtol=1e-6)
    np.testing.assert_allclose(outputs["plain"][0], np.maximum(IMAGES - 0.5, 0), rtol=1e-6)
    assert types.count("Relu") == 2 and not set(CALLS) & set(types)


def test_a_loop_stays_hidden_and_is_refused_by_the_rules():
    @tf.function
    def looping(images):
        _, images = tf.while_loop(
            lambda step, _: step < 3, lambda step, x: (step + 1, tf.nn.relu(x) - 0.1), (0, images)
        )
        return tf.reduce_sum(tf.nn.relu(images), axis=(1, 2))

    x = IMAGES.astype("float64")
    for _ in range(3):
        x = np.maximum(x, 0) - 0.1
    found = Gradient(looping, reduction="sum")(IMAGES, 1)
    np.testing.assert_allclose(found.diagnostics["score"], np.maximum(x, 0).sum(axis=(1, 2))[:, 1], rtol=1e-5)
    np.testing.assert_array_equal(found.maps, (x[..., 1] > 0).astype("float32"))
    with pytest.raises(analysis.UnsupportedModelError, match="cannot be seen"):
        GuidedBackprop(looping)(IMAGES, 1)


def test_a_gradient_of_its_own_is_kept(exported):
    """The gradient of `silu` is defined by TensorFlow for the graph where it was traced."""
    model = network("silu")
    loaded = exported(model)
    np.testing.assert_allclose(Gradient(loaded.serve)(IMAGES, 1).maps, Gradient(model)(IMAGES, 1).maps, rtol=1e-5)
    with pytest.raises(analysis.UnsupportedModelError, match="cannot be seen"):
        GuidedBackprop(loaded.serve)(IMAGES, 1)


def test_what_is_no_graph_is_called():
    calls = []

    def function(images):
        calls.append(1)
        return tf.nn.relu(images)

    outputs, types = traced(function, tf.constant(IMAGES))
    np.testing.assert_array_equal(outputs, IMAGES)
    assert calls and "Relu" in types
    compiled = tf.function(function)
    np.testing.assert_array_equal(inlined_function.call(compiled, tf.constant(IMAGES)), IMAGES)


def test_images_that_the_function_does_not_take_are_its_own_error(exported):
    loaded = exported(network())
    with pytest.raises(TypeError, match="Can not cast TensorSpec"):
        Gradient(loaded.serve)(IMAGES[..., :2], 1)
