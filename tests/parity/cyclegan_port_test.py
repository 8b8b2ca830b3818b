"""The CycleGAN networks and their layers against PyTorch, on the same weights.

The answers are stored in references/, with the script that made them, so that nothing here needs PyTorch; where it is
installed, it is asked again.
"""

import importlib.util
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from keras_repvis import layers, models

FOLDER = pathlib.Path(__file__).parent
NETWORKS = (
    "resnet", "resnet_batch", "resnet_affine", "unet", "unet_batch",
    "patch", "patch_batch", "patch_shallow", "pixel", "pixel_batch",
)  # fmt: skip
ENLARGEMENTS = ((3, 2), (4, 2), (2, 2), (5, 2), (5, 3), (7, 4), (3, 1))
# float32 against float64. At full size the networks of the two frameworks, both in float32, differ by 1.1e-5 in an
# output range of 1: the rounding of ten instance norms, each of which divides by a small deviation.
TOLERANCE = 2e-5


@pytest.fixture(scope="module")
def references():
    with np.load(FOLDER / "references" / "cyclegan.npz") as stored:
        found = dict(stored)
    return found, json.loads(str(found.pop("about")))["state"]


@pytest.fixture(scope="module")
def given():
    """The module that says what both sides are given."""
    spec = importlib.util.spec_from_file_location("repvis_cyclegan_networks", FOLDER / "cyclegan_networks.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def ported(given, references):
    """Function of a name that returns the model with the weights of that name, for images of its size or of any."""

    def port(name, size=None):
        network = given.NETWORKS[name]
        shape = network.shape if size is None else (*size, network.shape[-1])
        model = getattr(models, network.name)(input_shape=shape, **network.arguments)
        return models.port_cyclegan_weights(model, given.weights(name, references[1][name]))

    return port


def centred(name, outputs):
    """Return images in [-1, 1], where PyTorch has them; scores as they are."""
    return np.asarray(outputs) if name.startswith(("patch", "pixel")) else 2 * np.asarray(outputs) - 1


def test_every_case_is_here(given, references):
    assert set(given.NETWORKS) == set(NETWORKS)
    assert tuple((enlargement.kernel_size, enlargement.strides) for enlargement in given.ENLARGEMENTS) == ENLARGEMENTS
    enlarged = {f"enlarged_{side}_{strides}" for side, strides in ENLARGEMENTS}
    assert set(references[0]) == {*NETWORKS, *enlarged, "reflected_3", "normalised"}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(given, references, ported, name):
    images = given.images(name, given.NETWORKS[name].shape)
    expected = references[0][name]
    assert np.std(expected) > 0.1
    for model in (ported(name), ported(name, (None, None))):
        found = centred(name, model(images))
        assert np.abs(found - expected).max() < TOLERANCE * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("side, strides", ENLARGEMENTS)
def test_aligned_transposed_convolution(given, references, side, strides):
    arrays = given.kernel(given.Enlargement(side, strides))
    layer = layers.AlignedConv2DTranspose(given.FILTERS, side, strides)
    layer.build((None, *given.LAYER_SHAPE))
    layer.set_weights([arrays["weight"].transpose(2, 3, 1, 0), arrays["bias"]])
    found = layer(given.images("layers", given.LAYER_SHAPE))
    np.testing.assert_allclose(found, references[0][f"enlarged_{side}_{strides}"], atol=1e-6)


def test_reflection_padding(given, references):
    found = layers.ReflectionPadding(3)(given.images("layers", given.LAYER_SHAPE))
    np.testing.assert_array_equal(found, references[0]["reflected_3"])


def test_instance_normalization(given, references):
    found = layers.InstanceNormalization()(given.images("layers", given.LAYER_SHAPE))
    np.testing.assert_allclose(found, references[0]["normalised"], atol=1e-6)


def test_pytorch_answers_the_same_where_it_is_installed(tmp_path, references):
    """In a process of its own: PyTorch and TensorFlow do not always bear each other."""
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed: only its stored answers are compared with")
    script = FOLDER / "make_cyclegan_references.py"
    subprocess.run([sys.executable, script, "--output", tmp_path / "again.npz"], check=True, capture_output=True)
    with np.load(tmp_path / "again.npz") as again:
        for key, expected in references[0].items():
            np.testing.assert_allclose(again[key], expected, rtol=1e-5, atol=1e-6, err_msg=key)
