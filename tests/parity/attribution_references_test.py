"""Methods that follow the gradient against captum and TorchRay, on the same weights.

The answers of the peers are stored in references/, with the script that made them, so that nothing here needs them;
where they are installed, they are asked again about one network.
"""

import importlib.util
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

FOLDER = pathlib.Path(__file__).parent
ALL = ("plain", "plain_without_bias", "norm", "residual", "nested", "mobile")
# With batch norms, inner models, sums and ReLU6.
SOME = ("norm", "residual", "nested", "mobile")


@pytest.mark.parametrize("network", ALL)
def test_networks_and_inputs_are_those_the_peers_had(parity, network):
    references = parity.references(network)
    np.testing.assert_array_equal(parity.networks.inputs()["images"], references["images"])
    assert parity.difference(parity.model(network)(references["images"]).numpy(), references["logits"]) < 1e-5
    scores = np.take_along_axis(references["logits"], references["targets"][:, None], -1)
    assert scores.min() < 0 < scores.max()
    assert all(json.loads(str(references["about"]))["versions"].values())


def test_every_network_is_here(parity):
    assert set(parity.networks.NETWORKS) == set(ALL)


def total(raw):
    return raw.sum(axis=-1)


def largest(raw):
    return np.abs(raw).max(axis=-1)


def as_it_is(raw):
    return raw


# Method; its arguments, with <layer> and <early> for layers of the network; the key; what is done to the stored array;
# the networks. float32 against float64 through at most ten layers: 1e-5.
ROWS = [
    ("Gradient", {"reduction": "sum"}, "gradient", total, ALL),
    ("Gradient", {}, "gradient", largest, ("norm", "mobile")),
    ("DeConvNet", {"reduction": "sum"}, "deconvnet", total, ALL),
    ("GuidedBackprop", {"reduction": "sum"}, "guided_backprop", total, ALL),
    ("GuidedBackprop", {}, "guided_backprop", largest, ("norm", "mobile")),
    ("Gradient", {"layer": "<early>"}, "gradient_early_max_abs", as_it_is, ("norm", "mobile")),
    ("DeConvNet", {"layer": "<early>"}, "deconvnet_early_max_abs", as_it_is, ("norm", "nested")),
    ("GuidedBackprop", {"layer": "<early>"}, "guided_backprop_early_max_abs", as_it_is, ("norm", "nested")),
    ("LinearApproximation", {"layer": None}, "gradient_x_input", total, ("norm", "mobile")),
    ("LinearApproximation", {"layer": "<layer>"}, "linear_approximation", as_it_is, SOME),
    ("GradCAM", {"layer": "<layer>"}, "grad_cam", as_it_is, SOME),
    ("GradCAM", {"relu": False}, "grad_cam_signed", as_it_is, SOME),
    ("GuidedGradCAM", {"layer": "<layer>", "reduction": "sum"}, "guided_grad_cam", total, SOME),
    ("IntegratedGradients", {"steps": 50}, "integrated_gradients", total, SOME[:3]),
]
CASES = [pytest.param(*row[:-1], name, id=f"{row[0]}-{row[2]}-{name}") for row in ROWS for name in row[-1]]


@pytest.mark.parametrize("method, arguments, key, reduce, network", CASES)
def test_maps_are_those_of_the_peers(parity, method, arguments, key, reduce, network):
    maps = parity.explain(method, network, **arguments).maps
    assert parity.difference(maps, reduce(parity.references(network)[key])) < 1e-5


def test_integrated_gradients_past_a_kink(parity):
    """On the way to the second image a unit is so near 6 that float32 turns it; captum in float32 too, by 1.3e-4."""
    maps = parity.explain("IntegratedGradients", "mobile").maps
    expected = total(parity.references("mobile")["integrated_gradients"])
    errors = [parity.difference(one, other) for one, other in zip(maps, expected)]
    assert errors[0] < 1e-5 and errors[2] < 1e-5 and errors[1] < 2e-4


@pytest.mark.parametrize("network", ["plain", "norm"])
def test_completeness_gap_is_that_of_captum(parity, network):
    found = parity.explain("IntegratedGradients", network).diagnostics["completeness_gap"]
    np.testing.assert_allclose(found, parity.references(network)["integrated_gradients_gap"], atol=1e-6)


@pytest.mark.parametrize("network", ["norm", "mobile"])
def test_smooth_grad_of_the_same_noise(parity, network, monkeypatch):
    noise = tf.constant(parity.networks.inputs()["noise"])
    monkeypatch.setattr(tf.random, "stateless_normal", lambda shape, seed, **_: noise[seed[1]])
    maps = parity.explain("SmoothGrad", network, samples=len(noise), noise=0.2, reduction="sum").maps
    assert parity.difference(maps, total(parity.references(network)["smooth_grad"])) < 1e-5


def test_peers_answer_the_same_where_they_are_installed(tmp_path, parity):
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
            np.testing.assert_allclose(found[key], parity.references("nested")[key], rtol=1e-5, atol=1e-6, err_msg=key)
