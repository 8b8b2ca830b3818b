"""Every call of every layer is noted, and nothing of the model is changed."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.analysis import recording

layers = keras.layers
IMAGES = np.random.default_rng(0).random((2, 8, 8, 3), "float32")


class Subclassed(keras.Model):
    """Calls one inner model twice."""

    def __init__(self, inner):
        super().__init__(name="outer")
        self.inner = inner
        self.head = layers.Dense(2, name="head")

    def call(self, inputs):
        return self.head(keras.ops.mean(self.inner(inputs) + self.inner(-inputs), axis=(1, 2)))


def _inner():
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, layers.ReLU(name="relu")(layers.Conv2D(4, 3, name="conv")(inputs)), name="inner")


def _paths(model):
    return [call.path for call in recording.record(model, IMAGES)[1]]


def test_nested_shared_and_subclassed():
    model = Subclassed(_inner())
    with pytest.raises(ValueError, match="model='outer' is not built"):
        recording.record(model, IMAGES)
    expected = model(IMAGES)
    outputs, calls = recording.record(model, IMAGES)
    np.testing.assert_array_equal(outputs, expected)
    assert [(call.path, call.leaf) for call in calls] == [
        ("inner", False), ("inner/conv", True), ("inner/relu", True),
        ("inner#2", False), ("inner#2/conv", True), ("inner#2/relu", True),
        ("head", True),
    ]
    np.testing.assert_array_equal(calls[2].outputs, tf.nn.relu(calls[1].outputs))
    np.testing.assert_allclose(calls[1].outputs, model.inner.get_layer("conv")(IMAGES), rtol=0, atol=1e-6)
    assert np.abs(np.subtract(calls[4].outputs, calls[1].outputs)).max() > 0.1


def test_functional_models_with_operations():
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, keras.ops.relu(layers.Conv2D(4, 3, name="conv")(inputs) * 2.0))
    _, calls = recording.record(model, IMAGES)
    assert [type(call.operation).__name__ for call in calls] == ["Conv2D", "Multiply", "Relu"]


def test_a_call_is_answered_in_place_of_the_layer():
    model = _inner()

    def instead(call):
        return 2 * call.arguments[0] if call.operation.name == "conv" else None

    outputs, calls = recording.record(model, IMAGES - 0.5, instead=instead)
    np.testing.assert_array_equal(outputs, np.maximum(2 * (IMAGES - 0.5), 0))
    np.testing.assert_array_equal(calls[0].outputs, 2 * (IMAGES - 0.5))
    assert [call.path for call in calls] == ["conv", "relu"]


def test_listening_leaves_no_trace():
    model = _inner()
    before = (keras.Layer.__call__, keras.Operation.__call__, dict(vars(model)))
    recording.record(model, IMAGES)

    class Failing(layers.Layer):
        def call(self, inputs):
            raise RuntimeError("on purpose") if tf.executing_eagerly() else None

    failing = Failing()
    failing.built = True
    inputs = keras.Input((8, 8, 3))
    broken = keras.Model(inputs, layers.ReLU()(inputs))
    broken.layers[1].call = failing.call
    with pytest.raises(RuntimeError, match="on purpose"):
        recording.record(broken, IMAGES)
    assert (keras.Layer.__call__, keras.Operation.__call__) == before[:2]
    assert vars(model).keys() == before[2].keys()


def test_calls_of_other_threads_are_not_noted():
    import threading

    inputs = keras.Input((8, 8, 3))

    class Starting(layers.Layer):
        def call(self, inputs):
            thread = threading.Thread(target=lambda: layers.ReLU(name="elsewhere")(IMAGES))
            thread.start()
            thread.join()
            return inputs

    model = keras.Model(inputs, Starting(name="here")(inputs))
    assert _paths(model) == ["here"]
