"""Every method on the networks of the zoo."""

import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import zoo


@pytest.fixture(scope="module", autouse=True)
def _graphs_as_they_are_written():
    """Optimising a graph takes longer than running it once, which is what is done here."""
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})


@pytest.fixture(scope="module")
def load():
    """Function of a version of MobileNet that returns the trained network, loaded once."""
    loaded = {}

    def get(version):
        if version not in loaded:
            loaded[version] = zoo.load(f"repvis/mobilenet_{version}_digits")
        return loaded[version]

    return get


@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
def test_every_method_explains_its_digits(method_name, version, load, rows):
    images = np.random.default_rng(3).random((2, 32, 32, 1), "float32")
    rows.explain(rows.ROWS[method_name], load(version), version, images, None, (2, 2))
