"""Tests of keras_repvis.layers.admissible_size."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.layers import AdmissibleSize


@pytest.fixture
def layer():
    return AdmissibleSize(multiple=4, minimum=8)


def test_admissible_images_pass_unchanged(layer):
    images = np.random.default_rng(0).uniform(size=(2, 8, 12, 3)).astype("float32")
    np.testing.assert_array_equal(layer(images), images)
    assert layer(keras.Input((None, 12, 3))).shape == (None, None, 12, 3)


@pytest.mark.parametrize("shape, side", [((30, 32), "height 30"), ((32, 30), "width 30"), ((4, 32), "height 4")])
def test_known_sizes_are_refused_at_once(layer, shape, side):
    message = f"Images of {side} are not accepted: expected a multiple of 4, at least 8."
    with pytest.raises(ValueError, match=message):
        layer(keras.Input((*shape, 3)))
    with pytest.raises(ValueError, match=message):
        layer(np.zeros((1, *shape, 3), "float32"))
    with pytest.raises(ValueError, match=message):
        layer.compute_output_shape((None, *shape, 3))


@pytest.mark.parametrize("shape", [(30, 32), (32, 30), (4, 32)])
def test_unknown_sizes_are_refused_on_arrival(layer, shape):
    inputs = keras.Input((None, None, 3))
    compiled = tf.function(
        keras.Model(inputs, layer(inputs)), input_signature=[tf.TensorSpec((None, None, None, 3))]
    )
    assert compiled(np.zeros((1, 8, 12, 3), "float32")).shape == (1, 8, 12, 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected a multiple of 4, at least 8"):
        compiled(np.zeros((1, *shape, 3), "float32"))


def test_an_exported_model_refuses_too(layer, tmp_path):
    inputs = keras.Input((None, None, 1))
    keras.Model(inputs, layer(inputs)).export(tmp_path, verbose=False)
    served = tf.saved_model.load(tmp_path)
    assert served.serve(np.zeros((1, 8, 8, 1), "float32")).shape == (1, 8, 8, 1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected a multiple of 4, at least 8"):
        served.serve(np.zeros((1, 9, 8, 1), "float32"))


def test_without_a_multiple_only_the_minimum_is_named():
    with pytest.raises(ValueError, match="height 5 are not accepted: expected at least 6"):
        AdmissibleSize(minimum=6).compute_output_shape((None, 5, 9, 3))


@pytest.mark.parametrize("arguments", [{"multiple": 0}, {"minimum": 0.5}])
def test_bad_arguments_are_named(arguments):
    with pytest.raises(ValueError, match=f"{next(iter(arguments))}=.*expected an integer >= 1"):
        AdmissibleSize(**arguments)
