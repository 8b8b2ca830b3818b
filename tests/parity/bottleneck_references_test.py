"""Attribution by an information bottleneck against its authors' code, on the same weights and noise."""

import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.analysis import Representation, attribution
from keras_repvis.analysis.attribution import feature_statistics, restricted_flow


@pytest.mark.parametrize("network", ["plain", "norm"])
def test_information_bottleneck_is_that_of_its_authors(parity, network, monkeypatch):
    """To 1e-3: what passes is about 0.001 nats a neuron, which theirs takes as a difference of numbers around 1."""
    references, layer = parity.references(network), parity.networks.NETWORKS[network].layer
    statistics = feature_statistics.estimate_statistics(
        parity.model(network), parity.networks.inputs()["examples"], layer
    )
    np.testing.assert_allclose(statistics.mean, references["bottleneck_statistics_mean"], atol=1e-6)
    noise = tf.constant(references["bottleneck_noise"])
    steps, samples = noise.shape[:2]
    # Theirs is the map of the alpha before the last step.
    method = attribution.InformationBottleneck(
        parity.model(network), layer, statistics, steps=steps - 1, samples=samples
    )
    monkeypatch.setattr(method, "_draw", lambda step: noise[step])
    maps = method(references["images"], references["targets"]).maps
    bits = references["bottleneck_capacity"].sum(axis=-1) / np.log(2)
    assert parity.difference(maps, bits) < 1e-3
    upsampled = attribution.InformationBottleneck(
        parity.model(network), layer, statistics, steps=steps - 1, samples=samples, upsample=True
    )
    monkeypatch.setattr(upsampled, "_draw", lambda step: noise[step])
    maps = upsampled(references["images"], references["targets"]).maps
    # Beyond the border scikit-image goes on as a mirror image, which adds bits or takes them; ours keep their number.
    inner = (slice(None), slice(2, -2), slice(2, -2))
    assert parity.difference(maps[inner], references["bottleneck_map"][inner]) < 1e-3
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), bits.sum(axis=(1, 2)), rtol=1e-3)
    assert np.abs(references["bottleneck_map"].sum(axis=(1, 2)) / bits.sum(axis=(1, 2)) - 1).max() > 0.01


@pytest.mark.parametrize("network", ["plain", "norm"])
def test_bound_of_information_is_that_of_the_authors(parity, network):
    references, layer = parity.references(network), parity.networks.NETWORKS[network].layer
    statistics = feature_statistics.estimate_statistics(
        parity.model(network), parity.networks.inputs()["examples"], layer
    )
    flow = restricted_flow.RestrictedFlow(statistics, smoothing=0, min_std=0.01, active_share=0.01)
    code = Representation(parity.model(network), layer)(references["images"][:1])
    height, width, channels = code.shape[1:]
    shares = np.linspace(0, 0.99, code.size, dtype="float32").reshape(channels, height, width).transpose(1, 2, 0)
    found = flow.capacity(code, shares, 1 - shares).numpy()[0]
    expected = np.nan_to_num(references["bottleneck_bound"])
    assert parity.difference(found, expected) < 1e-3
