"""Any layer of any model as a map from images to codes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import analysis, models
from keras_repvis.analysis import Representation

layers = keras.layers
IMAGES = np.random.default_rng(0).random((5, 16, 16, 3), "float32")


def _inner(name="inner"):
    inputs = keras.Input((16, 16, 3))
    hidden = layers.Conv2D(4, 3, strides=2, name="conv")(inputs)
    return keras.Model(inputs, layers.ReLU(6.0, name="relu")(layers.BatchNormalization(name="norm")(hidden)), name=name)


def _functional(inner=None):
    inputs = keras.Input((16, 16, 3))
    hidden = (inner or _inner())(inputs)
    pooled = layers.GlobalAveragePooling2D(name="pool")(hidden)
    return keras.Model(inputs, layers.Dense(3, name="logits")(pooled), name="outer")


@keras.saving.register_keras_serializable("representation_test")
class Subclassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = _inner()
        self.pool = layers.GlobalAveragePooling2D(name="pool")
        self.logits = layers.Dense(3, name="logits")

    def call(self, inputs):
        return self.logits(self.pool(self.inner(inputs)))


@pytest.mark.parametrize("make", [_functional, Subclassed])
@pytest.mark.parametrize(
    "layer, path", [(None, "inner/relu"), ("norm", "inner/norm"), ("inner/conv", "inner/conv"), (0, "inner/conv"),
                    (-1, "logits"), (-2, "pool"), ("inner", "inner"), ("output", "output")]
)
def test_agrees_with_the_layers_called_one_by_one(make, layer, path):
    keras.utils.set_random_seed(1)
    model = make()
    model(IMAGES)
    inner = model.get_layer("inner")
    conv = inner.get_layer("conv")(IMAGES)
    norm = inner.get_layer("norm")(conv)
    relu = tf.clip_by_value(norm, 0, 6)
    pool = tf.reduce_mean(relu, axis=(1, 2))
    expected = {"inner/conv": conv, "inner/norm": norm, "inner/relu": relu, "inner": relu, "pool": pool}
    expected["logits"] = expected["output"] = model.get_layer("logits")(pool)
    phi = Representation(model, layer, batch_size=2)
    code = phi(IMAGES)
    assert phi.paths(IMAGES) == (path,) and code.dtype == np.float32
    np.testing.assert_allclose(code, expected[path], rtol=0, atol=1e-6)


def test_several_layers_come_as_a_list():
    model = _functional()
    codes = Representation(model, ["conv", None, -1])(IMAGES)
    assert [code.shape for code in codes] == [(5, 7, 7, 4), (5, 7, 7, 4), (5, 3)]
    for code, layer in zip(codes, ["conv", "relu", "logits"]):
        np.testing.assert_array_equal(code, Representation(model, layer)(IMAGES))


def test_a_shared_layer_has_a_code_a_call():
    inputs = keras.Input((16, 16, 3))
    inner = _inner()
    model = keras.Model(inputs, layers.Add(name="add")([inner(inputs), inner(-inputs)]))
    first, second = (Representation(model, f"{name}/conv")(IMAGES) for name in ("inner", "inner#2"))
    np.testing.assert_allclose(second, inner.get_layer("conv")(-IMAGES), rtol=0, atol=1e-6)
    assert np.abs(first - second).max() > 0.1
    with pytest.raises(ValueError, match=r"layer='conv' means several calls. Accepted: inner/conv#1, inner#2/conv#1"):
        Representation(model, "conv")(IMAGES)
    with pytest.raises(ValueError, match=r"layer='inner' means several calls. Accepted: inner#1, inner#2"):
        Representation(model, "inner")(IMAGES)
    assert Representation(model, "inner#2").paths(IMAGES) == ("inner#2",)


def test_gradients_flow_between_inputs_codes_and_outputs():
    model = _functional()
    phi = Representation(model)
    images = tf.constant(IMAGES)

    @tf.function
    def gradients():
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(images)
            (code,), outputs = phi.trace(images)
            score = tf.reduce_sum(outputs[:, 1])
        return tape.gradient(score, code), tape.gradient(score, images), tape.gradient(code, images), code

    of_code, of_images, through, code = gradients()
    kernel = model.get_layer("logits").kernel[:, 1]
    np.testing.assert_allclose(of_code, np.broadcast_to(kernel / 49.0, code.shape), rtol=1e-5)
    with tf.GradientTape() as tape:
        tape.watch(images)
        score = tf.reduce_sum(model(images)[:, 1])
    np.testing.assert_allclose(of_images, tape.gradient(score, images), rtol=0, atol=1e-6)
    assert np.abs(through).max() > 0


def test_several_inputs_and_outputs():
    inputs = {"left": keras.Input((16, 16, 3), name="left"), "right": keras.Input((4,), name="right")}
    conv = layers.Conv2D(2, 3, activation="relu", name="conv")(inputs["left"])
    dense = layers.Dense(2, name="dense")(inputs["right"])
    model = keras.Model(inputs, {"conv": conv, "dense": dense})
    batch = {"left": IMAGES, "right": np.ones((5, 4), "float32")}
    np.testing.assert_allclose(Representation(model, batch_size=2)(batch), model(batch)["conv"], rtol=0, atol=1e-6)
    assert Representation(model, "dense")(batch).shape == (5, 2)
    with pytest.raises(analysis.UnsupportedModelError, match="layer='output' puts out 2 tensors"):
        Representation(model, "output")(batch)
    with pytest.raises(ValueError, match=r"inputs of \[4, 5\] examples"):
        Representation(model)({"left": IMAGES[:4], "right": batch["right"]})


def test_mixed_precision_gives_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = _functional()
    finally:
        keras.config.set_dtype_policy("float32")
    code = Representation(model, "conv")(IMAGES)
    assert code.dtype == np.float32
    np.testing.assert_array_equal(code, tf.cast(tf.cast(code, "bfloat16"), "float32"))


def test_a_reloaded_model_and_a_saved_model(tmp_path):
    model = _functional()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for layer in (None, "inner/norm", "logits"):
        np.testing.assert_array_equal(Representation(again, layer)(IMAGES), Representation(model, layer)(IMAGES))
    model.export(tmp_path / "saved", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    np.testing.assert_allclose(Representation(loaded.serve)(IMAGES), model(IMAGES), rtol=0, atol=1e-6)
    with pytest.raises(analysis.UnsupportedModelError, match="cannot be seen"):
        Representation(loaded.serve, "conv")


def test_inference_mode_and_any_batch_size():
    inputs = keras.Input((16, 16, 3))
    model = keras.Model(inputs, layers.Conv2D(2, 3, activation="elu")(layers.Dropout(0.9)(inputs)))
    whole = Representation(model)(IMAGES)
    for size in (1, 2, 5):
        np.testing.assert_allclose(Representation(model, batch_size=size)(IMAGES), whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "make, path",
    [
        (lambda x: layers.Conv2D(2, 3, activation="relu6", name="a")(x), "a"),
        (lambda x: layers.Conv2D(2, 3, name="b")(layers.Conv2D(2, 3, activation="hard_swish", name="a")(x)), "a"),
        (lambda x: keras.ops.relu(layers.Conv2D(2, 3, name="a")(x)), "relu"),
        (lambda x: layers.Conv2D(2, 16, activation="relu", name="b")(layers.LeakyReLU(name="a")(x)), "a"),
        (lambda x: layers.Activation("linear", name="b")(layers.Activation("tanh", name="a")(x)), "a"),
    ],
)
def test_the_last_spatial_activation(make, path):
    inputs = keras.Input((16, 16, 3))
    found = Representation(keras.Model(inputs, make(inputs))).paths(IMAGES)[0]
    assert found.partition("_")[0] == path


def test_what_there_is_not():
    model = _functional()
    with pytest.raises(ValueError, match="layer='cnv' is not known.*Accepted: inner, inner/conv"):
        Representation(model, "cnv")(IMAGES)
    with pytest.raises(ValueError, match="layer=5 is not accepted: there are 5 elementary layers"):
        Representation(model, 5)(IMAGES)
    for layer in (1.5, True, []):
        with pytest.raises(ValueError, match="layer="):
            Representation(model, layer)
    with pytest.raises(ValueError, match="model='net'"):
        Representation("net")
    for size in (0, 1.5):
        with pytest.raises(ValueError, match="batch_size="):
            Representation(model, batch_size=size)
    with pytest.raises(ValueError, match=r"inputs of \[0\] examples"):
        Representation(model)(IMAGES[:0])
    with pytest.raises(analysis.UnsupportedModelError, match="layer='output' puts out bool: expected numbers"):
        Representation(lambda images: images > 0)(IMAGES)
    with pytest.raises(ValueError, match="one layer is replaced at a time"):
        Representation(model, ["conv", "relu"]).replace(IMAGES, lambda code: code)
    inputs = keras.Input((16, 16, 3))
    flat = keras.Model(inputs, layers.Flatten()(layers.Conv2D(2, 3, name="plain")(inputs)))
    with pytest.raises(analysis.UnsupportedModelError, match="no layer of .* to be an activation.*Name one: plain"):
        Representation(flat)(IMAGES)


def test_images_of_any_size():
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3, activation="relu")(inputs)))
    phi = Representation(model)
    for size in (16, 12, 10):
        images = IMAGES[:, :size, :size]
        expected = model.layers[1](images)
        assert phi(images).shape == (5, size - 2, size - 2, 2)
        np.testing.assert_allclose(phi(images), expected, rtol=0, atol=1e-6)


def test_networks_of_this_package():
    for name in ("mobilenet_v1", "mobilenet_v2", "mobilenet_v3_small"):
        model = models.build(name, input_shape=(64, 64, 3), classes=4, width_multiplier=0.25)
        images = np.zeros((1, 64, 64, 3), "float32")
        code = Representation(model)(images)
        assert code.shape[:3] == (1, 2, 2)


@pytest.mark.parametrize("make", [_functional, Subclassed])
def test_a_code_is_replaced_and_the_model_goes_on_from_it(make):
    model = make()
    model(IMAGES)
    phi = Representation(model)

    @tf.function(autograph=False)
    def halved(images):
        return phi.replace(images, lambda code: code / 2)

    pooled = phi(IMAGES).mean(axis=(1, 2)) / 2
    expected = pooled @ model.get_layer("logits").kernel.numpy() + model.get_layer("logits").bias.numpy()
    np.testing.assert_allclose(halved(IMAGES), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(phi.replace(IMAGES, lambda code: code), model(IMAGES), rtol=1e-5, atol=1e-6)


def test_of_a_shared_layer_one_call_is_replaced():
    inputs = keras.Input((4,))
    shared = layers.Dense(4, use_bias=False, name="dense")
    model = keras.Model(inputs, shared(shared(inputs)))
    kernel = shared.kernel.numpy()
    x = np.ones((2, 4), "float32")
    for path, expected in (("dense#1", 3 * x @ kernel), ("dense#2", 3 * x)):
        found = Representation(model, path).replace(x, lambda code: 3 * tf.ones_like(code))
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    with pytest.raises(ValueError, match="expected its shape"):
        Representation(model, "dense#1").replace(x, lambda code: code[:, :2])
    with pytest.raises(analysis.UnsupportedModelError, match="layer='output'"):
        Representation(model, "output").replace(x, lambda code: code)
