"""Methods that change the image against the stored answers of captum and TorchRay; see references/README.md."""

import functools
import importlib.util
import pathlib
import sys

import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.analysis import attribution
from keras_repvis.analysis.attribution import blur_pyramid, rise_masks, smooth_max

FOLDER = pathlib.Path(__file__).parent
NAMES = ("plain", "plain_without_bias", "norm", "residual", "nested", "mobile")
AREAS = (0.1, 0.3)


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


@pytest.mark.parametrize("name", NAMES)
def test_occlusion_is_that_of_captum(name):
    references = references_of(name)
    for key, window, stride in (("occlusion", 4, 4), ("occlusion_overlapping", 5, 3)):
        method = attribution.Occlusion(model_of(name), window=window, stride=stride)
        maps = method(references["images"], references["targets"]).maps
        assert difference(maps, references[key]) < 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_rise_with_given_masks_is_that_of_torchray(name, monkeypatch):
    references, masks = references_of(name), networks.inputs()["masks"].astype("float32")
    count = len(masks)

    def given(seed, first, group, *arguments):
        padded = tf.concat([masks, tf.zeros((count, *masks.shape[1:]))], axis=0)
        return padded[first : first + group]

    monkeypatch.setattr(rise_masks, "draw", given)
    method = attribution.RISE(model_of(name), masks=count, keep=1.0, score="sigmoid")
    maps = method(references["images"], references["targets"]).maps
    assert difference(maps, references["rise_sigmoid"]) < 1e-5


@pytest.mark.parametrize("spacing, scale", [(4, 8), (7, 21)])
def test_smooth_masks_are_those_of_torchray(spacing, scale):
    references, masks = references_of("plain"), networks.inputs()["masks"].astype("float32")
    generator = smooth_max.SmoothMax(16, 16, spacing, scale)
    rows, columns = generator.grid
    found = generator(tf.constant(masks[:2, :rows, :columns]))
    np.testing.assert_allclose(found, references[f"mask_{spacing}_{scale}_given"], atol=1e-5)
    ones = generator(tf.ones((1, rows, columns)))
    np.testing.assert_allclose(ones, references[f"mask_{spacing}_{scale}_ones"], atol=1e-5)


@pytest.mark.parametrize("kind, largest", [("blur", 20), ("blur", 5), ("fade", 20)])
def test_perturbed_images_are_those_of_torchray(kind, largest):
    references, masks = references_of("plain"), networks.inputs()["masks"].astype("float32")
    image = tf.repeat(tf.constant(references["images"][:1], "float32"), 2, axis=0)
    levels = blur_pyramid.pairs(blur_pyramid.build(image, kind, 8, largest, 0.0))
    found = blur_pyramid.apply(levels, tf.constant(masks[:2]))
    np.testing.assert_allclose(found, references[f"perturbed_{kind}_{largest}"], atol=1e-5)


@pytest.mark.parametrize("kind", ["blur", "fade", "jitter"])
@pytest.mark.parametrize("name", ["norm", "residual"])
def test_extremal_perturbation_goes_where_torchray_goes(name, kind):
    """TorchRay returns the masks before the last of its 20 steps, and what they are worth.

    At the first step many values of the mask are equal. With the area 0.1 some of them are above the limit of the
    constraint and some below: which, TorchRay leaves to the order of its sort, and goes elsewhere. With 0.3 none are.
    """
    references = references_of(name)
    method = attribution.ExtremalPerturbation(
        model_of(name), areas=AREAS, steps=19, spacing=4, disc_scale=8, max_blur=20, fill=0.0, smoothing=0,
        perturbation="fade" if kind == "fade" else "blur", flip=kind == "jitter",
    )
    found = method(references["images"], references["targets"]).diagnostics
    masks, energies = references[f"extremal_{kind}_masks"], references[f"extremal_{kind}_energies"]
    np.testing.assert_allclose(found["masks"][:, 1], masks[:, 1], atol=1e-4)
    if kind != "jitter":
        scores = energies[:, :, 0, -1]
        np.testing.assert_allclose(found["score_preserved"][:, 1], scores[:, 1], atol=1e-4)
