"""Channel selectivity where the maps are known: they are the filters."""

import itertools

import keras
import numpy as np
import pytest

from keras_repvis import analysis
from keras_repvis.analysis.attribution import ChannelSelectivity, measure_channel_selectivity

layers = keras.layers
RNG = np.random.default_rng(0)
# Positive throughout, so that every rectifier is open and the three rules are one.
IMAGES = RNG.uniform(0.2, 1, (3, 9, 9, 2)).astype("float32")
FILTERS = RNG.uniform(0.1, 1, (3, 3, 2, 4)).astype("float32")


def single(filters, padding="valid"):
    inputs = keras.Input((9, 9, filters.shape[2]))
    conv = layers.Conv2D(filters.shape[-1], filters.shape[:2], padding=padding, use_bias=False, name="conv")
    outputs = layers.ReLU(name="relu")(conv(inputs))
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(outputs)))
    conv.set_weights([filters])
    return model


def mean_correlation(maps):
    """Pair by pair, by numpy.corrcoef."""
    pairs = [np.corrcoef(one.ravel(), two.ravel())[0, 1] for one, two in itertools.combinations(maps, 2)]
    return np.mean(pairs)


@pytest.mark.parametrize("reduction, reduce", [
    ("max_abs", lambda w: np.abs(w).max(2)), ("l2", lambda w: np.sqrt((w**2).sum(2))), ("sum", lambda w: w.sum(2)),
    (None, lambda w: w),
])
def test_maps_of_one_layer_are_its_filters(reduction, reduce):
    found = measure_channel_selectivity(single(FILTERS), IMAGES, channels=4, reduction=reduction, position=(3, 4))
    expected = mean_correlation(np.moveaxis(reduce(FILTERS), -1, 0))
    assert [one.rule for one in found] == ["gradient", "deconvnet", "guided"]
    for one in found:
        np.testing.assert_allclose(one.correlations, expected, rtol=0, atol=1e-5)
        assert one.mean == pytest.approx(expected, abs=1e-5)


def test_filters_that_are_alike_and_filters_that_share_nothing():
    alike = FILTERS[..., :1] * np.array([1.0, 2.0, 0.5], "float32")
    (found,) = measure_channel_selectivity(single(alike), IMAGES, channels=3, rules=["guided"])
    np.testing.assert_allclose(found.correlations, 1, rtol=0, atol=1e-6)
    apart = np.zeros((2, 2, 2, 4), "float32")
    for k in range(4):
        apart[k // 2, k % 2, :, k] = 1
    # Of four places each has one: the correlation of indicators is -1/3.
    (found,) = measure_channel_selectivity(single(apart), IMAGES, channels=4, rules=["gradient"])
    np.testing.assert_allclose(found.correlations, -1 / 3, rtol=0, atol=1e-6)


def blurred():
    """Four filters that share nothing, on top of a layer that adds up its neighbourhood."""
    inputs = keras.Input((9, 9, 1))
    below = layers.Conv2D(1, 3, use_bias=False, activation="relu", name="below")
    above = layers.Conv2D(4, 2, use_bias=False, activation="relu", name="above")
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(above(below(inputs)))))
    below.set_weights([np.ones((3, 3, 1, 1))])
    filters = np.zeros((2, 2, 1, 4))
    for k in range(4):
        filters[k // 2, k % 2, 0, k] = 1
    above.set_weights([filters])
    return model


def test_going_back_a_few_layers_only_keeps_channels_apart():
    image, layer = measure_channel_selectivity(
        blurred(), IMAGES[..., :1], channels=4, stops=(None, "below"), rules=["guided"]
    )
    boxes = np.zeros((4, 4, 4))
    for k in range(4):
        boxes[k, k // 2 : k // 2 + 3, k % 2 : k % 2 + 3] = 1
    np.testing.assert_allclose(image.correlations, mean_correlation(boxes), rtol=0, atol=1e-6)
    np.testing.assert_allclose(layer.correlations, -1 / 3, rtol=0, atol=1e-6)
    assert (image.stop, layer.stop) == (None, "below") and image.mean > layer.mean


def test_the_most_active_channels_at_the_most_active_position():
    """Two channels see the bright half of an image and are alike there; the other two differ and are closed."""
    kernel = np.zeros((1, 2, 1, 4), "float32")
    kernel[0, :, 0, 0], kernel[0, :, 0, 1] = (1, 3), (2, 6)
    kernel[0, :, 0, 2], kernel[0, :, 0, 3] = (1, 0.1), (0.1, -0.01)
    images = np.full((2, 9, 9, 1), 0.1, "float32")
    images[0, 2, 2:4], images[1, 7, 5:7] = 1.0, 1.0
    (found,) = measure_channel_selectivity(single(kernel), images, channels=2, rules=["gradient"])
    np.testing.assert_allclose(found.correlations, 1, rtol=0, atol=1e-6)
    (elsewhere,) = measure_channel_selectivity(single(kernel), images, channels=4, rules=["gradient"])
    assert elsewhere.mean < 0.9


def test_closed_units_have_no_map():
    """A unit that is not active has the gradient zero; DeConvNet does not ask."""
    model = single(-FILTERS)
    gradient, deconvnet, guided = measure_channel_selectivity(model, IMAGES, channels=4)
    assert np.isnan(gradient.correlations).all() and np.isnan(gradient.mean) and np.isnan(guided.mean)
    assert np.isfinite(deconvnet.correlations).all()
    single_pixel = single(FILTERS[:1, :1])
    assert np.isnan(measure_channel_selectivity(single_pixel, IMAGES, channels=4)[0].mean)


def test_batch_size_changes_nothing():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((9, 9, 2))
    hidden = layers.Conv2D(6, 3, activation="relu")(layers.Conv2D(8, 3, activation="relu", name="first")(inputs))
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(hidden)))
    whole, one = (measure_channel_selectivity(model, IMAGES, channels=3, stops=("first", None), batch_size=size)
                  for size in (64, 1))
    for left, right in zip(whole, one):
        np.testing.assert_allclose(left.correlations, right.correlations, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options, message", [
    ({"channels": 1}, "channels=1"), ({"channels": 5}, "channels=5 is not accepted: the layer has 4"),
    ({"rules": ["lrp"]}, "rules='lrp' is not known"), ({"reduction": "mean"}, "reduction='mean' is not known"),
    ({"position": (7, 0)}, "row of position=7"), ({"layer": "cnv"}, "layer='cnv' is not known"),
    ({"stops": ["dense"], "rules": ["gradient"]}, "layer has outputs|layer='dense'"),
])
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        measure_channel_selectivity(single(FILTERS), IMAGES, **{"channels": 4, **options})


def test_a_stop_above_the_layer_is_refused():
    with pytest.raises(analysis.UnsupportedModelError, match="no gradient reaches 'relu'"):
        measure_channel_selectivity(single(FILTERS), IMAGES, "conv", ["relu"], ["gradient"], channels=4)


def test_a_map_that_is_constant_where_it_can_be_reached_has_no_correlation():
    filters = FILTERS.copy()
    filters[..., 0] = 1 / 3
    some = measure_channel_selectivity(single(filters), IMAGES, channels=4, rules=["gradient"], reduction="sum")[0]
    expected = mean_correlation(np.moveaxis(filters.sum(2), -1, 0)[1:])
    np.testing.assert_allclose(some.correlations, expected, rtol=0, atol=1e-5)
    assert ChannelSelectivity("gradient", None, np.array([np.nan, 0.25])).mean == 0.25
