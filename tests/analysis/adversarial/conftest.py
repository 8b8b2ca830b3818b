"""Classifiers that the tests of attacks share."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf

layers = keras.layers


def linear(weights, bias=0.0):
    """Logits <w_c, x> + b, for weights (height, width, channels, classes)."""
    image = keras.Input(weights.shape[:3])
    model = keras.Model(image, layers.Dense(weights.shape[-1])(layers.Flatten()(image)), name="linear")
    model.layers[-1].set_weights([weights.reshape(-1, weights.shape[-1]), np.full(weights.shape[-1], bias)])
    return model


def convolutional(seed=0, activation="relu", head=None, name="net"):
    """A small network with batch normalisation and dropout, its logits times 5; `head` follows the logits."""
    keras.utils.set_random_seed(seed)
    image = keras.Input((8, 8, 3))
    hidden = layers.Conv2D(6, 3, activation=activation)(image)
    hidden = layers.Dropout(0.5)(layers.BatchNormalization()(hidden))
    hidden = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, activation=activation)(hidden))
    logits = layers.Rescaling(5.0)(layers.Dense(4, kernel_initializer="glorot_normal")(hidden))
    return keras.Model(image, logits if head is None else head(logits), name=name)


def nested(inner):
    """`inner` inside another model."""
    image = keras.Input(inner.input_shape[1:])
    return keras.Model(image, inner(image), name="outer")


class Subclassed(keras.Model):
    """`inner` called by a model of its own class."""

    def __init__(self, inner):
        super().__init__(name="subclassed")
        self.inner = inner

    def call(self, images):
        return self.inner(images)


def exported(model, path):
    """Return the function of a SavedModel of `model`."""
    model.export(path, verbose=False)
    loaded = tf.saved_model.load(str(path))
    return lambda images: loaded.serve(images)  # Holds what is loaded: its variables go with it.


@pytest.fixture(scope="session")
def networks():
    """The functions of this file, to make classifiers from."""
    return types.SimpleNamespace(
        linear=linear, convolutional=convolutional, nested=nested, Subclassed=Subclassed, exported=exported
    )


@pytest.fixture(scope="session")
def net():
    """One convolutional classifier for all."""
    return convolutional()


@pytest.fixture(scope="session")
def images():
    """Images for `net`."""
    return np.random.default_rng(3).random((10, 8, 8, 3), "float32")


@pytest.fixture(scope="session")
def digits():
    """200 test digits (images, labels) as the digit models of the zoo take them."""
    from keras_repvis.data import digits as source
    from keras_repvis.data import resize

    images, labels, _ = source.generate("test")
    resized = [resize.resize(image, (32, 32)) for image in images[:200]]
    return np.stack(resized).astype("float32") / 255, labels[:200]
