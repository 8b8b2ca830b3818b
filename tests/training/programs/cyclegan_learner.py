"""A small CycleGAN with everything that is random, and the run that trains it on digits and their negatives."""

import hashlib

import keras
import numpy as np

from keras_repvis import data, training

EPOCHS = 3


class DigitsCycleGAN(training.CycleGAN):
    """Translates digits to their negatives and back."""

    def train_step(self, batch):
        return super().train_step((batch[0], 1.0 - batch[0]))


def network(channels, *layers):
    return keras.Sequential([keras.Input((8, 8, channels)), keras.layers.Conv2D(2, 3, activation="relu"), *layers])


def generator():
    return network(1, keras.layers.Dropout(0.2), keras.layers.Conv2DTranspose(1, 3, activation="sigmoid"))


def discriminator(channels=1):
    return network(channels, keras.layers.Conv2D(1, 3, strides=2))


def train(run, callbacks=(), save_steps=3):
    """Train a fresh learner, or go on with it; return it, its history and the hash of each final variable."""
    stream = data.Stream(data.Source("repvis_digits", "train[:32]"), 4, seed=2)
    keras.utils.set_random_seed(4)
    # The pools are full in the second of eight steps an epoch.
    model = DigitsCycleGAN(
        generator(), generator(), discriminator(), discriminator(), pool_size=6, noise=0.1, guess_weight=1.0,
        guesser_a=discriminator(2), guesser_b=discriminator(2), objective="wasserstein",
    )  # fmt: skip
    steps = {"epoch_steps": 8, "rampdown_steps": 16}
    rates = [training.make_schedule("stairs", 2e-3, EPOCHS * 8, **steps) for _ in range(2)]
    model.compile(*(keras.optimizers.Adam(rate, beta_1=0.5) for rate in rates))
    history = training.fit(
        model, stream, EPOCHS, run=run, save_steps=save_steps, callbacks=callbacks, progress=False
    )
    state = training.LearnerState(model)
    digests = {
        f"{number} {described['name']}": hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]
        for number, (described, array) in enumerate(zip(state.describe(), state.read()))
    }
    return model, [dict(entry, seconds=0) for entry in history], digests
