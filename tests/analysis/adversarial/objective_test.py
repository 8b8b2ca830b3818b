"""Objectives of attacks against Keras's losses, their formulas and finite differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.analysis.adversarial.objective import Objective

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(7, 5)) * 3
LABELS = np.array([0, 1, 2, 3, 4, 0, 1])
PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)


def outputs_of(from_logits, dtype="float32"):
    return tf.constant(LOGITS if from_logits else PROBABILITIES, dtype)


@pytest.mark.parametrize("from_logits", [True, False])
def test_cross_entropy_is_that_of_keras(from_logits):
    objective = Objective("cross_entropy", False, from_logits)
    expected = keras.losses.sparse_categorical_crossentropy(LABELS, outputs_of(from_logits), from_logits=from_logits)
    np.testing.assert_allclose(objective.value(outputs_of(from_logits), LABELS), expected, rtol=1e-5)


@pytest.mark.parametrize("from_logits", [True, False])
def test_margin_is_the_best_other_class_minus_the_own(from_logits):
    expected = [max(np.delete(row, label)) - row[label] for row, label in zip(LOGITS, LABELS)]
    found = Objective("margin", False, from_logits).value(outputs_of(from_logits), LABELS)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("loss", ["cross_entropy", "margin"])
@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize("targeted", [True, False])
def test_direction_is_the_gradient_but_for_its_length(loss, from_logits, targeted):
    """By central differences in float64, of the formulas and not of the code."""

    def value(outputs, label):
        scores = outputs if from_logits else np.log(outputs)
        if loss == "margin":
            found = np.delete(scores, label).max() - scores[label]
        else:
            found = (np.log(np.exp(scores).sum()) if from_logits else 0.0) - scores[label]
        return -found if targeted else found

    outputs, step = outputs_of(from_logits, "float64"), 1e-7
    direction = Objective(loss, targeted, from_logits).direction(outputs, LABELS).numpy()
    for row, found, label in zip(outputs.numpy(), direction, LABELS):
        slope = [value(row + step * e, label) - value(row - step * e, label) for e in np.eye(5)]
        np.testing.assert_allclose(found, slope / np.abs(slope).max(), atol=1e-4)
        assert np.abs(found).max() == pytest.approx(1.0)


def test_a_sure_classifier_still_has_a_direction():
    """p_y is 1 in float32 and the gradient of the cross-entropy 0; the direction is what it is."""
    outputs = tf.constant([[200.0, 1.0, 0.0]])
    naive = tf.nn.softmax(outputs) - tf.one_hot([0], 3)
    assert not naive.numpy().any()
    rest = 1 / (1 + np.exp(1.0))
    found = Objective("cross_entropy", False, True).direction(outputs, tf.constant([0]))
    np.testing.assert_allclose(found, [[-1, 1 - rest, rest]], rtol=1e-6)


def test_small_losses_keep_their_digits():
    outputs = tf.constant([[40.0, 0.0]])
    value = Objective("cross_entropy", False, True).value(outputs, tf.constant([0]))
    np.testing.assert_allclose(value, [np.exp(-40.0)], rtol=1e-6)


@pytest.mark.parametrize("targeted", [True, False])
def test_success(targeted):
    outputs = tf.constant([[1.0, 2.0, 0.0]] * 3)
    reached = Objective("margin", targeted, True).reached(outputs, tf.constant([0, 1, 2], "int64")).numpy()
    assert reached.tolist() == ([False, True, False] if targeted else [True, False, True])


def test_half_precision_outputs():
    outputs = tf.constant(LOGITS, "float16")
    for loss in ("cross_entropy", "margin"):
        objective = Objective(loss, False, True)
        assert objective.direction(outputs, LABELS).dtype == tf.float16
        assert objective.value(outputs, LABELS).dtype == tf.float32
