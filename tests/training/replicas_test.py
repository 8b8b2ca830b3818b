"""Two replicas with synchronised batch normalisation take the step of one device."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import training


def make_model():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            keras.layers.Conv2D(4, 3, use_bias=False),
            keras.layers.BatchNormalization(momentum=0.8),
            keras.layers.ReLU(),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3),
        ]
    )


def trained(strategy, synchronize):
    generator = np.random.default_rng(0)
    # Means that differ between the halves of a batch, so that a replica's own statistics are wrong.
    images = generator.normal(size=(32, 6, 6, 2)) + np.arange(32)[:, None, None, None] % 8
    labels = generator.integers(3, size=32)
    dataset = tf.data.Dataset.from_tensor_slices((images.astype("float32"), labels)).batch(8, drop_remainder=True)
    with strategy.scope():
        model = make_model()
        if synchronize:
            training.synchronize_batch_norm(model)
        model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(dataset, epochs=2, verbose=0)
    return model.get_weights()


def test_two_replicas_equal_one_device_only_when_synchronised():
    alone = trained(training.strategy("one_device"), synchronize=False)
    together = trained(training.strategy("mirrored", devices=2), synchronize=True)
    apart = trained(training.strategy("mirrored", devices=2), synchronize=False)
    for one, two in zip(alone, together, strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-4, atol=1e-5)
    assert max(np.abs(one - two).max() for one, two in zip(alone, apart)) > 1e-2


def test_batch_norm_inside_nested_models_is_synchronised_too():
    outer = keras.Sequential([keras.Input((6, 6, 2)), make_model()])
    training.synchronize_batch_norm(outer)
    assert outer.layers[0].layers[1].synchronized


def test_more_devices_than_tensorflow_started_with_are_refused():
    tf.zeros(1).numpy()
    with pytest.raises(ValueError, match="devices=7 is not possible any more"):
        training.strategy("mirrored", devices=7)


def test_wrong_names_are_named():
    with pytest.raises(ValueError, match="strategy='mirored' is not known. Did you mean 'mirrored'"):
        training.strategy("mirored")
    with pytest.raises(ValueError, match="devices=0"):
        training.strategy("mirrored", devices=0)
