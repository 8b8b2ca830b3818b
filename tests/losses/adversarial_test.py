"""Adversarial losses against their formulas, at their optima, and with the gradients that a generator receives."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.losses import AdversarialLoss

GENERATOR = np.random.default_rng(0)
SCORES = GENERATOR.normal(size=(4, 3, 5, 1)).astype("float32") * 3
FORMULAS = {
    "least_squares": lambda t, s: (s - t) ** 2,
    "vanilla": lambda t, s: -t * np.log(1 / (1 + np.exp(-s))) - (1 - t) * np.log(1 - 1 / (1 + np.exp(-s))),
    "wasserstein": lambda t, s: np.where(t == 1, -s, s),
}


@pytest.mark.parametrize("answer", [0.0, 1.0])
@pytest.mark.parametrize("objective", FORMULAS)
def test_formula(objective, answer):
    expected = FORMULAS[objective](answer, SCORES.astype("float64"))
    found = AdversarialLoss(objective, reduction="none")(np.full_like(SCORES, answer), SCORES)
    np.testing.assert_allclose(found, expected.mean(axis=(1, 2, 3)), rtol=1e-5)
    mean = AdversarialLoss(objective)(np.full_like(SCORES, answer), SCORES)
    assert float(mean) == pytest.approx(expected.mean(), rel=1e-5)


def test_vanilla_is_keras_crossentropy_and_finite_at_any_score():
    scores = np.array([[-200.0], [-1.0], [0.0], [2.0], [200.0]], "float32")
    for answer in (0.0, 1.0):
        expected = keras.losses.binary_crossentropy(np.full_like(scores, answer), scores, from_logits=True)
        found = AdversarialLoss("vanilla", reduction="none")(np.full_like(scores, answer), scores)
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("objective", FORMULAS)
def test_a_generator_is_told_to_raise_the_score_of_an_image_told_apart(objective):
    """The vanilla loss of the generator does not vanish where the discriminator is sure, unlike that of the game."""
    scores = tf.constant([[-8.0]])
    with tf.GradientTape() as tape:
        tape.watch(scores)
        value = AdversarialLoss(objective)([[1.0]], scores)
    assert float(tape.gradient(value, scores)[0, 0]) < -0.9


def test_an_unknown_objective_is_named():
    with pytest.raises(ValueError, match="objective='hinge' is not known. Accepted: least_squares, vanilla, wasser"):
        AdversarialLoss("hinge")
