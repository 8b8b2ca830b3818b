import dataclasses

import keras
import numpy as np
import pytest

from keras_repvis import claims
from keras_repvis.claims import adversarial_digits


def test_seeds_differ_in_their_weights():
    first, second, again = (adversarial_digits.network(seed).get_weights()[0] for seed in (3, 4, 3))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, again)


def test_digits_are_as_the_networks_of_the_zoo_take_them():
    images, labels = adversarial_digits.digits("test")
    assert images.shape == (500, 32, 32, 1) and images.dtype == np.float32 and set(labels) == set(range(10))
    assert images.min() == 0 and images.max() == 1


def _bars(count, seed):
    """Images of a bright bar at one of ten places."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 10, count)
    images = 0.3 * generator.random((count, 32, 32, 1), "float32")
    for image, label in zip(images, labels):
        image[:, 3 * label : 3 * label + 3] += 0.6
    return images, labels


def _small(seed):
    """A network that is quick to trace."""
    keras.utils.set_random_seed(seed)
    hidden = keras.layers.Conv2D(8, 5, strides=3, activation="relu")(image := keras.Input((32, 32, 1)))
    return keras.Model(image, keras.layers.Dense(10)(keras.layers.Flatten()(hidden)))


def _forget():
    adversarial_digits.measure.cache_clear()
    adversarial_digits._compiled.cache_clear()


def test_one_short_run(monkeypatch):
    splits = {"train": _bars(400, 0), "test": _bars(60, 1)}
    monkeypatch.setattr(adversarial_digits, "digits", splits.get)
    monkeypatch.setattr(adversarial_digits, "network", _small)
    monkeypatch.setattr(adversarial_digits, "EPOCHS", 3)
    monkeypatch.setattr(adversarial_digits, "EPSILON", 0.2)
    monkeypatch.setattr(adversarial_digits, "STEPS", 5)
    _forget()
    outcome = adversarial_digits.measure(0)
    assert outcome.accuracy > 95 and outcome.fooled > 0.5 > outcome.fooled_by_noise
    assert all(0 <= value <= 1 for name, value in dataclasses.asdict(outcome).items() if name != "accuracy")
    assert adversarial_digits.measure(0) is outcome
    for name, effect in (("adversarial_from_saliency", "clean_or_attacked"),
                         ("attack_or_noise_from_saliency", "noisy_or_attacked")):
        numbers = claims.get(name).measure(0)
        assert numbers["effect"] == getattr(outcome, effect) and len(numbers) == 10
    assert abs(outcome.random_maps - 0.5) < 0.3

    # A seed that follows another on the same compiled network gives what it gives alone.
    second = adversarial_digits.measure(1)
    _forget()
    alone = adversarial_digits.measure(1)
    _forget()
    assert second.accuracy == alone.accuracy and second.fooled == pytest.approx(alone.fooled, abs=0.05)
    assert second != outcome
