"""Relevance propagation on whole networks: axioms, closed forms, models of every kind, refusals."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import analysis, models
from keras_repvis.analysis.attribution import LRP, LinearApproximation
from keras_repvis.layers import SqueezeExcite

layers = keras.layers
RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(size=(3, 8, 8, 2)).astype("float32")


def randomised(model, seed=1):
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        weights = [rng.normal(scale=0.5, size=w.shape) for w in layer.get_weights()]
        if isinstance(layer, layers.BatchNormalization):
            weights[-1] = weights[-1] ** 2 + 0.5
        layer.set_weights(weights)
    return model


def residual_network(norm=True, use_bias=True, seed=1):
    """Strides, padding, both poolings, batch normalisation, a depthwise convolution, a ReLU6, a residual sum."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((8, 8, 2))
    normalised = layers.BatchNormalization if norm else (lambda: lambda x: x)
    hidden = layers.Conv2D(4, 3, padding="same", use_bias=use_bias)(inputs)
    hidden = layers.ReLU()(normalised()(hidden))
    branch = layers.DepthwiseConv2D(3, padding="same", use_bias=use_bias)(hidden)
    branch = layers.ReLU()(normalised()(branch))
    branch = normalised()(layers.Conv2D(4, 1, use_bias=use_bias)(branch))
    # Where a branch may be negative z+ may find nothing positive to share by.
    branch = branch if norm else layers.ReLU()(branch)
    hidden = layers.Add()([hidden, branch])
    hidden = layers.MaxPooling2D(2)(layers.ReLU(name="joined")(hidden))
    hidden = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", use_bias=use_bias, name="top")(hidden)
    pooled = layers.Flatten()(layers.AveragePooling2D(2)(hidden))
    model = keras.Model(inputs, layers.Dense(3, use_bias=use_bias, name="logits")(pooled))
    return randomised(model, seed)


@pytest.fixture(scope="module")
def net():
    return residual_network()


@pytest.fixture(scope="module")
def bias_free():
    # One where z+ finds something positive to share by in every image.
    return residual_network(norm=False, use_bias=False, seed=4)


def close(found, expected, tolerance=1e-3):
    np.testing.assert_allclose(found, expected, atol=tolerance * np.abs(expected).max())


def test_lrp_0_of_a_network_of_rectifiers_is_gradient_times_input(net):
    for layer in (None, "joined"):
        expected = LinearApproximation(net, layer=layer)(IMAGES, [0, 1, 2])
        for composite, epsilon in (("zero", 1e-6), ("epsilon", 1e-9)):
            found = LRP(net, composite, layer=layer, epsilon=epsilon)(IMAGES, [0, 1, 2])
            close(found.maps, expected.maps)
            np.testing.assert_allclose(found.diagnostics["score"], expected.diagnostics["score"], rtol=1e-5)
            share = 1 - expected.diagnostics["constant"] / expected.diagnostics["score"]
            np.testing.assert_allclose(found.diagnostics["conservation"], share, rtol=1e-3, atol=1e-3)


def test_relu6_that_does_not_saturate_too():
    inputs = keras.Input((8, 8, 2))
    hidden = layers.Conv2D(4, 3, activation="relu6")(inputs)
    model = randomised(keras.Model(inputs, layers.Dense(2)(layers.Flatten()(hidden))))
    assert analysis.Representation(model, "spatial")(IMAGES).max() < 6
    close(LRP(model, "zero")(IMAGES, 0).maps, LinearApproximation(model, layer=None)(IMAGES, 0).maps)


@pytest.mark.parametrize(
    "composite",
    ["zero", "gamma", "alpha1_beta0", "alpha2_beta1", "w_square", "flat", "epsilon_plus", "epsilon_plus_flat",
     "epsilon_alpha2_beta1", "epsilon_alpha2_beta1_flat", "epsilon_gamma_box"],
)
def test_without_biases_relevance_is_conserved(bias_free, composite):
    result = LRP(bias_free, composite)(IMAGES, [2, 0, 1])
    assert np.abs(result.diagnostics["score"]).min() > 0.1
    np.testing.assert_allclose(result.diagnostics["conservation"], 1, rtol=2e-3)


@pytest.mark.parametrize("layer", ["top", "joined"])
def test_and_at_every_layer(bias_free, layer):
    result = LRP(bias_free, "epsilon_plus", layer=layer)(IMAGES, [2, 0, 1])
    np.testing.assert_allclose(result.diagnostics["conservation"], 1, rtol=2e-4)


def test_rules_that_have_no_bias_conserve_with_biases_too(net):
    for composite in ("flat", "w_square"):
        np.testing.assert_allclose(LRP(net, composite)(IMAGES).diagnostics["conservation"], 1, rtol=1e-4)
    kept, dropped = (LRP(net, "epsilon_plus", layer="top", bias=bias)(IMAGES) for bias in ("keep", "zero"))
    np.testing.assert_allclose(dropped.diagnostics["conservation"], 1, rtol=1e-3)
    assert (np.abs(kept.diagnostics["conservation"] - 1) > 1e-2).any()


@pytest.mark.parametrize("composite", ["flat", "w_square"])
def test_padding_takes_no_part(composite):
    """A layer that pads with zeros, or a dilated convolution that does, is as good as "same" padding."""
    convs = [layers.Conv2D(3, 3, padding="same"), layers.Conv2D(2, 3, dilation_rate=2, padding="same")]
    valid = [layers.Conv2D(3, 3), layers.Conv2D(2, 3, dilation_rate=2)]
    maps = []
    for pair, paddings in ((convs, (0, 0)), (valid, (1, 2))):
        inputs = keras.Input((8, 8, 2))
        hidden = inputs
        for conv, padding in zip(pair, paddings):
            hidden = layers.ReLU()(conv(layers.ZeroPadding2D(padding)(hidden) if padding else hidden))
        averaged = layers.AveragePooling2D(3)(layers.ZeroPadding2D(((1, 0), (0, 1)))(hidden))
        model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(averaged)))
        model.set_weights([np.random.default_rng(2).normal(size=w.shape) for w in model.get_weights()])
        result = LRP(model, composite)(IMAGES, 1)
        np.testing.assert_allclose(result.diagnostics["conservation"], 1, rtol=1e-4)
        maps.append(result.maps)
    close(maps[1], maps[0], 1e-5)


def test_residual_sums_split_in_proportion():
    """y = (a x + b x) w: the ways through a and b take a x and b x parts of the relevance; only one is seen."""
    inputs = keras.Input((8, 8, 2))
    ways = [layers.DepthwiseConv2D(1, use_bias=False, name=name)(inputs) for name in ("a", "b")]
    joined = layers.ReLU()(layers.Add()(ways))
    model = randomised(keras.Model(inputs, layers.Dense(2, use_bias=False)(layers.Flatten()(joined))))
    a, b = (model.get_layer(name).get_weights()[0][0, 0, :, 0] for name in ("a", "b"))
    w = model.layers[-1].get_weights()[0][:, 1].reshape(8, 8, 2)
    active = IMAGES * (a + b) > 0
    close(LRP(model, "epsilon_plus", layer="a", epsilon=1e-9)(IMAGES, 1).maps, (IMAGES * a * w * active).sum(-1))
    close(LRP(model, "epsilon_plus", layer="b", epsilon=1e-9)(IMAGES, 1).maps, (IMAGES * b * w * active).sum(-1))


@keras.saving.register_keras_serializable("layer_wise_relevance_test")
class Subclassed(keras.Model):
    def __init__(self, inner, head, **options):
        super().__init__(**options)
        self.inner, self.head = inner, head

    def call(self, inputs):
        return self.head(tf.reduce_mean(tf.nn.relu(self.inner(inputs)), axis=(1, 2)))


def test_nested_subclassed_and_shared_layers():
    inputs = keras.Input((8, 8, 2))
    stem, shared, norm = layers.Conv2D(3, 3, padding="same"), layers.Conv2D(3, 3), layers.BatchNormalization()
    inner = keras.Model(inputs, norm(shared(shared(layers.ReLU()(stem(inputs))))), name="inner")
    head = layers.Dense(2)
    subclassed = Subclassed(inner, head)
    subclassed(IMAGES)
    randomised(inner), head.set_weights([RNG.normal(size=w.shape) for w in head.get_weights()])
    flat_inputs = keras.Input((8, 8, 2))
    first, second = layers.Conv2D(3, 3), layers.Conv2D(3, 3)
    flat = second(first(layers.ReLU()(stem(flat_inputs))))
    pooled = layers.GlobalAveragePooling2D()(layers.ReLU()(norm(flat)))
    flat = keras.Model(flat_inputs, head(pooled))
    first.set_weights(shared.get_weights()), second.set_weights(shared.get_weights())
    nested_inputs = keras.Input((8, 8, 2))
    nested = layers.GlobalAveragePooling2D()(keras.ops.relu(inner(nested_inputs)))
    nested = keras.Model(nested_inputs, head(nested))
    expected = LRP(flat, "epsilon_gamma_box")(IMAGES, 1).maps
    assert np.abs(expected).max() > 0
    for model in (nested, subclassed):
        close(LRP(model, "epsilon_gamma_box")(IMAGES, 1).maps, expected, 1e-5)
    function = tf.function(lambda images: flat(images, training=False))
    close(LRP(lambda images: flat(images, training=False), "epsilon_gamma_box")(IMAGES, 1).maps, expected, 1e-5)
    close(LRP(function, "epsilon_gamma_box")(IMAGES, 1).maps, expected, 1e-5)


def test_where_it_stops():
    """Above pooled positions R_u = sum_k a_uk w_k / positions; a convolution's output has what its activation has."""
    inputs = keras.Input((8, 8, 2))
    hidden = layers.BatchNormalization(name="norm")(layers.Conv2D(4, 3, name="conv")(inputs))
    pooled = layers.GlobalAveragePooling2D()(layers.ReLU(name="relu")(hidden))
    model = randomised(keras.Model(inputs, layers.Dense(2, name="logits")(pooled)))
    code = analysis.Representation(model, "relu")(IMAGES)
    w, b = model.get_layer("logits").get_weights()
    found = {name: LRP(model, layer=name, epsilon=1e-9)(IMAGES, 1) for name in ("relu", "norm", "conv")}
    close(found["relu"].maps, (code @ w[:, 1]) / 36)
    score = found["relu"].diagnostics["score"]
    np.testing.assert_allclose(found["relu"].diagnostics["conservation"], (score - b[1]) / score, rtol=1e-4)
    for name in ("norm", "conv"):
        np.testing.assert_array_equal(found[name].maps, found["relu"].maps)
    with pytest.raises(ValueError, match="layer has outputs"):
        LRP(model, layer="logits")(IMAGES, 1)


def test_a_layer_that_not_all_ways_pass_gets_its_part(net):
    """The shortcut of a residual block carries its own part past the branch."""
    names = [layer.name for layer in net.layers]
    branch = names[names.index(net.get_layer("joined").name) - 2]
    whole = LRP(net, "flat", layer="joined")(IMAGES, 0).diagnostics["conservation"]
    part = LRP(net, "flat", layer=branch)(IMAGES, 0).diagnostics["conservation"]
    np.testing.assert_allclose(whole, 1, rtol=1e-5)
    np.testing.assert_allclose(part, 0.5, rtol=1e-5)


def test_targets(net):
    logits = net.predict(IMAGES, verbose=0)
    mask = np.array([0.5, 0.0, -2.0], "float32")
    single = [LRP(net, "zero")(IMAGES, target).maps for target in (0, 2)]
    for targets in (mask, lambda outputs: 0.5 * outputs[:, 0] - 2.0 * outputs[:, 2]):
        found = LRP(net, "zero")(IMAGES, targets)
        close(found.maps, 0.5 * single[0] - 2.0 * single[1])
        np.testing.assert_allclose(found.diagnostics["score"], logits @ mask, rtol=1e-4)
    best = LRP(net)(IMAGES)
    np.testing.assert_array_equal(best.diagnostics["target"], logits.argmax(-1))
    for targets in (lambda y: tf.nn.softmax(y)[:, 0], lambda y: y[:, 0] * y[:, 1], lambda y: y[:, 0] + 1.0):
        with pytest.raises(analysis.UnsupportedModelError, match="not a linear function of the outputs"):
            LRP(net)(IMAGES, targets)
    with pytest.raises(analysis.UnsupportedModelError, match="Relevance starts at logits"):
        LRP(net, score="softmax")(IMAGES, 0)


def test_one_of_several_outputs():
    inputs = keras.Input((8, 8, 2))
    hidden = layers.ReLU()(layers.Conv2D(3, 3)(inputs))
    logits = layers.Dense(2)(layers.Flatten()(hidden))
    both = keras.Model(inputs, {"features": hidden, "logits": logits})
    expected = LRP(keras.Model(inputs, logits))(IMAGES, 1).maps
    np.testing.assert_allclose(LRP(both)(IMAGES, lambda y: y["logits"][:, 1]).maps, expected, rtol=1e-5, atol=1e-7)


def test_batches_and_the_model_are_left_as_they_are(net):
    before = [np.array(weight) for weight in net.weights]
    gradient = LinearApproximation(net, layer=None)(IMAGES, 1).maps
    whole, cut = (LRP(net, batch_size=size)(IMAGES, [0, 1, 2]) for size in (32, 1))
    close(cut.maps, whole.maps, 1e-4)
    for weight, value in zip(net.weights, before):
        np.testing.assert_array_equal(weight, value)
    np.testing.assert_array_equal(LinearApproximation(net, layer=None)(IMAGES, 1).maps, gradient)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_is_close_to_single(policy):
    def build():
        keras.utils.set_random_seed(3)
        inputs = keras.Input((8, 8, 2))
        hidden = layers.Activation("hard_silu")(layers.BatchNormalization()(layers.Conv2D(8, 3)(inputs)))
        hidden = layers.MaxPooling2D(2)(layers.Add()([hidden, layers.ZeroPadding2D(1)(layers.Conv2D(8, 3)(hidden))]))
        pooled = layers.GlobalAveragePooling2D()(SqueezeExcite()(hidden))
        return keras.Model(inputs, layers.Dense(3, dtype="float32")(pooled))

    single = build()
    keras.config.set_dtype_policy(policy)
    try:
        half = build()
    finally:
        keras.config.set_dtype_policy("float32")
    for composite in ("epsilon_plus", "epsilon_gamma_box"):
        expected, found = (LRP(model, composite)(IMAGES, 1).maps for model in (single, half))
        assert found.dtype == np.float32
        # bfloat16 holds 8 bits of a number, float16 11.
        assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > (0.9 if policy == "mixed_bfloat16" else 0.99)


def test_wrong_arguments_are_named(net):
    for options, message in [
        ({"composite": "epsilon_pluss"}, "Did you mean 'epsilon_plus'"),
        ({"bias": "none"}, "bias='none' is not known"),
        ({"epsilon": 0}, "epsilon=0 is not accepted"),
        ({"gamma": -1}, "gamma=-1 is not accepted"),
        ({"bounds": (1, 0)}, r"bounds=\(1, 0\) is not accepted"),
        ({"layer": "cnv"}, "layer='cnv' is not known"),
    ]:
        with pytest.raises(ValueError, match=message):
            LRP(net, **options)(IMAGES)
    with pytest.raises(ValueError, match="dense='z_box' is not known"):
        analysis.attribution.Composite(convolution="zero", dense="z_box")


def test_flat_conserves_through_every_gate_and_sum_of_mobilenet_v3():
    keras.utils.set_random_seed(4)
    model = models.MobileNetV3Small((32, 32, 1), width_multiplier=0.1, classes=3)
    result = LRP(model, "flat")(RNG.random((2, 32, 32, 1), "float32"))
    np.testing.assert_allclose(result.diagnostics["conservation"], 1, rtol=1e-3)


def test_images_of_any_size():
    keras.utils.set_random_seed(5)
    conv, gate, head = layers.Conv2D(4, 3, strides=2, padding="same"), SqueezeExcite(), layers.Dense(2)
    maps = []
    for size in (8, None):
        inputs = keras.Input((size, size, 2))
        hidden = layers.UpSampling2D(2)(layers.ZeroPadding2D(1)(gate(layers.ReLU()(conv(inputs)))))
        model = keras.Model(inputs, head(layers.GlobalMaxPooling2D()(layers.Add()([hidden, hidden[:, ::-1]]))))
        maps.append(LRP(model)(IMAGES, 1).maps)
    np.testing.assert_allclose(maps[1], maps[0], rtol=1e-5, atol=1e-8)
