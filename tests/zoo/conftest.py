"""A small classifier and a zoo in which it is published, made once."""

import pytest


@pytest.fixture(scope="session", name="classifier")
def classifier_fixture():
    """Return a convolutional classifier of 8x8 colour images whose statistics are not those of a new model."""
    import keras

    keras.utils.set_random_seed(1)
    layers = keras.layers
    inputs = keras.Input((8, 8, 3))
    hidden = layers.Conv2D(6, 3, use_bias=False, kernel_regularizer=keras.regularizers.L2(0.1))(inputs)
    hidden = layers.BatchNormalization(name="norm")(hidden)
    hidden = layers.Dropout(0.5)(layers.ReLU()(hidden))
    outputs = layers.Dense(4, name="logits", bias_regularizer="l1")(layers.GlobalAveragePooling2D()(hidden))
    model = keras.Model(inputs, outputs, name="small")
    for weight in model.weights:
        weight.assign(weight + keras.random.uniform(weight.shape, 0.1, 0.9))
    return model


@pytest.fixture(scope="session", name="shared_root")
def shared_root_fixture(classifier, tmp_path_factory):
    """Return the root of a zoo with `test/small/1`, the classifier. Tests that change it copy it first."""
    from keras_repvis import zoo

    root = tmp_path_factory.mktemp("zoo")
    zoo.publish(
        classifier,
        "test/small",
        root,
        metrics={"test_accuracy": 0.75},
        training={"seed": 3, "flags": {"epochs": 2}},
        data={"name": "noise", "fingerprint": "abc"},
        licence="MIT",
        description="A small classifier of noise.",
        intended_use="Tests.",
        limits="Knows nothing.",
    )
    return root
