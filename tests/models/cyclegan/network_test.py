"""Tests of keras_repvis.models.cyclegan.network: what all four networks share."""

import keras
import numpy as np
import pytest

from keras_repvis import models

# With few weights, and each with its arguments.
SMALL = {
    "ResNetGenerator": {"blocks": 2, "filters": 4},
    "UNetGenerator": {"downsamplings": 3, "filters": 4},
    "PatchDiscriminator": {"layers": 2, "filters": 4},
    "PixelDiscriminator": {"filters": 4},
}
# One norm of each of the small ones.
NORMS = {"ResNetGenerator": "up_0_norm", "UNetGenerator": "up_1_norm", "PatchDiscriminator": "down_2_norm",
         "PixelDiscriminator": "pixel_1_norm"}  # fmt: skip


def build(kind, **arguments):
    return getattr(models, kind)(**{**SMALL[kind], **arguments})


@pytest.mark.parametrize("kind", SMALL)
def test_weights_at_the_start(kind):
    """Kernels N(0, 0.02), biases 0, gains of norms N(1, 0.02); the mean of n numbers within 5 / sqrt(n) deviations."""
    keras.utils.set_random_seed(0)
    model = build(kind, filters=48, norm="batch")
    for weight in model.trainable_weights:
        role, values = weight.path.rpartition("/")[2], np.array(weight)
        if role in ("bias", "beta"):
            assert not values.any()
            continue
        assert abs(values.mean() - (role == "gamma")) < 0.02 * 5 / np.sqrt(values.size), weight.path
        assert abs(values.std() / 0.02 - 1) < 5 / np.sqrt(2 * values.size), weight.path


def test_kernels_of_equal_shape_differ_and_the_global_seed_repeats_them():
    models_of_a_seed = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        models_of_a_seed.append(build("ResNetGenerator"))
    one, two = models_of_a_seed
    for first, second in zip(one.get_weights(), two.get_weights()):
        np.testing.assert_array_equal(first, second)
    kernels = [one.get_layer(f"block_{block}_{conv}_conv").get_weights()[0]
               for block in (1, 2) for conv in ("first", "second")]  # fmt: skip
    assert len({kernel.tobytes() for kernel in kernels}) == 4


@pytest.mark.parametrize("kind", SMALL)
def test_norms(kind):
    """Which layer it is, with which numbers, and whether the convolution before it has a bias."""
    found = {}
    for norm in ("instance", "instance_affine", "batch", "none"):
        model = build(kind, norm=norm)
        layers = {layer.name: layer for layer in model.layers}
        convolution = layers[NORMS[kind].replace("norm", "conv")]
        found[norm] = (type(layers.get(NORMS[kind])).__name__, convolution.use_bias)
        if norm != "none":
            assert layers[NORMS[kind]].epsilon == 1e-5
    assert found == {
        "instance": ("InstanceNormalization", True),
        "instance_affine": ("InstanceNormalization", False),
        "batch": ("BatchNormalization", False),
        "none": ("NoneType", True),
    }
    assert build(kind, norm="batch").get_layer(NORMS[kind]).momentum == 0.9  # 1 - PyTorch's
    assert build(kind, norm="instance_affine").get_layer(NORMS[kind]).affine
    assert not build(kind).get_layer(NORMS[kind]).affine


@pytest.mark.parametrize("kind", SMALL)
def test_images_are_centred_by_the_first_layer_and_both_ends_are_in_full_precision(kind):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build(kind)
    finally:
        keras.config.set_dtype_policy(before)
    rescale = model.get_layer("rescale")
    np.testing.assert_allclose(rescale(np.array([0.0, 0.25, 1.0], "float32")), [-1.0, -0.5, 1.0])
    layers = model.layers[1:]
    full = [layer.name for layer in layers if layer.compute_dtype == "float32"]
    assert full[:2] == ["size", "rescale"] and "last_conv" in full and layers[-1].name in full
    assert {layer.compute_dtype for layer in layers if layer.name not in full} == {"bfloat16"}
    assert {"size", "rescale", "last_conv", "tanh", "unit_range"} >= set(full)
    assert model(np.full((1, 16, 16, 3), 0.5, "float32")).dtype == "float32"


@pytest.mark.parametrize("kind", SMALL)
def test_two_models_can_meet_in_one_graph(kind):
    one, two = build(kind), build(kind, input_shape=(16, 16, 1))
    assert one.name != two.name and one.name.startswith(kind[:4].lower())
    assert build(kind, name="mine").name == "mine"


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"input_shape": (32, 32)}, r"input_shape=\(32, 32\) is not accepted"),
        ({"input_shape": (32, 32, None)}, "input_shape=.*channels"),
        ({"input_shape": (32.0, 32, 3)}, "input_shape="),
        ({"input_shape": 3}, "input_shape=3"),
        ({"filters": 0}, "filters=0"),
        ({"norm": "instanc"}, "norm='instanc' is not known. Did you mean 'instance'"),
    ],
)
def test_bad_arguments_are_named(kind, arguments, message):
    with pytest.raises(ValueError, match=message):
        build(kind, **arguments)
