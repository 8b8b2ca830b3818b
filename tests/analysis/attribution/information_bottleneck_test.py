"""Bits against closed forms, and the whole optimisation against an independent one in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage, special

from keras_repvis import analysis, data, zoo
from keras_repvis.analysis.attribution import FeatureStatistics, InformationBottleneck, estimate_statistics
from keras_repvis.analysis.attribution import restricted_flow

RNG = np.random.default_rng(0)
SHAPE = (5, 4, 2)
CLASSES = 3
WEIGHTS = RNG.normal(size=(*SHAPE, CLASSES)).astype("float32")
IMAGES = RNG.normal(size=(6, *SHAPE)).astype("float32")
MEAN, STD = RNG.normal(size=SHAPE), RNG.uniform(0.5, 2.0, size=SHAPE)
# Neuron (0, 0, 0) is dead.
NONZERO = np.where(np.arange(40).reshape(SHAPE) == 0, 1, 100)
STATISTICS = FeatureStatistics("code", 100, MEAN, STD**2 * 99, NONZERO)


def linear_model(weights, activation=None):
    """Logits <w_c, code>, the code being the image."""
    image = keras.Input(weights.shape[:-1])
    code = keras.layers.Identity(name="code")(image)
    head = keras.layers.Dense(weights.shape[-1], use_bias=False, activation=activation, name="logits")
    model = keras.Model(image, head(keras.layers.Flatten()(code)))
    head.set_weights([weights.reshape(-1, weights.shape[-1])])
    return model


@pytest.fixture(scope="module")
def model():
    return linear_model(WEIGHTS)


def capacity(r, kept):
    """KL of the paper in bits, of codes r in standard deviations, in one flow of independent neurons."""
    shape = (1, 1, np.size(r))
    flow = restricted_flow.RestrictedFlow(
        FeatureStatistics("x", 10, np.zeros(shape), np.full(shape, 9.0), np.full(shape, 10)), 0, 0.01, 0.01
    )
    code = tf.constant(np.reshape(r, (1, *shape)), "float32")
    kept = tf.constant(np.broadcast_to(kept, (1, *shape)), "float32")
    return flow.capacity(code, kept, 1 - kept).numpy().reshape(-1)


def test_information_of_one_neuron():
    np.testing.assert_array_equal(capacity([-3.0, 0.0, 5.0], 0.0), 0)
    assert capacity([2.0], 0.5)[0] == pytest.approx(0.818147, abs=1e-6)
    r, kept = RNG.normal(size=50), RNG.uniform(1e-3, 0.999, size=50).astype("float32").astype("float64")
    expected = -0.5 * (1 + np.log((1 - kept) ** 2) - (kept * r) ** 2 - (1 - kept) ** 2)
    np.testing.assert_allclose(capacity(r, kept), expected, rtol=1e-4, atol=1e-6)
    # A float32 is not more exact than this.
    assert capacity([0.0], 1.0)[0] == pytest.approx(24 * np.log(2) - 0.5, abs=1e-5)


def test_information_of_gaussians_by_numerical_integration():
    r, kept = 1.3, 0.7
    z = np.linspace(-15, 15, 200001)
    log_p = -0.5 * ((z - kept * r) / (1 - kept)) ** 2 - np.log(1 - kept)
    log_q = -0.5 * z**2
    kl = np.sum(np.exp(log_p) / np.sqrt(2 * np.pi) * (log_p - log_q)) * (z[1] - z[0])
    assert capacity([r], kept)[0] == pytest.approx(kl, rel=1e-5)


@pytest.mark.parametrize("size", [1, 2, 3, 9])
@pytest.mark.parametrize("sigma", [0.4, 1.0, 2.0])
def test_smoothing_is_a_gaussian_filter_with_reflection(size, sigma):
    found = restricted_flow._smoother(size, sigma)
    expected = ndimage.gaussian_filter1d(np.eye(size), sigma, axis=0, mode="mirror", radius=round(2 * sigma))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)


def reference(images, labels, method, smoothing):
    """Final capacity (batch, *SHAPE) in bits and cross-entropies with fresh noise, in float64, gradients by hand."""
    std, active = np.maximum(STD, 0.01), NONZERO > 1

    def smooth(share):
        return ndimage.gaussian_filter1d(
            ndimage.gaussian_filter1d(share, smoothing, axis=1, mode="mirror", radius=round(2 * smoothing)),
            smoothing, axis=2, mode="mirror", radius=round(2 * smoothing),
        ) if smoothing else share

    basis = smooth(np.eye(20).reshape(20, 5, 4)).reshape(20, 20)  # (source, place)

    def smooth_back(gradient):
        return np.einsum("sp,bpk->bsk", basis, gradient.reshape(-1, 20, 2)).reshape(gradient.shape)

    def forward(kept, step):
        noise = MEAN + std * method._draw(step).numpy().astype("float64")
        z = active * (kept[:, None] * images[:, None] + (1 - kept[:, None]) * noise)
        logits = np.einsum("bshwk,hwkc->bsc", z, WEIGHTS.astype("float64"))
        return noise, special.log_softmax(logits, axis=-1)

    alpha = np.full(images.shape, 5.0)
    first, second = np.zeros_like(alpha), np.zeros_like(alpha)
    r = (images - MEAN) / std
    for step in range(method.steps):
        gate = special.expit(alpha)
        kept = smooth(gate)
        noise, log_p = forward(kept, step)
        d_logits = np.exp(log_p) - np.eye(CLASSES)[labels][:, None]
        d_z = np.einsum("bsc,hwkc->bshwk", d_logits, WEIGHTS.astype("float64"))
        gradient = (d_z * active * (images[:, None] - noise)).mean(1)
        gradient += method.beta / 40 * active * (kept * r**2 - (1 - kept) + 1 / (1 - kept))
        gradient = smooth_back(gradient) * gate * (1 - gate)
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        change = first / (1 - 0.9 ** (step + 1)) / (np.sqrt(second / (1 - 0.999 ** (step + 1))) + 1e-8)
        alpha = alpha - method.learning_rate * change
    kept = smooth(special.expit(alpha))
    bits = active * -0.5 * (1 + np.log((1 - kept) ** 2) - (kept * r) ** 2 - (1 - kept) ** 2) / np.log(2)
    return bits, -forward(kept, method.steps)[1][np.arange(len(images)), :, labels].mean(1)


@pytest.mark.parametrize("smoothing", [0.0, 1.0])
def test_equals_an_independent_optimisation(model, smoothing):
    labels = np.array([0, 1, 2, 0, 1, 2])
    method = InformationBottleneck(model, "code", STATISTICS, smoothing=smoothing, seed=3)
    result = method(IMAGES, labels)
    bits, cross_entropy = reference(IMAGES.astype("float64"), labels, method, smoothing)
    np.testing.assert_allclose(result.maps, bits.sum(-1), rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(result.diagnostics["cross_entropy_restricted"], cross_entropy, rtol=1e-3, atol=1e-4)
    clean = -special.log_softmax(np.einsum("bhwk,hwkc->bc", IMAGES, WEIGHTS), axis=-1)[np.arange(6), labels]
    np.testing.assert_allclose(result.diagnostics["cross_entropy"], clean, rtol=1e-4, atol=1e-5)


def test_the_map_holds_all_bits_at_every_size(model):
    small = InformationBottleneck(model, "code", STATISTICS)(IMAGES)
    np.testing.assert_allclose(small.maps.sum((1, 2)), small.diagnostics["bits"], rtol=1e-5)
    np.testing.assert_allclose(small.diagnostics["gap"], 0, atol=1e-4)
    maps = tf.constant(RNG.uniform(size=(3, 5, 4)), "float32")
    for size in ((10, 12), (13, 9)):
        larger = restricted_flow.upsample(maps, *size).numpy()
        np.testing.assert_allclose(larger.sum((1, 2)), tf.reduce_sum(maps, (1, 2)), rtol=1e-5)
    # Sizes that divide: the scaling of the paper, (h w)/(H W).
    larger = restricted_flow.upsample(maps, 10, 12).numpy()
    expected = tf.image.resize(maps[..., None], (10, 12))[..., 0].numpy() * (5 * 4) / (10 * 12)
    np.testing.assert_allclose(larger, expected, rtol=1e-5)
    np.testing.assert_array_equal(restricted_flow.upsample(tf.zeros((1, 2, 2)), 4, 4), 0)


def test_a_large_price_leaves_nothing(model):
    result = InformationBottleneck(model, "code", STATISTICS, beta=1e6, steps=60)(IMAGES)
    # What is left tells nothing: alpha has run to a large negative number.
    np.testing.assert_allclose(result.maps, 0, atol=1e-4)
    assert (result.maps >= 0).all()


def test_without_a_price_what_does_not_matter_is_kept_whole():
    weights = WEIGHTS.copy()
    weights[..., 1, :] = 0.0
    result = InformationBottleneck(linear_model(weights), "code", STATISTICS, beta=0, smoothing=1.0)(IMAGES, 1)
    # The second channel stays at l = sigmoid(5), and has the bits of that.
    kept = special.expit(5.0)
    r = (IMAGES - MEAN) / STD
    second = (-0.5 * (1 + np.log((1 - kept) ** 2) - (kept * r) ** 2 - (1 - kept) ** 2) / np.log(2))[..., 1]
    assert (result.maps > second - 1e-3).all()
    # And the decision is not worse for the noise.
    assert (result.diagnostics["cross_entropy_restricted"] < result.diagnostics["cross_entropy"] + 0.05).all()


def test_at_the_mean_a_neuron_begins_with_six_and_a_half_bits():
    assert capacity([0.0], special.expit(5.0))[0] / np.log(2) == pytest.approx(6.50, abs=0.01)


def test_one_quadrant_matters_and_gets_the_bits():
    """The class is the sign of the mean of the upper left quarter of 8 x 8 images."""
    images = RNG.normal(size=(200, 8, 8, 1)).astype("float32")
    quarter = np.zeros((8, 8, 1, 2), "float32")
    quarter[:4, :4, 0] = [-1.0, 1.0]
    model = linear_model(quarter)
    labels = (images[:, :4, :4].mean((1, 2, 3)) > 0).astype(int)
    sure = np.abs(images[:, :4, :4].sum((1, 2, 3))) > 2
    statistics = estimate_statistics(model, images, "code")
    for smoothing, share in ((0.0, 0.999), (1.0, 0.9)):
        method = InformationBottleneck(model, "code", statistics, steps=30, smoothing=smoothing, upsample=True)
        maps = method(images[sure][:20], labels[sure][:20]).maps
        assert (maps[:, :4, :4].sum((1, 2)) / maps.sum((1, 2))).mean() > share
        assert maps[:, :4, :4].sum((1, 2)).mean() > 1


def test_chunks_and_neighbours_change_nothing(model):
    labels = np.array([0, 1, 2, 0, 1, 2])
    expected = InformationBottleneck(model, "code", STATISTICS)(IMAGES, labels).maps
    for batch_size in (1, 4):
        method = InformationBottleneck(model, "code", STATISTICS, batch_size=batch_size)
        np.testing.assert_allclose(method(IMAGES, labels).maps, expected, rtol=1e-3, atol=1e-3)
    order = np.array([3, 0, 5])
    found = InformationBottleneck(model, "code", STATISTICS)(IMAGES[order], labels[order]).maps
    np.testing.assert_allclose(found, expected[order], rtol=1e-3, atol=1e-3)


def test_the_seed_decides(model):
    one, same, other = (InformationBottleneck(model, "code", STATISTICS, seed=s)(IMAGES).maps for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3


def test_a_model_that_ends_in_a_softmax_is_explained_alike(model):
    logits = InformationBottleneck(model, "code", STATISTICS)(IMAGES, 1)
    softmax = InformationBottleneck(linear_model(WEIGHTS, "softmax"), "code", STATISTICS)(IMAGES, 1)
    np.testing.assert_allclose(softmax.maps, logits.maps, rtol=5e-3, atol=5e-3)
    np.testing.assert_allclose(softmax.diagnostics["cross_entropy"], logits.diagnostics["cross_entropy"], rtol=1e-3)


def test_masks_and_functions_are_explained_by_their_value(model):
    mask = np.array([0.0, 2.0, 0.0], "float32")
    of_mask = InformationBottleneck(model, "code", STATISTICS)(IMAGES, mask)
    of_function = InformationBottleneck(model, "code", STATISTICS)(IMAGES, lambda y: 2 * y[:, 1])
    np.testing.assert_allclose(of_mask.maps, of_function.maps, rtol=1e-4, atol=1e-4)
    assert "score_restricted" in of_mask.diagnostics and "cross_entropy" not in of_mask.diagnostics
    # The log-probability of a class as function is that class.
    of_log = InformationBottleneck(model, "code", STATISTICS)(IMAGES, lambda y: tf.nn.log_softmax(y)[:, 1])
    of_class = InformationBottleneck(model, "code", STATISTICS)(IMAGES, 1)
    np.testing.assert_allclose(of_log.maps, of_class.maps, rtol=1e-3, atol=1e-3)
    found, expected = of_log.diagnostics["score_restricted"], -of_class.diagnostics["cross_entropy_restricted"]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_one_output_by_its_sigmoid(model):
    result = InformationBottleneck(model, "code", STATISTICS, score="sigmoid")(IMAGES, 2)
    logits = np.einsum("bhwk,hwk->b", IMAGES, WEIGHTS[..., 2])
    np.testing.assert_allclose(result.diagnostics["cross_entropy"], np.logaddexp(0, -logits), rtol=1e-4, atol=1e-5)


def test_what_does_not_fit_is_refused(model):
    with pytest.raises(ValueError, match="statistics=None"):
        InformationBottleneck(model, "code", None)
    with pytest.raises(analysis.UnsupportedModelError, match="a map needs"):
        InformationBottleneck(model, "logits", estimate_statistics(model, IMAGES, "logits"))
    image = keras.Input(SHAPE)
    first = keras.layers.Identity(name="first")(image)
    unused = keras.layers.Identity(name="unused")(first)
    outputs = {"y": keras.layers.Dense(3)(keras.layers.Flatten()(first)), "z": unused}
    other = keras.Model(image, outputs)
    statistics = estimate_statistics(other, IMAGES, ["first", "unused"])
    target = lambda y: y["y"][:, 0]  # noqa: E731
    with pytest.raises(analysis.UnsupportedModelError, match="no gradient reaches the layer"):
        InformationBottleneck(other, "unused", statistics[1])(IMAGES, target)
    with pytest.raises(ValueError, match="statistics are of layer 'first'"):
        InformationBottleneck(other, "unused", statistics[0])(IMAGES, target)
    with pytest.raises(analysis.UnsupportedModelError, match="cannot be seen"):
        InformationBottleneck(lambda x: x, "code", STATISTICS)
    with pytest.raises(ValueError, match="beta=-1"):
        InformationBottleneck(model, "code", STATISTICS, beta=-1)
    with pytest.raises(ValueError, match="preset='schultz'"):
        InformationBottleneck(model, "code", STATISTICS, preset="schultz")


def test_mixed_precision_gives_float32_maps():
    keras.utils.set_random_seed(5)
    image = keras.Input((8, 8, 1))
    code = keras.layers.Conv2D(4, 3, activation="relu", dtype="mixed_bfloat16", name="conv")(image)
    pooled = keras.layers.GlobalAveragePooling2D(dtype="mixed_bfloat16")(code)
    model = keras.Model(image, keras.layers.Dense(3, dtype="float32")(pooled))
    images = RNG.uniform(size=(20, 8, 8, 1)).astype("float32")
    result = InformationBottleneck(model, "conv", estimate_statistics(model, images, "conv"))(images[:2])
    assert result.maps.dtype == np.float32 and np.isfinite(result.maps).all()


@pytest.fixture(scope="module")
def digits():
    model = zoo.load("repvis/mobilenet_v2_digits")
    train = data.Stream(data.Source("repvis_digits"), 64, image_size=32)
    images, labels = next(iter(data.Stream(data.Source("repvis_digits", "test"), 16, image_size=32).dataset()))
    return model, train, images.numpy(), labels.numpy()


def test_a_zoo_model_with_dead_neurons(digits):
    model, train, images, labels = digits
    layer = "block_4_expand_activation"
    statistics = estimate_statistics(model, train, layer)
    dead = ~statistics.active()
    assert statistics.count == 1280 and 0.02 < dead.mean() < 0.5
    weights = [weight.numpy() for weight in model.weights]
    result = InformationBottleneck(model, layer, statistics)(images, labels)
    assert result.maps.shape == (16, 8, 8) and np.isfinite(result.maps).all()
    # Far fewer bits than at first, 6.5 a neuron that is alive, and the decisions that are sure stay.
    at_first = 6.5 * statistics.active().sum()
    assert result.diagnostics["bits"].max() < 0.1 * at_first and np.median(result.diagnostics["bits"]) < 0.02 * at_first
    sure = result.diagnostics["cross_entropy"] < 0.01
    assert sure.sum() > 8 and result.diagnostics["cross_entropy_restricted"][sure].mean() < np.log(10) / 2
    for weight, value in zip(model.weights, weights):
        np.testing.assert_array_equal(weight.numpy(), value)
