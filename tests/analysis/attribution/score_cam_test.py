"""Score-CAM against its algorithm written out channel by channel, and tf-keras-vis."""

import keras
import numpy as np
import pytest

from keras_repvis.analysis.attribution import ScoreCAM

layers = keras.layers


def increases(network, baseline=0.0):
    """f(x o H_k) - f(b), one channel at a time; the layer has the size of the image, so nothing is enlarged."""
    found = np.empty((len(network.images), network.code.shape[-1]))
    for k in range(found.shape[1]):
        channel = network.code[..., k]
        lowest, highest = (of(channel, axis=(1, 2), keepdims=True) for of in (np.min, np.max))
        masks = (channel - lowest) / (highest - lowest)
        scores = network.scores(network.images * masks[..., None])
        found[:, k] = scores[np.arange(len(scores)), network.targets]
    empty = network.scores(np.full_like(network.images, baseline))
    return found - empty[np.arange(len(empty)), network.targets][:, None]


@pytest.mark.parametrize("weights", ["softmax", "increase", "score"])
@pytest.mark.parametrize("baseline", [0.0, 0.4])
def test_agrees_with_the_algorithm(rectified, weights, baseline):
    expected = increases(rectified, baseline)
    alphas = {
        "softmax": np.exp(expected) / np.exp(expected).sum(-1, keepdims=True),
        "increase": expected,
        "score": increases(rectified),
    }[weights]
    method = ScoreCAM(rectified.model, weights=weights, baseline=baseline, batch_size=6, relu=False)
    result = method(rectified.images, rectified.targets)
    maps = np.einsum("bhwk,bk->bhw", rectified.code, alphas)
    np.testing.assert_allclose(result.diagnostics["increases"], expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(result.maps, maps, rtol=1e-3, atol=1e-4)
    # Of a black image this network makes nothing.
    dark = rectified.scores(np.full_like(rectified.images, baseline))[np.arange(4), rectified.targets]
    np.testing.assert_allclose(result.diagnostics["baseline_score"], dark, rtol=1e-4, atol=1e-5)


def test_equals_tf_keras_vis(rectified, keras_vis):
    from tf_keras_vis.scorecam import Scorecam

    found = ScoreCAM(rectified.model, weights="score", score="softmax")(rectified.images, rectified.targets).maps
    np.testing.assert_allclose(found, keras_vis(Scorecam, rectified), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 3, 5, 64])
def test_batch_size_changes_nothing(rectified, batch_size):
    whole = ScoreCAM(rectified.model)(rectified.images)
    found = ScoreCAM(rectified.model, batch_size=batch_size)(rectified.images)
    np.testing.assert_allclose(found.maps, whole.maps, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.diagnostics["increases"], whole.diagnostics["increases"], rtol=1e-4, atol=1e-5)


def test_masks_are_enlarged_with_centres_at_halves():
    """A layer of 2 x 2 places, open at the first; f is the sum of the pixels."""
    inputs = keras.Input((4, 4, 1))
    code = layers.ReLU(name="relu")(layers.Conv2D(1, 2, strides=2, use_bias=False, name="conv")(inputs))
    total = layers.Dense(1, use_bias=False, name="total")(layers.Flatten()(inputs))
    model = keras.Model(inputs, total + 0.0 * keras.ops.mean(code, axis=(1, 2)))
    model.get_layer("conv").set_weights([np.ones((2, 2, 1, 1))])
    model.get_layer("total").set_weights([np.ones((16, 1))])
    image = np.zeros((1, 4, 4, 1), "float32")
    image[0, :2, :2] = 1.0
    result = ScoreCAM(model, weights="increase")(image, 0)
    line = np.array([1.0, 0.75, 0.25, 0.0])
    np.testing.assert_allclose(result.diagnostics["increases"], [[(np.outer(line, line)[:2, :2]).sum()]], rtol=1e-5)
    np.testing.assert_allclose(result.maps, [[[4 * 1.75**2, 0], [0, 0]]], rtol=1e-5)


def test_a_channel_that_is_the_same_everywhere_shows_nothing():
    inputs = keras.Input((8, 8, 1))
    code = layers.ReLU(name="relu")(layers.Conv2D(2, 3, strides=3, name="conv")(inputs))
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(inputs)) + 0.0 * keras.ops.mean(code, axis=(1, 2)))
    kernel = np.zeros((3, 3, 1, 2))
    kernel[1, 1, 0, 0] = 1.0
    model.get_layer("conv").set_weights([kernel, np.array([0.0, 0.3])])
    images = np.random.default_rng(0).random((3, 8, 8, 1), "float32")
    found = ScoreCAM(model, weights="increase")(images, 1)
    assert (np.abs(found.diagnostics["increases"][:, 0]) > 1e-3).all()
    np.testing.assert_array_equal(found.diagnostics["increases"][:, 1], 0)


def test_the_class_is_that_of_the_whole_image():
    inputs = keras.Input((4, 4, 1))
    code = layers.ReLU(name="relu")(layers.Conv2D(2, 1, name="conv")(inputs))
    total = keras.ops.sum(inputs, axis=(1, 2))
    bright = keras.ops.concatenate([total, 0.0 * total + 15.9], axis=-1)
    model = keras.Model(inputs, bright + 0.0 * keras.ops.mean(code, axis=(1, 2)))
    model.get_layer("conv").set_weights([np.array([[[[1.0, 2.0]]]]), np.zeros(2)])
    image = np.ones((1, 4, 4, 1), "float32")
    image[0, 0, 0] = 0.95
    # Both channels are highest at 15 pixels and lowest at one; of what they show the second class is the largest.
    result = ScoreCAM(model)(image)
    np.testing.assert_array_equal(result.diagnostics["target"], 0)
    np.testing.assert_allclose(result.diagnostics["increases"], [[15, 15]], rtol=1e-4)


def test_wrong_arguments_are_named(rectified):
    with pytest.raises(ValueError, match="weights='soft' is not known"):
        ScoreCAM(rectified.model, weights="soft")
    with pytest.raises(ValueError, match="baseline of shape"):
        ScoreCAM(rectified.model, baseline="black")
    with pytest.raises(ValueError, match="a distribution already"):
        inputs = keras.Input((6, 5, 3))
        softmax = keras.Model(inputs, layers.Softmax()(rectified.model(inputs)))
        ScoreCAM(softmax, weights="score", score="softmax")(rectified.images, 1)
