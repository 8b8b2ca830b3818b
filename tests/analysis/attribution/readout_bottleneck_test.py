"""The trained bottleneck: its loss and its network against NumPy, and training on a task with a known answer."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from keras_repvis import analysis
from keras_repvis.analysis.attribution import FeatureStatistics, ReadoutBottleneck, estimate_statistics

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(240, 8, 8, 1)).astype("float32")
LABELS = (IMAGES[:, :4, :4].mean((1, 2, 3)) > 0).astype("int64")
LAYERS = ["code", "half", "logits"]


@pytest.fixture(scope="module")
def model():
    """The class is the sign of the mean of the upper left quarter; "half" is read only."""
    image = keras.Input((8, 8, 1))
    code = keras.layers.Identity(name="code")(image)
    half = keras.layers.AveragePooling2D(2, name="half")(code)
    weights = np.zeros((4, 4, 1, 2), "float32")
    weights[:2, :2, 0] = [-4.0, 4.0]
    head = keras.layers.Dense(2, use_bias=False, name="logits")
    built = keras.Model(image, head(keras.layers.Flatten()(half)))
    head.set_weights([weights.reshape(-1, 2)])
    return built


@pytest.fixture(scope="module")
def statistics(model):
    return estimate_statistics(model, IMAGES, LAYERS)


def capacity(images, kept, statistics):
    r = (images - statistics.mean) / statistics.std()
    return -0.5 * (1 + np.log((1 - kept) ** 2) - (kept * r) ** 2 - (1 - kept) ** 2)


@pytest.mark.parametrize("middle, widths", [("double", (2, 2, 1)), ("quarter", (2, 1, 1))])
def test_network_has_the_widths_and_the_start_of_the_paper(model, statistics, middle, widths):
    network = ReadoutBottleneck(model, LAYERS, statistics, middle=middle).network
    # 1 + 1 + 2 channels are read: in -> in/2 -> 2 out or out/4 -> out.
    assert network.input_shape[-1] == 4
    assert [layer.filters for layer in network.layers] == list(widths)
    assert all(layer.kernel_size == (1, 1) for layer in network.layers)
    last = network.layers[-1]
    np.testing.assert_array_equal(last.bias.numpy(), 5.0)
    assert np.abs(last.kernel.numpy()).max() < 2e-3


def test_network_reads_standardised_codes_at_the_positions_of_the_first(model, statistics):
    method = ReadoutBottleneck(model, LAYERS, statistics)
    found = tf.function(lambda images: _stacked(method, images))(tf.constant(IMAGES[:3])).numpy()
    half = IMAGES[:3].reshape(3, 4, 2, 4, 2, 1).mean((2, 4))
    standard = [(code - one.mean) / one.std() for code, one in zip((IMAGES[:3], half, model(IMAGES[:3])), statistics)]
    np.testing.assert_allclose(found[..., :1], standard[0], rtol=1e-4, atol=1e-4)
    # Bilinear, by the centres of the pixels: the first is beyond the first centre, the second a quarter on the way.
    np.testing.assert_allclose(found[:, 0, 0, 1], standard[1][:, 0, 0, 0], rtol=1e-3, atol=1e-3)
    mixed = 0.75 * standard[1][:, 0, 0, 0] + 0.25 * standard[1][:, 0, 1, 0]
    np.testing.assert_allclose(found[:, 0, 1, 1], mixed, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found[:, 5, 6, 2:], standard[2], rtol=1e-3, atol=1e-3)


def _stacked(method, images):
    kept = []
    method._readout.network = lambda stacked, training: kept.append(stacked) or stacked
    method._readout([tf.cast(code, "float32") for code in method._phi.trace(images)[0]])
    return kept[0]


@pytest.mark.parametrize("alpha", [-1.0, 2.0, 9.0])
def test_map_of_a_constant_alpha(model, statistics, alpha):
    method = ReadoutBottleneck(model, LAYERS, statistics)
    weights = [np.zeros_like(weight) for weight in method.network.get_weights()]
    weights[-1] += alpha
    method.network.set_weights(weights)
    result = method(IMAGES[:5])
    # alpha is clipped at 5.
    bits = capacity(IMAGES[:5], special.expit(min(alpha, 5.0)), statistics[0])[..., 0] / np.log(2)
    np.testing.assert_allclose(result.maps, bits, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(result.diagnostics["bits"], bits.sum((1, 2)), rtol=1e-3)
    np.testing.assert_array_equal(result.diagnostics["target"], np.argmax(model(IMAGES[:5]), -1))


def test_loss_takes_each_image_with_its_own_label(model, statistics):
    method = ReadoutBottleneck(model, LAYERS, statistics, learning_rate=1e-9, seed=4)
    images, labels = IMAGES[:6], np.array([0, 1, 1, 0, 1, 0])
    (found,) = method.fit([(images, labels)], epochs=1)
    kept = special.expit(5.0)
    draws = method._draw((6, 1, 8, 8, 1), 0).numpy()[:, 0]
    mixed = kept * images + (1 - kept) * (statistics[0].mean + statistics[0].std() * draws)
    log_p = special.log_softmax(np.asarray(model(mixed.astype("float32"))), axis=-1)
    nats = capacity(images, kept, statistics[0])
    cross_entropy = -log_p[np.arange(6), labels].mean()
    assert found["cross_entropy"] == pytest.approx(cross_entropy, rel=2e-3)
    assert found["bits"] == pytest.approx(nats.sum((1, 2, 3)).mean() / np.log(2), rel=2e-3)
    assert found["loss"] == pytest.approx(cross_entropy + 10 * nats.mean(), rel=2e-3)


def test_training_finds_where_the_evidence_is(model, statistics):
    """1 x 1 convolutions do not know where they are: a second code shows them the quarter that counts."""
    place = np.zeros((8, 8, 1), "float32")
    place[:4, :4] = 3.0
    image = keras.Input((8, 8, 1))
    code = keras.layers.Identity(name="code")(image)
    shown = keras.layers.Concatenate(name="shown")([code, keras.ops.zeros_like(code) + place])
    head = keras.layers.Dense(2, use_bias=False, name="logits")
    net = keras.Model(image, head(keras.layers.Flatten()(shown[..., :1])))
    weights = np.zeros((8, 8, 1, 2), "float32")
    weights[:4, :4, 0] = [-1.0, 1.0]
    head.set_weights([weights.reshape(-1, 2)])
    some = estimate_statistics(net, IMAGES, ["code", "shown"])
    # Known at every place to the network, as it would be from a later layer.
    shown = FeatureStatistics("shown", some[1].count, np.zeros((8, 8, 2)), some[1].squares + 239.0, some[1].nonzero)
    method = ReadoutBottleneck(net, ["code", "shown"], [some[0], shown], beta=1, learning_rate=0.03)
    batches = [(IMAGES[start : start + 48], LABELS[start : start + 48]) for start in range(0, 240, 48)]
    before = method(IMAGES[:50]).maps
    history = method.fit(batches, epochs=40)
    after = method(IMAGES[:50]).maps
    share = lambda maps: (maps[:, :4, :4].sum((1, 2)) / maps.sum((1, 2))).mean()  # noqa: E731
    assert share(before) == pytest.approx(0.25, abs=0.03) and share(after) > 0.9
    assert history[-1]["loss"] < 0.2 * history[0]["loss"] and history[-1]["bits"] < 0.2 * history[0]["bits"]
    assert [entry["epoch"] for entry in history] == list(range(1, 41))


def test_only_the_readout_is_trained(model, statistics):
    before = [weight.numpy() for weight in model.weights]
    method = ReadoutBottleneck(model, LAYERS, statistics, learning_rate=0.1)
    own = method.network.get_weights()
    method.fit([(IMAGES[:8], LABELS[:8])], epochs=3)
    for weight, value in zip(model.weights, before):
        np.testing.assert_array_equal(weight.numpy(), value)
    assert all(np.abs(new - old).max() > 0 for new, old in zip(method.network.get_weights()[-2:], own[-2:]))


def test_chunks_change_nothing_and_maps_can_be_enlarged(model, statistics):
    whole = ReadoutBottleneck(model, ["half", "logits"], statistics[1:], upsample=True)(IMAGES[:7])
    parts = ReadoutBottleneck(model, ["half", "logits"], statistics[1:], upsample=True, batch_size=3)(IMAGES[:7])
    assert whole.maps.shape == (7, 8, 8)
    np.testing.assert_allclose(parts.maps, whole.maps, rtol=1e-4)
    np.testing.assert_allclose(whole.diagnostics["gap"] / whole.diagnostics["bits"], 0, atol=1e-5)
    for name in ("cross_entropy", "cross_entropy_restricted"):
        np.testing.assert_allclose(parts.diagnostics[name], whole.diagnostics[name], rtol=1e-3, atol=1e-5)
    assert "cross_entropy_restricted" not in ReadoutBottleneck(model, LAYERS, statistics, samples=0)(IMAGES).diagnostics


def test_survives_a_file(model, statistics, tmp_path):
    method = ReadoutBottleneck(model, LAYERS, statistics, middle="quarter", smoothing=0.7, learning_rate=0.1)
    method.fit([(IMAGES[:8], LABELS[:8])], epochs=2)
    method.save(tmp_path / "readout.npz")
    loaded = ReadoutBottleneck.load(model, tmp_path / "readout.npz")
    np.testing.assert_array_equal(loaded(IMAGES[:4]).maps, method(IMAGES[:4]).maps)
    np.savez(tmp_path / "other.npz", a=np.zeros(2))
    with pytest.raises(ValueError, match="expected what `ReadoutBottleneck.save` writes"):
        ReadoutBottleneck.load(model, tmp_path / "other.npz")


def test_what_does_not_fit_is_refused(model, statistics):
    method = ReadoutBottleneck(model, LAYERS, statistics)
    with pytest.raises(ValueError, match="targets are not accepted"):
        method(IMAGES[:2], 1)
    with pytest.raises(ValueError, match="data hold no batch"):
        method.fit([])
    with pytest.raises(ValueError, match="expected 3 FeatureStatistics"):
        ReadoutBottleneck(model, LAYERS, statistics[:2])
    with pytest.raises(ValueError, match="do not fit layer 'half'"):
        ReadoutBottleneck(model, ["half", "code"], statistics[:2])(IMAGES[:2])
    with pytest.raises(analysis.UnsupportedModelError, match="a map needs"):
        ReadoutBottleneck(model, ["logits"], statistics[2:])
    with pytest.raises(ValueError, match="middle='triple'"):
        ReadoutBottleneck(model, LAYERS, statistics, middle="triple")
