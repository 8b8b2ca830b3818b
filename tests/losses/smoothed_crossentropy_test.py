"""Smoothed cross-entropy against its formula, and against Keras at both ends."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.losses import SmoothedCrossentropy

GENERATOR = np.random.default_rng(0)
LOGITS = GENERATOR.normal(size=(6, 5)).astype("float32") * 3
LABELS = GENERATOR.integers(0, 5, 6)
PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)


def formula(labels, logits, smoothing):
    """H(q', p) in float64, with q' written out."""
    logits = np.asarray(logits, "float64")
    classes = logits.shape[-1]
    smoothed = (1 - smoothing) * np.eye(classes)[labels] + smoothing / classes
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return -(smoothed * log_p).sum(-1)


@pytest.mark.parametrize("smoothing", [0, 0.1, 0.3, 1])
def test_formula(smoothing):
    loss = SmoothedCrossentropy(smoothing, reduction="none")
    np.testing.assert_allclose(loss(LABELS, LOGITS), formula(LABELS, LOGITS, smoothing), rtol=1e-5)
    of_probabilities = SmoothedCrossentropy(smoothing, from_logits=False, reduction="none")
    np.testing.assert_allclose(of_probabilities(LABELS, PROBABILITIES), formula(LABELS, LOGITS, smoothing), rtol=1e-5)


def test_uniform_predictions_cost_log_classes_whatever_the_label():
    assert float(SmoothedCrossentropy(0.3)([0, 4], np.zeros((2, 5)))) == pytest.approx(np.log(5), rel=1e-6)


def test_the_gradient_is_zero_at_the_smoothed_label_and_not_before():
    """The least loss is the entropy of q', at p = q'."""
    smoothed = tf.constant([[0.025, 0.925, 0.025, 0.025]])  # 0.9 [k = 1] + 0.1 / 4
    for logits, vanishes in ((tf.math.log(smoothed), True), (tf.constant([[0.0, 20.0, 0.0, 0.0]]), False)):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = SmoothedCrossentropy(0.1)([1], logits)
        assert np.allclose(tape.gradient(value, logits), 0, atol=1e-6) == vanishes


@pytest.mark.parametrize(("from_logits", "predictions"), [(True, LOGITS), (False, PROBABILITIES)])
def test_equals_keras_on_one_hot_labels(from_logits, predictions):
    keras_loss = keras.losses.CategoricalCrossentropy(from_logits=from_logits, label_smoothing=0.2)
    expected = keras_loss(np.eye(5)[LABELS], predictions)
    found = SmoothedCrossentropy(0.2, from_logits=from_logits)(LABELS, predictions)
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize(("from_logits", "predictions"), [(True, LOGITS), (False, PROBABILITIES)])
def test_without_smoothing_equals_the_sparse_one(from_logits, predictions):
    expected = keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)(LABELS, predictions)
    found = SmoothedCrossentropy(0, from_logits=from_logits)(LABELS, predictions)
    assert float(found) == float(expected)


def test_extreme_predictions_stay_finite():
    for from_logits, predictions in ((True, [[-1e4, 1e4]]), (False, [[0.0, 1.0]])):
        assert np.isfinite(SmoothedCrossentropy(0.1, from_logits)([0], np.array(predictions, "float32")))


def test_sample_weights_and_labels_with_an_axis_of_one():
    weights = np.array([1, 0, 2, 0, 0, 1], "float32")
    found = SmoothedCrossentropy(0.1, reduction="sum")(LABELS[:, None], LOGITS, sample_weight=weights)
    assert float(found) == pytest.approx((weights * formula(LABELS, LOGITS, 0.1)).sum(), rel=1e-5)


def test_maps_of_labels_in_a_graph_of_unknown_size():
    logits, labels = np.tile(LOGITS[None, :, None], (2, 1, 3, 1)), np.tile(LABELS[None, :, None], (2, 1, 3))
    loss = SmoothedCrossentropy(0.1, reduction="none")
    compiled = tf.function(
        lambda true, predicted: loss(true, predicted),
        input_signature=[tf.TensorSpec([None] * 3, tf.int32), tf.TensorSpec([None] * 4, tf.float32)],
    )
    np.testing.assert_allclose(compiled(labels.astype("int32"), logits), formula(labels, logits, 0.1), rtol=1e-5)


def test_the_configuration_is_json_and_makes_the_same_loss():
    config = json.loads(json.dumps(keras.losses.serialize(SmoothedCrossentropy(0.3, False, "sum", "mine"))))
    again = keras.losses.deserialize(config)
    assert (type(again), again.label_smoothing, again.from_logits) == (SmoothedCrossentropy, 0.3, False)
    assert (again.reduction, again.name) == ("sum", "mine")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"label_smoothing": -0.1}, "label_smoothing=-0.1 is not accepted: expected a number >= 0 and <= 1"),
        ({"label_smoothing": 1.5}, "label_smoothing=1.5"),
        ({"label_smoothing": True}, "label_smoothing=True"),
        ({"from_logits": "yes"}, "from_logits='yes'"),
        ({"reduction": "average"}, "average"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        SmoothedCrossentropy(**arguments)


def test_one_hot_labels_are_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"shape \(6, 5\).*CategoricalCrossentropy\(label_smoothing"):
        SmoothedCrossentropy()(np.eye(5)[LABELS], LOGITS)
