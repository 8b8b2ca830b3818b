"""Methods that change the image against the stored answers of captum and TorchRay; see references/README.md."""

import functools
import importlib.util
import pathlib
import sys

import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.analysis import attribution
from keras_repvis.analysis.attribution import area_penalty, blur_pyramid, rise_masks, smooth_max

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


@pytest.mark.parametrize("kind", ["blur", "fade"])
@pytest.mark.parametrize("name", ["norm", "residual"])
def test_extremal_perturbation_begins_where_torchray_begins(name, kind):
    """The reward and the penalty of masks of ones, which TorchRay begins with.

    From there it goes its own way: many values of these masks are equal but for rounding, and those at the limit of the
    constraint count as ones or zeros by the order of its sort, where here they share. From parameters that differ both
    go the same way; see mask_search_references_test.py.
    """
    references, areas = references_of(name), np.tile(np.float32(AREAS), 3)
    energies = references[f"extremal_{kind}_energies"][:, :, :, 0]
    generator = smooth_max.SmoothMax(16, 16, 4, 8)
    whole = generator(tf.ones((6, *generator.grid)))
    penalties = area_penalty.area_penalty(whole, areas)
    np.testing.assert_allclose(-300 * penalties, energies[:, :, 1].ravel(), rtol=1e-5)
    images = tf.repeat(tf.constant(references["images"], "float32"), 2, axis=0)
    levels = blur_pyramid.pairs(blur_pyramid.build(images, kind, 8, 20, 0.0))
    logits = model_of(name)(blur_pyramid.apply(levels, generator.crop(whole)))
    rewards = tf.gather(logits, np.repeat(references["targets"].astype(int), 2), batch_dims=1)
    np.testing.assert_allclose(rewards, energies[:, :, 0].ravel(), rtol=1e-5, atol=1e-5)
