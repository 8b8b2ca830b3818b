"""The collapse watch: what it looks at, when it speaks, and a generator that has collapsed."""

import logging

import keras
import numpy as np
import pytest

from keras_repvis import training
from keras_repvis.training.collapse_watch import CollapseWatch


def warnings(caplog, epochs, **limits):
    """What is warned of in a run of epochs with these logs."""
    watch = CollapseWatch(**limits)
    with caplog.at_level(logging.WARNING, logger="keras_repvis"):
        for epoch, logs in enumerate(epochs):
            watch.on_epoch_end(epoch, logs)
    return [record.getMessage() for record in caplog.records]


HEALTHY = {"contrast_ab": 0.9, "contrast_ba": 1.1, "diversity_ab": 0.5, "diversity_ba": 0.7, "cycle_a_error": 0.01}


def test_names_the_epoch_and_the_direction(caplog):
    (message,) = warnings(caplog, [HEALTHY, HEALTHY, {**HEALTHY, "contrast_ba": 0.012}])
    assert message.startswith("epoch 3: contrast_ba is 0.012: ") and "1.2%" in message and "one colour" in message


def test_one_image_for_all_is_told_from_one_colour(caplog):
    (message,) = warnings(caplog, [HEALTHY, {**HEALTHY, "diversity_ab": 0.001}])
    assert message.startswith("epoch 2: diversity_ab is 0.001: ") and "one image for all" in message


def test_speaks_once_until_it_has_recovered(caplog):
    low = {**HEALTHY, "contrast_ab": 0.01}
    found = warnings(caplog, [HEALTHY, low, low, HEALTHY, low])
    assert [message.split(":")[0] for message in found] == ["epoch 2", "epoch 5"]


def test_healthy_runs_the_first_epoch_and_other_logs_are_left_alone(caplog):
    assert warnings(caplog, [{**HEALTHY, "contrast_ab": 0.0}, HEALTHY, None, {"loss": 0.0}]) == []


def test_limits(caplog):
    assert warnings(caplog, [HEALTHY, HEALTHY], contrast=1.0, diversity=0.0) != []
    assert CollapseWatch(contrast=0, diversity=0).find(dict.fromkeys(HEALTHY, 0.0)) == []
    with pytest.raises(ValueError, match="contrast=-1"):
        CollapseWatch(contrast=-1)
    with pytest.raises(ValueError, match="diversity='x'"):
        CollapseWatch(diversity="x")


def test_a_learner_whose_generator_draws_one_colour(caplog):
    def pointwise(bias):
        network = keras.Sequential([keras.Input((6, 6, 3)), keras.layers.Conv2D(3, 1, activation="sigmoid")])
        network.set_weights([np.eye(3).reshape(1, 1, 3, 3) * bias, np.full(3, 0.1)])
        return network

    networks = pointwise(0.0), pointwise(3.0)
    judges = [keras.Sequential([keras.Input((6, 6, 3)), keras.layers.Conv2D(1, 3)]) for _ in range(2)]
    learner = training.CycleGAN(*networks, *judges)
    learner.compile(keras.optimizers.SGD(0.0))
    a, b = np.random.default_rng(0).random((2, 4, 6, 6, 3)).astype("float32")
    with caplog.at_level(logging.WARNING, logger="keras_repvis"):
        learner.fit(a, b, epochs=3, verbose=0, callbacks=[CollapseWatch()])
    found = [record.getMessage().split(" is ")[0] for record in caplog.records]
    assert found == ["epoch 2: contrast_ab", "epoch 2: diversity_ab"]
