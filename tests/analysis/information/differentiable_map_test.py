import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import layers
from keras_repvis.analysis import UnsupportedModelError
from keras_repvis.analysis.information.differentiable_map import DifferentiableMap

RANDOM = np.random.default_rng(0)
POINT = RANDOM.random((4, 4, 3), "float32")


class Reversed(keras.layers.Layer):
    """Two layers in a subclassed one, one of them a loop."""

    def __init__(self, **options):
        super().__init__(**options)
        self.norm = keras.layers.LayerNormalization(epsilon=1e-2)

    def call(self, inputs):
        return tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, tf.sin(x)), (0, self.norm(inputs)))[1]


SMOOTH = {
    "attention": lambda x: keras.layers.Reshape((4, 4, 3))(
        keras.layers.MultiHeadAttention(2, 3)(*[keras.layers.Reshape((16, 3))(x)] * 2)
    ),
    "batch_norm": lambda x: keras.layers.BatchNormalization()(x),
    "depthwise": lambda x: keras.layers.DepthwiseConv2D(3, activation="tanh")(x),
    "fourier": lambda x: keras.ops.real(keras.ops.fft2((x, x * x))[0]),
    "gelu": lambda x: keras.layers.Activation("gelu")(x),
    "instance_norm": lambda x: keras.layers.GroupNormalization(-1, epsilon=1e-2)(x),
    "loop": lambda x: Reversed()(x),
    "pooling": lambda x: keras.layers.AveragePooling2D(2)(x) * keras.layers.MaxPooling2D(2)(x),
    "reflection": lambda x: keras.ops.pad(x * x, ((0, 0), (1, 1), (2, 1), (0, 0)), mode="reflect"),
    "transposed": lambda x: keras.layers.Conv2DTranspose(2, 3, 2, activation="sigmoid")(x),
}


def build(branch, shape=(4, 4, 3), **options):
    image = keras.Input(shape, **options)
    return keras.Model(image, branch(image), name="net")


def dense(found):
    """(J by columns, J by rows)"""
    output = found.values(POINT[None]).shape[1:]
    shapes = POINT.shape, output
    columns, rows = (np.eye(int(np.prod(shape)), dtype="float32").reshape(-1, *shape) for shape in shapes)
    return found.jvp(POINT, columns).reshape(len(columns), -1).T, found.vjp(POINT, rows).reshape(len(rows), -1)


@pytest.mark.parametrize("name", SMOOTH)
def test_both_products_are_the_jacobian_of_central_differences(name):
    keras.utils.set_random_seed(1)
    found = DifferentiableMap("model", build(SMOOTH[name]), 7)
    by_columns, by_rows = dense(found)
    np.testing.assert_allclose(by_columns, by_rows, atol=1e-5)
    steps = 1e-3 * np.eye(48, dtype="float32").reshape(-1, 4, 4, 3)
    differences = (found.values(POINT + steps) - found.values(POINT - steps)).reshape(48, -1) / 2e-3
    np.testing.assert_allclose(by_columns.T, differences, atol=5e-3 * max(1, np.abs(by_columns).max()))
    gaps = found.check(POINT)
    assert set(gaps) == {"batch_gap", "adjoint_gap", "derivative_gap"} and max(gaps.values()) < 0.05


def test_the_size_of_batches_changes_nothing():
    model = build(SMOOTH["depthwise"])
    many, few = (DifferentiableMap("model", model, size) for size in (64, 5))
    for one, other in zip(dense(many), dense(few)):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_mixed_precision_computes_in_float32_and_stays_as_it_was():
    def branch(image):
        inner = keras.Sequential([keras.layers.Conv2D(4, 3, activation="tanh"), keras.layers.GroupNormalization(-1)])
        return keras.layers.Conv2D(3, 1)(inner(image))

    keras.utils.set_random_seed(2)
    plain = build(branch)
    expected = dense(DifferentiableMap("model", plain, 16))
    for policy in ("mixed_float16", "mixed_bfloat16"):
        keras.config.set_dtype_policy(policy)
        try:
            mixed = build(branch)
        finally:
            keras.config.set_dtype_policy("float32")
        mixed.set_weights(plain.get_weights())
        for one, other in zip(dense(DifferentiableMap("model", mixed, 16)), expected):
            np.testing.assert_allclose(one, other, atol=1e-6)
        assert {layer.dtype_policy.name for layer in mixed._flatten_layers()} == {policy}
        half = policy.removeprefix("mixed_")
        assert mixed.layers[1].inputs[0].dtype == half and mixed(POINT[None]).dtype == half


def test_reloaded_models_and_functions_have_the_same_jacobian(tmp_path):
    keras.utils.set_random_seed(3)
    reduce = keras.layers.Conv2D(4, 3, strides=2)
    inner = keras.Sequential([reduce, layers.InstanceNormalization(), keras.layers.ReLU()])
    enlarge = keras.layers.UpSampling2D(2, interpolation="bilinear")
    model = build(lambda x: keras.layers.Conv2D(2, 1)(enlarge(inner(layers.ReflectionPadding(1)(x)))))
    model.save(tmp_path / "model.keras")
    model.export(tmp_path / "saved", verbose=False)
    expected = dense(DifferentiableMap("model", model, 64))
    loaded = tf.saved_model.load(tmp_path / "saved")
    for other in (keras.models.load_model(tmp_path / "model.keras"), loaded.serve):
        for one, found in zip(expected, dense(DifferentiableMap("model", other, 64))):
            np.testing.assert_allclose(found, one, atol=1e-5)


class Mixing(keras.layers.Layer):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, inputs):
        return self.function(inputs)


@tf.custom_gradient
def rounded(images):
    return tf.round(images * 255) / 255, lambda signal: signal


@tf.custom_gradient
def clipped(images):
    return tf.identity(images), lambda signal: tf.clip_by_value(signal, -0.5, 0.5)


@pytest.mark.parametrize(
    "function,message",
    [
        (lambda x: x - tf.reduce_mean(x, axis=0), "mixes the samples of a batch"),
        (lambda x: x * tf.stop_gradient(tf.reduce_mean(x, axis=0)), "mixes the samples of a batch"),
        (lambda x: tf.reverse(x, [0]), "mixes the samples of a batch"),
        (lambda x: tf.reduce_mean(x, axis=0, keepdims=True), "expected one for each"),
        (lambda x: x + tf.random.normal(tf.shape(x)), "other outputs at each call"),
        (lambda x: tf.round(x * 255) / 255, "no gradient reaches the image"),
        (lambda x: tf.zeros_like(x) + 0.5, "no gradient reaches the image"),
        (rounded, "straight-through"),
        (clipped, "gradients that are those of no function"),
        (lambda x: tf.cast(x * 255, "int32"), "int32: expected floats"),
        (lambda x: tf.cast(tf.cast(x, "float16"), "float32"), "in float16"),
        (lambda x: (x, x), "2 tensors"),
    ],
)
def test_models_that_have_no_jacobian_of_their_own_are_refused(function, message):
    for model in (build(Mixing(function)), function):
        with pytest.raises(UnsupportedModelError, match=message):
            DifferentiableMap("model", model, 8).check(POINT)


def test_straight_through_gradients_are_gradients_where_the_jacobian_is_not_asked_for():
    assert set(DifferentiableMap("model", rounded, 8).check(POINT, derivative=False)) == {"batch_gap"}


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="decoder=3 is not accepted"):
        DifferentiableMap("decoder", 3, 8)
    with pytest.raises(ValueError, match="batch_size=0"):
        DifferentiableMap("decoder", build(SMOOTH["gelu"]), 0)
    with pytest.raises(ValueError, match="is not built"):
        DifferentiableMap("decoder", keras.Sequential([keras.layers.Conv2D(1, 1)]), 8)
    one, two = keras.Input((4, 4, 3)), keras.Input((4, 4, 3))
    with pytest.raises(UnsupportedModelError, match="expected one image of floats"):
        DifferentiableMap("decoder", keras.Model([one, two], one + two), 8)
    with pytest.raises(UnsupportedModelError, match="uint8: expected one image of floats"):
        DifferentiableMap("decoder", build(lambda x: keras.ops.cast(x, "float32"), dtype="uint8"), 8)
    with pytest.raises(ValueError, match=r"images, 5, 4, 3\) are not accepted by decoder='net': expected \(None, 4, 4"):
        DifferentiableMap("decoder", build(SMOOTH["gelu"]), 8).check(np.zeros((5, 4, 3), "float32"))
    with pytest.raises(ArithmeticError, match="not finite"):
        DifferentiableMap("decoder", build(lambda x: keras.ops.log(x - 2)), 8).check(POINT)
