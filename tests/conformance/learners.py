"""The registry of learners: a new learner needs one line here."""

import importlib.util
import pathlib

import keras


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


# Name of a public learner, or what it stands for: how to make one.
LEARNERS = {"Classification": classifier, "two optimisers and a pool": everything}
