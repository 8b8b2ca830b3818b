"""The sizes a network takes are found as its strides and shortcuts say."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import layers, models, zoo


def hourglass(depth, shape=(None, None, 3), skip=False, guard=False):
    """Halve the image `depth` times and double it again."""
    inputs = keras.Input(shape, name="image")
    hidden = layers.AdmissibleSize(2**depth, 3 * 2**depth)(inputs) if guard else inputs
    first = hidden
    for _ in range(depth):
        hidden = keras.layers.Conv2D(2, 3, 2, padding="same")(hidden)
    for _ in range(depth):
        hidden = keras.layers.Conv2DTranspose(2, 3, 2, padding="same")(hidden)
    if skip:
        hidden = keras.layers.Concatenate()([first, hidden])
    return keras.Model(inputs, keras.layers.Conv2D(3, 1)(hidden), name="hourglass")


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("depth", [0, 1, 3, 5])
def test_the_multiple_is_found_by_trying(depth, skip):
    model = hourglass(depth, skip=skip)
    found = zoo.find_sizes(model)
    assert (found.height, found.width, found.multiple, found.channels) == (None, None, 2**depth, 3)
    height, width = found.at_least(33, 70)
    assert model(np.zeros((1, height, width, 3), "float32")).shape[1:3] == (height, width)
    assert height - 33 < 2**depth and width - 70 < 2**depth
    assert found.smallest == 2**depth


def test_a_guard_says_it(monkeypatch):
    model = hourglass(2, guard=True)
    monkeypatch.setattr(keras.Model, "__call__", None)
    assert zoo.find_sizes(model) == zoo.AdmissibleSizes(multiple=4, smallest=12, channels=3)


def test_the_networks_of_cyclegan():
    found = zoo.find_sizes(models.ResNetGenerator((None, None, 2), blocks=1, filters=2))
    assert (found.multiple, found.channels) == (4, 2)
    found = zoo.find_sizes(models.UNetGenerator((None, None, 3), downsamplings=5, filters=2))
    assert found.multiple == 32


def test_a_guard_inside_another_model():
    inputs = keras.Input((None, None, 3))
    outer = keras.Model(inputs, keras.layers.Rescaling(0.5)(hourglass(2, guard=True)(inputs)))
    assert zoo.find_sizes(outer).multiple == 4


@pytest.mark.parametrize("shape, expected", [((8, 12, 3), (8, 12)), ((None, 12, 3), (None, 12))])
def test_fixed_sides(shape, expected):
    found = zoo.find_sizes(hourglass(2, shape))
    assert (found.height, found.width) == expected
    assert found.at_least(5, 12) == (8, 12) and found.at_least(5, 13) == (8, None)
    assert found.at_least(9, 12)[0] == (12 if shape[0] is None else None)


def test_a_network_that_takes_no_small_images():
    inputs = keras.Input((None, None, 1))
    hidden = keras.layers.AveragePooling2D(16)(inputs)
    hidden = layers.ReflectionPadding(2)(hidden)
    hidden = keras.layers.UpSampling2D(16)(keras.layers.Conv2D(1, 5)(hidden))
    found = zoo.find_sizes(keras.Model(inputs, hidden))
    # The padding asks for more than two maps of 16 x 16 pixels.
    assert (found.multiple, found.smallest) == (16, 64)


def test_a_loaded_function():
    function = zoo.SavedFunction(hourglass(2), tf.TensorSpec((None, None, None, 3)), "hourglass")
    assert zoo.find_sizes(function).multiple == 4


def test_what_is_given_is_taken():
    found = zoo.find_sizes(hourglass(1), multiple=6)
    assert found.multiple == 6 and found.at_least(7, 12) == (12, 12)
    with pytest.raises(ValueError, match="multiple=0"):
        zoo.find_sizes(hourglass(1), multiple=0)


def test_a_model_that_gives_no_image_back(classifier):
    inputs = keras.Input((None, None, 3))
    shrinking = keras.Model(inputs, keras.layers.Conv2D(3, 3)(inputs), name="shrinking")
    with pytest.raises(ValueError, match=r"'shrinking' gives no image back in its size.*16 x 17 pixels become .*14"):
        zoo.find_sizes(shrinking)
    assert zoo.find_sizes(classifier).height == 8
    with pytest.raises(ValueError, match=r"takes \(None, 4\) of float32: expected one batch of float images"):
        zoo.find_sizes(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]))
    with pytest.raises(ValueError, match="expected a keras.Model or a zoo.SavedFunction"):
        zoo.find_sizes("model")
