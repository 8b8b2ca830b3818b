"""Accuracy, loss and confusion against values worked out by hand."""

import keras
import numpy as np
import pytest

from keras_repvis import data, training


def test_uniform_logits_lose_log_classes():
    result = training.Evaluation(np.zeros((7, 5)), np.arange(7) % 5)
    assert result.loss == pytest.approx(np.log(5))
    assert result.accuracy == pytest.approx(2 / 7)  # argmax of ties is class 0: examples 0 and 5.


def test_loss_survives_large_logits():
    result = training.Evaluation(np.array([[1e4, 0.0], [0.0, 1e4]]), np.array([0, 0]))
    assert result.loss == pytest.approx(5e3)


def test_confusion_counts_every_example_once():
    generator = np.random.default_rng(0)
    logits, labels = generator.normal(size=(200, 4)), generator.integers(4, size=200)
    result = training.Evaluation(logits, labels)
    expected = np.zeros((4, 4), int)
    for label, row in zip(labels, logits):
        expected[label, row.argmax()] += 1
    np.testing.assert_array_equal(result.confusion, expected)
    assert np.trace(result.confusion) / 200 == result.accuracy


def test_every_example_counts_once_with_a_short_last_batch():
    source = data.Source("repvis_digits", split="test[:23]")
    stream = data.Stream(source, 10, shuffle=False, drop_remainder=False)
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
    result = training.evaluate(model, stream)
    assert result.logits.shape == (23, 10)
    np.testing.assert_array_equal(result.labels, source.labels)


def test_classes_that_are_never_answered_are_counted_too():
    logits = np.array([[0.0, 9.0, 0.0], [9.0, 0.0, 0.0], [0.0, 9.0, 0.0]])
    result = training.Evaluation(logits, np.array([1, 1, 0]))
    np.testing.assert_array_equal(result.confusion, [[0, 1, 0], [1, 1, 0], [0, 0, 0]])


def test_the_model_is_asked_in_inference_mode():
    stream = data.Stream(data.Source("repvis_digits", split="test[:20]"), 10, shuffle=False, drop_remainder=False)
    layers = [keras.layers.Flatten(), keras.layers.Dropout(0.9, seed=0), keras.layers.Dense(10)]
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers])
    images = np.concatenate([images for images, _ in stream.dataset()])
    expected = images.reshape(20, 64) @ layers[-1].kernel.numpy() + layers[-1].bias.numpy()
    np.testing.assert_allclose(training.evaluate(model, stream).logits, expected, rtol=0, atol=1e-5)


def test_a_model_without_classes_is_refused():
    inputs = keras.Input((8, 8, 1))
    two = keras.layers.Dense(2)(keras.layers.Flatten()(inputs))
    for outputs in (keras.layers.Conv2D(2, 3)(inputs), [two, two]):
        with pytest.raises(ValueError, match="is not a classifier"):
            training.evaluate(keras.Model(inputs, outputs), None)


def test_a_model_of_two_replicas_predicts_each_example_once():
    source = data.Source("repvis_digits", split="test[:21]")
    stream = data.Stream(source, batch_size=10, shuffle=False, drop_remainder=False)
    outcomes = []
    for name in ("one_device", "mirrored"):
        keras.utils.set_random_seed(0)
        with training.strategy(name, 2).scope():
            model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
            model.compile("sgd", "mse")
        outcomes.append(training.evaluate(model, stream))
    assert outcomes[1].logits.shape == (21, 10)
    np.testing.assert_allclose(outcomes[1].logits, outcomes[0].logits, atol=1e-6)
