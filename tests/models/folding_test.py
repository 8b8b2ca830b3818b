"""Tests of keras_repvis.models.folding: exact on every kind of layer and graph, and it leaves alone what it must."""

import keras
import numpy as np
import pytest

from keras_repvis import models
from keras_repvis.layers import InvertedResidual, SqueezeExcite
from keras_repvis.models import folding

LAYERS = keras.layers


def with_statistics(model, seed=0):
    """Give every batch norm weights of its own: the initial ones are close to the identity and hide mistakes."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if any(word in weight.path for word in ("gamma", "variance")):
            weight.assign(rng.uniform(0.5, 2, weight.shape))
        elif any(word in weight.path for word in ("beta", "mean", "bias")):
            weight.assign(rng.normal(0, 0.3, weight.shape))
    return model


def like_trained(model, images):
    """Give norms the statistics of a batch too; else an image fades or explodes on its way through a deep model."""
    rng = np.random.default_rng(0)
    with_statistics(model)
    for weight in model.weights:
        if "kernel" in weight.path:
            seen = weight.shape[:2] if weight.shape[-1] == 1 else weight.shape[:-1]  # depthwise: one channel
            weight.assign(rng.normal(0, np.sqrt(2 / np.prod(seen)), weight.shape))
    for layer in model._flatten_layers():
        if isinstance(layer, LAYERS.BatchNormalization):
            layer.momentum = 0.0  # the next training step's statistics become the moving ones
    model(images, training=True)
    return model


@pytest.fixture
def double_precision():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


def norms(model):
    return [layer for layer in model.layers if isinstance(layer, LAYERS.BatchNormalization)]


def chain(*layers, shape=(9, 8, 4)):
    image = outputs = keras.Input(shape)
    for layer in layers:
        outputs = layer(outputs)
    return with_statistics(keras.Model(image, outputs))


def difference(model, folded, *shape):
    images = np.random.default_rng(1).normal(size=shape).astype("float32")
    pairs = zip(keras.tree.flatten(model(images)), keras.tree.flatten(folded(images)))
    return max(float(np.max(np.abs(np.array(one) - np.array(other)))) for one, other in pairs)


@pytest.mark.parametrize(
    "name",
    [
        "mobilenet_v1",
        "mobilenet_v2",
        "mobilenet_v3_small",
        "mobilenet_v3_large_minimalistic",
        "mobilenet_v4_conv_medium",
    ],
)
def test_mobilenets_lose_every_norm_and_no_digit(name, double_precision):
    """In float64, because random deep networks magnify the rounding of float32; that follows below."""
    images = np.random.default_rng(1).random((8, 32, 32, 3))
    model = like_trained(models.build(name, input_shape=(32, 32, 3), width_multiplier=0.25, classes=10), images)
    folded = models.fold_batch_norm(model, tolerance=1e-9)
    assert norms(model) and not norms(folded)
    assert len(folded.layers) == len(model.layers) - len(norms(model))
    expected, actual = np.array(model(images)), np.array(folded(images))
    assert np.max(np.abs(expected[0] - expected[1])) > 0.1  # the image gets through
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v4_conv_small"])
def test_mobilenets_in_single_precision(name):
    model = with_statistics(models.build(name, input_shape=(32, 32, 3), width_multiplier=0.25, classes=10))
    folded = models.fold_batch_norm(model)
    assert not norms(folded)
    assert difference(model, folded, 2, 32, 32, 3) < 1e-5


KINDS = {
    "conv": lambda: LAYERS.Conv2D(6, 3, strides=2, padding="same"),
    "without bias": lambda: LAYERS.Conv2D(6, 3, use_bias=False),
    "grouped": lambda: LAYERS.Conv2D(6, 3, groups=2),
    "dilated": lambda: LAYERS.Conv2D(6, 3, dilation_rate=2),
    "depthwise": lambda: LAYERS.DepthwiseConv2D(3),
    "depthwise, three a channel": lambda: LAYERS.DepthwiseConv2D(3, depth_multiplier=3),
    "separable": lambda: LAYERS.SeparableConv2D(6, 3, depth_multiplier=2),
    "transposed": lambda: LAYERS.Conv2DTranspose(6, 3, strides=2),
    "dense": lambda: LAYERS.Dense(6),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("arguments", [{}, {"scale": False}, {"center": False}, {"epsilon": 0.1}])
def test_each_kind_of_layer(kind, arguments):
    model = chain(KINDS[kind](), LAYERS.BatchNormalization(**arguments), LAYERS.ReLU())
    folded = models.fold_batch_norm(model)
    assert len(folded.layers) == 3
    assert difference(model, folded, 2, 9, 8, 4) < 1e-5


@pytest.mark.parametrize(
    "layer, shape",
    [
        (LAYERS.Conv1D(6, 3), (9, 4)),
        (LAYERS.Conv3D(6, 2), (5, 4, 3, 2)),
        (LAYERS.Conv1DTranspose(6, 3), (9, 4)),
        (LAYERS.Dense(6), (4,)),
    ],
)
def test_other_ranks(layer, shape):
    model = chain(layer, LAYERS.BatchNormalization(), shape=shape)
    folded = models.fold_batch_norm(model)
    assert not norms(folded) and difference(model, folded, 2, *shape) < 1e-5


def test_lora_is_merged():
    layer = LAYERS.Conv2D(6, 3)
    model = chain(layer, LAYERS.BatchNormalization())
    layer.enable_lora(2)
    layer.lora_kernel_b.assign(np.random.default_rng(0).normal(size=layer.lora_kernel_b.shape))
    folded = models.fold_batch_norm(model)
    assert len(folded.weights) == 2 and difference(model, folded, 2, 9, 8, 4) < 1e-5


LEFT_ALONE = {
    "norm before conv": lambda: chain(LAYERS.BatchNormalization(), LAYERS.Conv2D(6, 3)),
    "activation between": lambda: chain(LAYERS.Conv2D(6, 3, activation="relu"), LAYERS.BatchNormalization()),
    "layer between": lambda: chain(LAYERS.Conv2D(6, 3), LAYERS.MaxPooling2D(), LAYERS.BatchNormalization()),
    "other axis": lambda: chain(LAYERS.Conv2D(6, 3), LAYERS.BatchNormalization(axis=1)),
    "norm of the input": lambda: chain(LAYERS.BatchNormalization(), LAYERS.ReLU()),
}


@pytest.mark.parametrize("case", LEFT_ALONE)
def test_what_cannot_be_folded_stays(case):
    model = LEFT_ALONE[case]()
    folded = models.fold_batch_norm(model)
    assert len(norms(folded)) == 1 and len(folded.layers) == len(model.layers)
    assert difference(model, folded, 2, 9, 8, 4) < 1e-6


def test_a_convolution_with_another_reader_stays():
    image = keras.Input((8, 8, 3))
    features = LAYERS.Conv2D(4, 3)(image)
    normed = LAYERS.BatchNormalization()(features)
    for outputs in (features + normed, [features, normed], {"raw": features, "normed": normed}):
        model = with_statistics(keras.Model(image, outputs))
        folded = models.fold_batch_norm(model)
        assert len(norms(folded)) == 1
        assert difference(model, folded, 2, 8, 8, 3) < 1e-6


def test_residual_blocks_and_gates():
    image = keras.Input((8, 8, 8))
    hidden = InvertedResidual(8, squeeze_excite=0.25)(image)
    hidden = SqueezeExcite()(hidden + LAYERS.BatchNormalization()(LAYERS.Conv2D(8, 3, padding="same")(hidden)))
    model = with_statistics(keras.Model(image, InvertedResidual(8)(hidden)))
    folded = models.fold_batch_norm(model)
    assert not norms(folded)
    assert difference(model, folded, 2, 8, 8, 8) < 1e-5


def test_nested_models():
    backbone = models.MobileNetV2((32, 32, 3), width_multiplier=0.1, include_top=False, pooling="avg")
    image = keras.Input((32, 32, 3))
    head = keras.Sequential([keras.Input((1280,)), LAYERS.Dense(6), LAYERS.BatchNormalization()])
    model = with_statistics(keras.Model(image, head(backbone(LAYERS.RandomFlip()(image), training=False))))
    folded = models.fold_batch_norm(model)
    assert not norms(folded)
    assert difference(model, folded, 2, 32, 32, 3) < 1e-5


def test_shared_pairs_are_folded_once():
    pair = keras.Sequential([keras.Input((8, 8, 4)), LAYERS.Conv2D(4, 3, padding="same"), LAYERS.BatchNormalization()])
    first, second = keras.Input((8, 8, 4)), keras.Input((8, 8, 4))
    model = with_statistics(keras.Model([first, second], [pair(first), pair(pair(second))]))
    folded = models.fold_batch_norm(model)
    assert not norms(folded) and len(folded.weights) == 2
    images = list(np.random.default_rng(1).normal(size=(2, 3, 8, 8, 4)).astype("float32"))
    for one, other in zip(model(images), folded(images)):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("shared", ["conv", "norm"])
def test_half_shared_pairs_stay(shared):
    """One convolution before two norms, or two convolutions before one norm, have no common folded weights."""
    convs = [LAYERS.Conv2D(4, 1) for _ in range(1 if shared == "conv" else 2)] * (2 if shared == "conv" else 1)
    norm_layers = [LAYERS.BatchNormalization() for _ in range(2 if shared == "conv" else 1)]
    norm_layers *= 1 if shared == "conv" else 2
    image = keras.Input((8, 8, 4))
    outputs = [norm(conv(x)) for conv, norm, x in zip(convs, norm_layers, (image, LAYERS.ReLU()(image)))]
    model = with_statistics(keras.Model(image, outputs))
    folded = models.fold_batch_norm(model)
    assert len(norms(folded)) == len(norms(model))
    assert difference(model, folded, 2, 8, 8, 4) < 1e-5


def test_a_norm_that_always_trains_stays():
    image = keras.Input((8, 8, 4))
    model = keras.Model(image, LAYERS.BatchNormalization()(LAYERS.Conv2D(4, 3)(image), training=True))
    assert len(norms(models.fold_batch_norm(model))) == 1


def test_sequential_models():
    model = with_statistics(
        keras.Sequential([keras.Input((8, 8, 3)), LAYERS.Conv2D(4, 3), LAYERS.BatchNormalization(), LAYERS.Flatten()])
    )
    folded = models.fold_batch_norm(model)
    assert not norms(folded) and difference(model, folded, 2, 8, 8, 3) < 1e-5


def test_the_original_is_left_as_it_was():
    model = with_statistics(models.MobileNetV1((32, 32, 3), width_multiplier=0.25, classes=4))
    before, count = model.get_weights(), len(model.layers)
    folded = models.fold_batch_norm(model)
    for weight in folded.weights:
        weight.assign(weight + 1)
    assert len(model.layers) == count
    for weight, value in zip(model.weights, before):
        np.testing.assert_array_equal(weight, value)
    assert model.get_layer("stem_conv").output.shape == (None, 16, 16, 8)  # raises if the layer was called once more


def test_a_wrong_fold_is_noticed(monkeypatch):
    right = folding.folded_weights

    def wrong(layer, norm, dtype):
        kernel, bias = right(layer, norm, dtype)
        return [kernel * 1.001, bias]

    monkeypatch.setattr(folding, "folded_weights", wrong)
    with pytest.raises(ValueError, match="tolerance=1e-05 is exceeded.* changed an output by"):
        models.fold_batch_norm(chain(LAYERS.Conv2D(6, 3), LAYERS.BatchNormalization()))


def test_sample_of_the_user_is_used():
    """At a size that the default sample does not have."""
    model = chain(LAYERS.Conv2D(6, 70), LAYERS.BatchNormalization(), shape=(None, None, 1))
    folded = models.fold_batch_norm(model, sample=np.ones((1, 80, 80, 1), "float32"))
    assert not norms(folded)


def test_saved_and_loaded(tmp_path):
    folded = models.fold_batch_norm(with_statistics(models.MobileNetV1((32, 32, 3), width_multiplier=0.25)))
    folded.save(tmp_path / "folded.keras")
    images = np.random.default_rng(0).random((2, 32, 32, 3)).astype("float32")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "folded.keras")(images), folded(images))


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="tolerance=0"):
        models.fold_batch_norm(chain(LAYERS.Conv2D(6, 3), LAYERS.BatchNormalization()), tolerance=0)
    with pytest.raises(ValueError, match="model=.*functional"):
        models.fold_batch_norm(LAYERS.Dense(3))
