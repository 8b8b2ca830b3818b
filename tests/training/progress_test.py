"""Progress: JSON lines in a file, a bar with time left on a terminal."""

import io
import json

import keras
import numpy as np
import pytest

from keras_repvis import training


class Terminal(io.StringIO):
    def isatty(self):
        return True


def fit(stream, epochs=2):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    callback = training.Progress(batch_size=4, stream=stream)
    model.fit(np.ones((12, 3)), np.ones((12, 1)), batch_size=4, epochs=epochs, verbose=0, callbacks=[callback])


def test_a_file_receives_one_json_line_an_epoch():
    stream = io.StringIO()
    fit(stream)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["epoch"], line["epochs"]) for line in lines] == [(1, 2), (2, 2)]
    for line in lines:
        assert line["loss"] >= 0
        # 3 steps of 4 images in the stated time; both are rounded.
        assert line["images_per_second"] == pytest.approx(12 / line["seconds"], rel=0.1, abs=5)


def test_a_terminal_receives_a_bar_with_speed_and_time_left():
    stream = Terminal()
    fit(stream)
    shown = stream.getvalue()
    assert "images/s" in shown and "epoch 2/2" in shown and "loss" in shown and "0:00:00" in shown
    assert '{"epoch"' not in shown
