"""The parts that are drawn: noise in the cycle, the guess which image is rebuilt, the gradient penalty."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import losses, training
from keras_repvis.training.translation_direction import Direction

GENERATOR = np.random.default_rng(0)
COUNT, SIZE = 5, 4


def shift(by):
    """A generator that adds a number."""
    return keras.Sequential([keras.Input((None, None, 1)), keras.layers.Rescaling(1.0, by)])


TELLING = shift(-0.5)  # After a shift by 0.25 a reconstruction that can be told: a - 0.25.


def judge(channels=1, kernel=(1.0,), bias=0.0):
    """A discriminator that weighs the channels of each pixel."""
    network = keras.Sequential([keras.Input((None, None, channels)), keras.layers.Conv2D(1, 1)])
    network.set_weights([np.reshape(kernel, (1, 1, channels, 1)), np.array([bias])])
    return network


def learner(by=0.25, **options):
    networks = {"generator_ab": shift(by), "generator_ba": shift(-by)}
    networks |= {f"discriminator_{side}": judge() for side in "ab"}
    if options.get("guess_weight"):
        networks |= {f"guesser_{side}": judge(2, (3.0, -1.0), 0.5) for side in "ab"}
    return training.CycleGAN(**{**networks, "identity_weight": 0, "pool_size": 0, **options})


def images(count=COUNT):
    return tf.constant(GENERATOR.random((2, count, SIZE, SIZE, 1)), "float32")


def play(model, a, b, training=True):
    return Direction(model, "a", "b").play(a, b, training)


def test_noise_disturbs_the_cycle_and_nothing_else():
    """Generators that undo each other leave n alone: mean|n| of N(0, s^2), in units of images in [-1, 1]."""
    deviation, (a, b) = 0.1, images(200)
    noisy, still = learner(noise=deviation), learner()
    found, without = play(noisy, a, b), play(still, a, b)
    assert float(without.generators["cycle_a_error"]) == pytest.approx(0, abs=1e-6)
    count = 200 * SIZE * SIZE
    expected, error = deviation * np.sqrt(2 / np.pi), deviation * np.sqrt((1 - 2 / np.pi) / count)
    assert abs(float(found.generators["cycle_a_error"]) - expected) < 5 * error
    assert float(found.generators["adversarial_ab"]) == float(without.generators["adversarial_ab"])
    np.testing.assert_array_equal(found.drawn, without.drawn)


def test_noise_is_new_at_each_step_and_absent_from_evaluation():
    model, (a, b) = learner(noise=0.1), images()
    values = {float(play(model, a, b).generators["cycle_a_error"]) for _ in range(3)}
    assert len(values) == 3
    assert float(play(model, a, b, training=False).generators["cycle_a_error"]) == pytest.approx(0, abs=1e-6)


def guesses(a, rebuilt, first):
    """Scores of the guesser where the image in question comes first or not."""
    pair = (rebuilt, a) if first else (a, rebuilt)
    return 3 * pair[0] - pair[1] + 0.5


def test_the_guesser_is_asked_whether_the_first_is_rebuilt(monkeypatch):
    """One coin an image; the generator is paid for wrong answers."""
    coins = np.array([0.9, 0.1, 0.2, 0.7, 0.5], "float32")
    monkeypatch.setattr(keras.random, "uniform", lambda shape, **options: tf.constant(coins))
    model, (a, b) = learner(guess_weight=2.0, generator_ba=TELLING), images()
    found = play(model, a, b)
    swapped = (coins > 0.5)[:, None, None, None]
    scores = np.where(swapped, guesses(a, a - 0.25, True), guesses(a, a - 0.25, False))
    right, wrong = np.mean((scores - swapped) ** 2), np.mean((scores - (1 - swapped)) ** 2)
    assert float(found.discriminators["guesser_a"]) == pytest.approx(right, rel=1e-5)
    assert float(found.generators["guess_a"]) == pytest.approx(wrong, rel=1e-5)


def test_coins_are_fair_and_each_image_has_its_own():
    """A guesser that always says 0 is wrong, by 1, where the coin is heads."""
    count = 2000
    model, (a, b) = learner(guess_weight=1.0, guesser_a=judge(2, (0.0, 0.0))), images(count)
    heads = [float(play(model, a, b).discriminators["guesser_a"]) * count for _ in range(3)]
    assert len(set(heads)) == 3 and all(abs(each - count / 2) < 5 * np.sqrt(count / 4) for each in heads)


def test_evaluation_asks_in_both_orders():
    model, (a, b) = learner(guess_weight=1.0, generator_ba=TELLING), images()
    found = [play(model, a, b, training=False) for _ in range(2)]
    expected = np.mean([(guesses(a, a - 0.25, first) - first) ** 2 for first in (True, False)])
    for each in found:
        assert float(each.discriminators["guesser_a"]) == pytest.approx(expected, rel=1e-5)


def test_reconstructions_do_not_enter_the_pool():
    model, (a, b) = learner(guess_weight=1.0, pool_size=2 * COUNT), images()
    model.build((None, SIZE, SIZE, 1))
    play(model, a, b)
    assert int(model.pool_b.stored) == COUNT and int(model.pool_a.stored) == 0
    np.testing.assert_array_equal(model.pool_b.images[:COUNT], a + 0.25)


def test_the_penalty_of_a_linear_discriminator():
    """Its slope at each of 16 pixels is 4 / 16 a unit of [0, 1] images, half of that in [-1, 1]: the norm is 1/2."""
    model, (a, b) = learner(objective="wasserstein", discriminator_b=judge(kernel=(4.0,))), images()
    for training_now in (True, False):
        found = play(model, a, b, training_now).discriminators["gradient_penalty_b"]
        assert float(found) == pytest.approx((4 * (4 / 16) / 2 - 1) ** 2, rel=1e-4)
    assert model.part_weights["gradient_penalty_b"] == 5.0
    assert "gradient_penalty_b" not in play(learner(), a, b).discriminators


def test_the_penalty_is_at_places_between_the_real_and_the_drawn_image():
    square = keras.Sequential([keras.Input((None, None, 1)), keras.layers.Lambda(lambda x: 8 * x * x)])
    model, (a, b) = learner(objective="wasserstein", discriminator_b=square), images()
    midway = losses.gradient_penalty(square, b, a + 0.25, np.full(COUNT, 0.5))
    found = play(model, a, b, training=False).discriminators["gradient_penalty_b"]
    assert float(found) == pytest.approx(float(np.mean(midway)), rel=1e-5)
    drawn = {float(play(model, a, b).discriminators["gradient_penalty_b"]) for _ in range(3)}
    assert len(drawn) == 3


def test_the_penalty_teaches_the_discriminator():
    model, (a, b) = learner(objective="wasserstein", gradient_penalty_weight=1000.0), images()
    model.compile(keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.02))
    model.discriminator_b.set_weights([np.full((1, 1, 1, 1), 30.0), np.zeros(1)])
    for _ in range(30):
        model.train_on_batch(a, b)
    slope = float(model.discriminator_b.get_weights()[0][0, 0, 0, 0]) * 4 / 16 / 2
    assert slope == pytest.approx(1, abs=0.05)
