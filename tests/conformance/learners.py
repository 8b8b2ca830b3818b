"""The registry of learners: a new learner needs one line here."""

import importlib.util
import pathlib

import keras

from keras_repvis import training


def classifier(deterministic):
    """A network in Keras' own `train_step`, as `training.train` runs it."""
    network = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(8, 3, use_bias=False),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.ReLU(),
            keras.layers.Flatten(),
            *([] if deterministic else [keras.layers.Dropout(0.3)]),
            keras.layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.SGD(0.02, momentum=0.9, global_clipnorm=1.0), loss, metrics=["accuracy"])
    return network


def everything(deterministic):
    """Two optimisers, a pool of images, noise and dropout: see the program."""
    path = pathlib.Path(__file__).parents[1] / "training" / "programs" / "learner.py"
    spec = importlib.util.spec_from_file_location("repvis_learner", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.Everything(rate=0.0, noise=0.0) if deterministic else module.Everything()
    model.compile()
    return model


class DigitsCycleGAN(training.CycleGAN):
    """Translates digits to their negatives and back."""

    def train_step(self, batch):
        return super().train_step((batch[0], 1.0 - batch[0]))

    def test_step(self, batch):
        return super().test_step((batch[0], 1.0 - batch[0]))


def cyclegan(deterministic):
    """Random are the pools, noise, coins of the guess, shares of the gradient penalty, and dropout."""

    def network(channels, *layers):
        return keras.Sequential([keras.Input((8, 8, channels)), keras.layers.Conv2D(4, 3, activation="relu"), *layers])

    def generator():
        dropout = [] if deterministic else [keras.layers.Dropout(0.2)]
        return network(1, *dropout, keras.layers.Conv2DTranspose(1, 3, activation="sigmoid"))

    def discriminator(channels=1):
        return network(channels, keras.layers.Conv2D(1, 3, strides=2))

    options = {"pool_size": 0, "objective": "vanilla"}
    if not deterministic:
        options = {"pool_size": 8, "objective": "wasserstein", "noise": 0.1, "guess_weight": 1.0}
        options |= {"guesser_a": discriminator(2), "guesser_b": discriminator(2)}
    model = DigitsCycleGAN(generator(), generator(), discriminator(), discriminator(), **options)
    model.compile()
    return model


# Name of a public learner, or what it stands for: how to make one.
LEARNERS = {"Classification": classifier, "CycleGAN": cyclegan, "two optimisers and a pool": everything}
