"""Tests of keras_repvis.models.mobilenet.network: what all MobileNets share."""

import inspect

import keras
import numpy as np
import pytest

from keras_repvis import models
from keras_repvis.models.mobilenet import network, records

NAMES = models.names()
WIDE_ENOUGH = {"width_multiplier": 0.25, "input_shape": (32, 32, 3)}


def small(name="mobilenet_v2", **arguments):
    return models.build(name, **{**WIDE_ENOUGH, "classes": 10, **arguments})


@pytest.mark.parametrize("name", NAMES)
def test_plain_keras_layers_and_finite_logits(name):
    model = small(name, classes=7)
    assert {type(layer).__module__.split(".")[0] for layer in model.layers} == {"keras"}
    assert model.name == name
    gated = any(layer.name.endswith("gate_scale") for layer in model.layers)
    assert gated == (name in ("mobilenet_v3_large", "mobilenet_v3_small"))
    images = np.random.default_rng(0).random((2, 32, 32, 3)).astype("float32")
    logits = np.array(model(images))
    assert logits.shape == (2, 7) and np.all(np.isfinite(logits)) and np.ptp(logits) > 0
    assert model.layers[-1].activation is keras.activations.linear


@pytest.mark.parametrize("name", NAMES)
def test_shared_arguments_are_documented(name):
    constructor = {function.__name__.lower(): function for function in vars_of_models()}[
        "".join(part for part in name.split("_") if part != "minimalistic")
    ]
    for argument in inspect.signature(constructor).parameters:
        assert f"\n    {argument}: " in inspect.cleandoc(constructor.__doc__), argument
    assert "{shared" not in constructor.__doc__


def vars_of_models():
    return [getattr(models, name) for name in dir(models) if name.startswith("MobileNet")]


def test_images_come_in_zero_to_one():
    """0.5 is the middle: with the stem's kernel alone it gives nothing."""
    model = small()
    probe = keras.Model(model.input, model.get_layer("stem_conv").output)
    assert np.all(np.array(probe(np.full((1, 32, 32, 3), 0.5, "float32"))) == 0)
    kernel = np.array(model.get_layer("stem_conv").kernel)
    white = np.array(probe(np.ones((1, 32, 32, 3), "float32")))[0, 5, 5]
    np.testing.assert_allclose(white, kernel.sum((0, 1, 2)), atol=1e-5)


@pytest.mark.parametrize("channels, size", [(1, (28, 28)), (4, (None, None)), (2, (1, 5))])
def test_any_image(channels, size):
    model = small(input_shape=(*size, channels))
    images = np.zeros((2, size[0] or 30, size[1] or 45, channels), "float32")
    assert np.array(model(images)).shape == (2, 10)


@pytest.mark.parametrize(
    "name, width_multiplier", [("mobilenet_v2", 0.02), ("mobilenet_v3_small", 0.37), ("mobilenet_v4_conv_small", 1.7)]
)
def test_any_width(name, width_multiplier):
    model = small(name, width_multiplier=width_multiplier, features_only=True)
    assert all(features.shape[-1] % 8 == 0 for features in model.outputs)


@pytest.mark.parametrize(
    "name, stem_strides",
    [("mobilenet_v1", 1), ("mobilenet_v2", 2), ("mobilenet_v3_small", 1), ("mobilenet_v4_conv_medium", 2)],
)
def test_features(name, stem_strides):
    model = small(name, input_shape=(64, 32, 3), features_only=True, stem_strides=stem_strides)
    strides = [stem_strides * 2**level for level in range(5)]
    assert list(model.output) == [f"stride_{stride}" for stride in strides]
    for stride, (stage, features) in zip(strides, model.output.items()):
        assert features.shape[1:3] == (64 // stride, 32 // stride), stage
    outputs = model(np.zeros((1, 64, 32, 3), "float32"))
    assert {stage: tuple(value.shape[1:]) for stage, value in outputs.items()} == {
        stage: tuple(value.shape[1:]) for stage, value in model.output.items()
    }


def test_features_are_those_of_the_classifier():
    classifier = small()
    features = small(features_only=True)
    features.set_weights(classifier.get_weights()[: len(features.weights)])
    images = np.random.default_rng(0).random((1, 32, 32, 3)).astype("float32")
    last = keras.Model(classifier.input, classifier.get_layer("block_17_project_norm").output)
    np.testing.assert_array_equal(features(images)["stride_32"], last(images))


def test_pooling():
    images = np.random.default_rng(0).random((2, 64, 64, 3)).astype("float32")
    bare = small(input_shape=(64, 64, 3), include_top=False)
    features = np.array(bare(images))
    assert features.shape == (2, 2, 2, 1280)
    for pooling, reduce in (("avg", np.mean), ("max", np.max)):
        pooled = small(input_shape=(64, 64, 3), include_top=False, pooling=pooling)
        pooled.set_weights(bare.get_weights())
        np.testing.assert_allclose(pooled(images), reduce(features, axis=(1, 2)), atol=1e-6)


def test_conventions_reach_every_layer():
    model = small(
        "mobilenet_v4_conv_small", batch_norm_momentum=0.7, batch_norm_epsilon=1e-5, kernel_initializer="he_normal"
    )
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert {(norm.momentum, norm.epsilon) for norm in norms} == {(0.7, 1e-5)}
    kernels = [layer.kernel_initializer for layer in model.layers if hasattr(layer, "filters")]
    kernels += [layer.depthwise_initializer for layer in model.layers if hasattr(layer, "depthwise_initializer")]
    kernels += [model.get_layer("logits").kernel_initializer]
    assert all(isinstance(initializer, keras.initializers.HeNormal) for initializer in kernels)


def test_seed_fixes_the_weights_and_no_two_kernels_are_equal():
    def weights():
        keras.utils.set_random_seed(5)
        return small().get_weights()

    first, second = weights(), weights()
    for one, other in zip(first, second):
        np.testing.assert_array_equal(one, other)
    kernels = [weight.tobytes() for weight in first if weight.ndim > 1]
    assert len(set(kernels)) == len(kernels)


def test_dropout_is_where_asked():
    assert small(dropout=0.4).get_layer("dropout").rate == 0.4
    assert not any(isinstance(layer, keras.layers.Dropout) for layer in small(dropout=0).layers)


def test_logits_stay_float32_under_mixed_precision():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = small()
    finally:
        keras.config.set_dtype_policy(policy)
    assert model.get_layer("block_2_expand").compute_dtype == "bfloat16"
    assert model(np.zeros((1, 32, 32, 3), "float32")).dtype == "float32"


def test_model_survives_saving(tmp_path):
    model = small("mobilenet_v3_small")
    model.save(tmp_path / "model.keras")
    images = np.random.default_rng(0).random((2, 32, 32, 3)).astype("float32")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(images), model(images))


def test_rows_unroll_with_one_stride():
    rows = records.unrolled((records.Universal(8, 3, 5, strides=2, repeats=3), records.Fused(4)))
    assert [row.strides for row in rows] == [2, 1, 1, 1]
    assert all(row.repeats == 1 for row in rows)


def test_last_layers_grow_but_do_not_shrink():
    assert [network.at_least(1280, alpha) for alpha in (0.35, 1.0, 1.3, 1.4)] == [1280, 1280, 1664, 1792]


@pytest.mark.parametrize(
    "argument, value",
    [
        ("input_shape", (32, 32)),
        ("input_shape", (32, 32, None)),
        ("input_shape", (0, 32, 3)),
        ("input_shape", 32),
        ("classes", 0),
        ("classes", 2.5),
        ("include_top", "yes"),
        ("features_only", "yes"),
        ("pooling", "mean"),
        ("pooling", "avg"),
        ("stem_strides", 3),
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("batch_norm_momentum", 1.5),
        ("batch_norm_epsilon", 0),
        ("kernel_initializer", "he_noraml"),
        ("width_multiplier", 0),
    ],
)
def test_bad_arguments_are_named(argument, value):
    with pytest.raises(ValueError, match=f"{argument}="):
        small(**{argument: value})
