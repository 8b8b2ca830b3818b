"""Maps of attribution methods against those of captum, zennit and TorchRay on the same weights.

The answers of the peers are stored in references/, with the script that made them, so that nothing here needs them;
where PyTorch and captum are installed, one network is asked again.
"""

import functools
import importlib.util
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from keras_repvis.analysis import attribution

FOLDER = pathlib.Path(__file__).parent
RELU_ONLY = ("plain", "plain_without_bias", "norm", "residual", "nested")
ALL = (*RELU_ONLY, "mobile")


def _load(name):
    spec = importlib.util.spec_from_file_location(f"repvis_parity_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


networks = _load("attribution_networks")


@functools.lru_cache(maxsize=None)
def model_of(name):
    return networks.keras_model(networks.NETWORKS[name])


@functools.lru_cache(maxsize=None)
def references_of(name):
    with np.load(FOLDER / "references" / f"{name}.npz") as stored:
        return dict(stored)


def difference(found, expected):
    """The largest difference as a share of the largest value."""
    return np.abs(found - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_networks_and_inputs_are_those_the_peers_had(name):
    references = references_of(name)
    np.testing.assert_array_equal(networks.inputs()["images"], references["images"])
    assert difference(model_of(name)(references["images"]).numpy(), references["logits"]) < 1e-5
    scores = np.take_along_axis(references["logits"], references["targets"][:, None], -1)
    assert scores.min() < 0 < scores.max()
    versions = json.loads(str(references["about"]))["versions"]
    assert all(versions.values())


def total(raw):
    return raw.sum(axis=-1)


def largest(raw):
    return np.abs(raw).max(axis=-1)


def as_it_is(raw):
    return raw


# Method; its arguments, where "layer" and "early" stand for layers of the network; the key; what is done to the stored
# array; the largest accepted difference, as a share of the largest value; the networks.
# float32 against float64 through at most ten layers: 1e-5.
ROWS = [
    ("Gradient", {"reduction": "sum"}, "gradient", total, 1e-5, ALL),
    ("Gradient", {}, "gradient", largest, 1e-5, ALL),
    ("DeConvNet", {"reduction": "sum"}, "deconvnet", total, 1e-5, ALL),
    ("GuidedBackprop", {"reduction": "sum"}, "guided_backprop", total, 1e-5, ALL),
    ("GuidedBackprop", {}, "guided_backprop", largest, 1e-5, ALL),
    ("Gradient", {"layer": "early"}, "gradient_early_max_abs", as_it_is, 1e-5, ALL),
    ("DeConvNet", {"layer": "early"}, "deconvnet_early_max_abs", as_it_is, 1e-5, RELU_ONLY),
    ("GuidedBackprop", {"layer": "early"}, "guided_backprop_early_max_abs", as_it_is, 1e-5, RELU_ONLY),
]
CASES = [
    pytest.param(*row[:-1], name, id=f"{row[0]}-{row[2]}-{row[3].__name__}-{name}") for row in ROWS for name in row[-1]
]


@functools.lru_cache(maxsize=None)
def _method(name, arguments, network):
    layers = {"layer": networks.NETWORKS[network].layer, "early": networks.NETWORKS[network].early}
    arguments = {key: layers.get(value, value) if key == "layer" else value for key, value in arguments}
    return getattr(attribution, name)(model_of(network), **arguments)


@pytest.mark.parametrize("method, arguments, key, reduce, tolerance, network", CASES)
def test_maps_are_those_of_the_peers(method, arguments, key, reduce, tolerance, network):
    references = references_of(network)
    explain = _method(method, tuple(sorted(arguments.items())), network)
    maps = explain(references["images"], references["targets"]).maps
    assert difference(maps, reduce(references[key])) < tolerance


def test_peers_answer_the_same_where_they_are_installed(tmp_path):
    """In a process of its own: PyTorch and TensorFlow do not always bear each other."""
    for peer in ("torch", "captum", "torchray"):
        if importlib.util.find_spec(peer) is None:
            pytest.skip(f"{peer} is not installed: only its stored answers are compared with")
    script = FOLDER / "make_attribution_references.py"
    arguments = ["--networks", "nested", "--stages", "gradients", "--no_keras", "--output", tmp_path]
    subprocess.run([sys.executable, script, *arguments], check=True, capture_output=True)
    with np.load(tmp_path / "nested.npz") as found:
        keys = set(found) - {"about"}
        assert {"gradient", "guided_backprop", "integrated_gradients", "grad_cam"} <= keys
        for key in keys:
            np.testing.assert_allclose(found[key], references_of("nested")[key], rtol=1e-5, atol=1e-6, err_msg=key)
