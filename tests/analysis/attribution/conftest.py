"""What several tests of methods ask for.

`rows` is the table of methods in rows.py; `method_name` and `model_kind` run a test for each of its rows and kinds of
model. `rectified` is a network whose activations and gradients NumPy knows.
"""

import functools
import importlib.util
import pathlib
import types

import numpy as np
import pytest


@functools.lru_cache(maxsize=None)
def _rows():
    spec = importlib.util.spec_from_file_location("repvis_attribution_rows", pathlib.Path(__file__).parent / "rows.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pytest_generate_tests(metafunc):
    if "method_name" in metafunc.fixturenames:
        metafunc.parametrize("method_name", list(_rows().ROWS))
    if "model_kind" in metafunc.fixturenames:
        metafunc.parametrize("model_kind", _rows().KINDS)


@pytest.fixture(scope="session")
def rows():
    """The module rows.py."""
    return _rows()


@pytest.fixture(scope="session")
def rectified():
    """A 1 x 1 convolution with a rectifier, called "relu", and a head that is not linear; `code` and `gradient` of it.

    Everything but the model is computed by NumPy in float64.
    """
    import keras

    rng = np.random.default_rng(0)
    images = rng.random((4, 6, 5, 3), "float32")
    mixing, hidden, head = (rng.normal(size=size) for size in ((3, 7), (6 * 5 * 7, 8), (8, 4)))
    # Each channel is open somewhere and closed elsewhere.
    mixing -= mixing.mean(axis=0) - 0.1
    hidden /= 6
    inputs = keras.Input((6, 5, 3))
    code = keras.layers.ReLU(name="relu")(keras.layers.Conv2D(7, 1, use_bias=False, name="conv")(inputs))
    bent = keras.layers.Dense(8, activation="tanh", use_bias=False, name="hidden")(keras.layers.Flatten()(code))
    model = keras.Model(inputs, keras.layers.Dense(4, use_bias=False, name="logits")(bent))
    for name, kernel in (("conv", mixing[None, None]), ("hidden", hidden), ("logits", head)):
        model.get_layer(name).set_weights([kernel.astype("float32")])

    def activations(images):
        return np.maximum(np.asarray(images, "float64") @ mixing, 0)

    def scores(images):
        return np.tanh(activations(images).reshape(len(images), -1) @ hidden) @ head

    def gradient(images, targets):
        bent = np.tanh(activations(images).reshape(len(images), -1) @ hidden)
        return (((1 - bent**2) * head[:, targets].T) @ hidden.T).reshape(len(images), 6, 5, 7)

    targets = np.array([0, 3, 1, 2])
    return types.SimpleNamespace(
        model=model, images=images, targets=targets, activations=activations, scores=scores,
        code=activations(images), gradient=gradient(images, targets),
    )


@pytest.fixture(scope="session")
def keras_vis():
    """Function of a class of tf-keras-vis that returns its raw maps of `rectified`, neither scaled nor enlarged."""
    from tf_keras_vis.utils.scores import CategoricalScore

    def maps(visualization, network):
        found = visualization(network.model, model_modifier=None, clone=False)(
            CategoricalScore(network.targets.tolist()), network.images, penultimate_layer="relu",
            seek_penultimate_conv_layer=False, expand_cam=False, normalize_cam=False,
        )
        return np.asarray(found)

    return maps
