"""DeConvNet: what of a map the image decides, and what it costs to be told the score."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.analysis.attribution import DeConvNet

layers = keras.layers
RANDOM = np.random.default_rng(0)
IMAGES, OTHERS = RANDOM.random((2, 3, 8, 8, 3)).astype("float32")


def network(*middle):
    keras.utils.set_random_seed(2)
    parts = [layers.Conv2D(6, 3, activation="relu"), *middle, layers.Conv2D(4, 2, activation="relu6")]
    parts += [layers.Flatten(), layers.Dense(3)]
    return keras.Sequential([keras.Input((8, 8, 3)), *parts])


def test_the_image_has_no_say_but_by_a_switch():
    method = DeConvNet(network(layers.AveragePooling2D(2)))
    np.testing.assert_array_equal(method(IMAGES, targets=1).maps, method(OTHERS, targets=1).maps)
    method = DeConvNet(network(layers.MaxPooling2D(2)))
    assert np.abs(method(IMAGES, targets=1).maps - method(OTHERS, targets=1).maps).max() > 1e-3


def test_without_the_score_maps_are_the_same():
    model = network(layers.MaxPooling2D(2))
    for targets in (1, [2, 0, 1], None):
        asked, spared = (DeConvNet(model, report_score=report)(IMAGES, targets) for report in (True, False))
        np.testing.assert_array_equal(spared.maps, asked.maps)
        assert set(asked.diagnostics) == {"score", "target"} and set(spared.diagnostics) == {"target"}
        np.testing.assert_array_equal(spared.diagnostics["target"], asked.diagnostics["target"])
    # None was the last of the three.
    np.testing.assert_array_equal(spared.diagnostics["target"], np.argmax(model(IMAGES), axis=1))


class Counting(layers.Layer):
    """The identity; notes that it is computed. TensorFlow may leave it out where nothing depends on its result."""

    count = 0

    def call(self, inputs):
        @tf.custom_gradient
        def identity(x):
            def note(array):
                self.count += 1
                return array

            noted = tf.numpy_function(note, [x], x.dtype, stateful=False)
            return tf.ensure_shape(noted, x.shape), lambda signal: signal

        return identity(inputs)


@pytest.mark.parametrize("report, targets, runs", [(True, 1, 1), (False, None, 1), (False, 1, 0)])
def test_without_the_score_given_classes_need_no_forward_pass(report, targets, runs):
    counting = Counting()
    method = DeConvNet(network(counting), report_score=report)
    counting.count = 0
    method(IMAGES, targets)
    assert counting.count == runs
