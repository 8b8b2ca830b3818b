"""What every method takes: targets of four kinds, models of any kind, several inputs and outputs, any batch size."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import analysis
from keras_repvis.analysis.attribution import Gradient, Method

layers = keras.layers
RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(size=(5, 4, 4, 2)).astype("float32")
WEIGHTS = RNG.normal(size=(4, 4, 2, 3)).astype("float32")


def linear(x):
    return tf.einsum("bhwk,hwkc->bc", x, WEIGHTS)


class Occluded(Method):
    """f(x) - f(x with each column blackened), to see what a method that changes images is given."""

    _changes_images = True

    def _explain(self, query):
        keep = 1.0 - np.eye(4, dtype="float32")  # (column blackened, column)
        changed = tf.reshape(query.images[:, None] * keep[None, :, None, :, None], (-1, *query.images.shape[1:]))
        fall = query.score(query.outputs())[:, None] - tf.reshape(query.score(query.outputs(changed)), (-1, 4))
        return tf.tile(fall[:, None], (1, 4, 1)), {"most": tf.reduce_max(fall, axis=1)}


def columns(weights, images):
    """What `Occluded` should return for f = <weights (batch, height, width, channels), x>."""
    return np.repeat((weights * images).sum(axis=(1, 3))[:, None], 4, axis=1)


BEST = np.asarray(linear(IMAGES)).argmax(-1)
MASK = np.array([[1.0, -2.0, 0.5]], "float32")
MASKS = RNG.normal(size=(5, 3)).astype("float32")
TARGETS = {
    "best": (None, np.eye(3)[BEST]),
    "class": (1, np.tile(np.eye(3)[1], (5, 1))),
    "classes": ([2, 0, 1, 2, 0], np.eye(3)[[2, 0, 1, 2, 0]]),
    "mask": (MASK[0], np.tile(MASK, (5, 1))),
    "masks": (MASKS, MASKS),
    "bool": (np.array([True, False, True]), np.tile([1.0, 0.0, 1.0], (5, 1))),
    "function": (lambda y: y[:, 0] - y[:, 2], np.tile([1.0, 0.0, -1.0], (5, 1))),
}


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("batch_size", [2, 32])
def test_every_kind_of_target_is_a_sum_of_outputs(kind, batch_size):
    targets, mask = TARGETS[kind]
    weights = np.einsum("hwkc,bc->bhwk", WEIGHTS, mask)
    result = Gradient(linear, reduction="sum", batch_size=batch_size)(IMAGES, targets)
    np.testing.assert_allclose(result.maps, weights.sum(-1), rtol=1e-5, atol=1e-5)
    score = (weights * IMAGES).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(result.diagnostics["score"], score, rtol=1e-4, atol=1e-5)
    result = Occluded(linear, batch_size=batch_size)(IMAGES, targets)
    np.testing.assert_allclose(result.maps, columns(weights, IMAGES), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(result.diagnostics["score"], score, rtol=1e-4, atol=1e-5)


def test_softmax_and_sigmoid_scores():
    outputs = np.asarray(linear(IMAGES))
    softmax = np.exp(outputs) / np.exp(outputs).sum(-1, keepdims=True)
    found = Gradient(linear, score="softmax")(IMAGES, 1).diagnostics["score"]
    np.testing.assert_allclose(found, softmax[:, 1], rtol=1e-4, atol=1e-6)
    found = Gradient(linear, score="sigmoid")(IMAGES, 1).diagnostics["score"]
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-outputs[:, 1])), rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="a distribution already"):
        Gradient(lambda x: tf.nn.softmax(linear(x)), score="softmax")(IMAGES, 1)


@keras.saving.register_keras_serializable("method_test")
class Subclassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.conv = layers.Conv2D(3, 3, activation="relu")
        self.head = layers.Dense(4)

    def call(self, inputs):
        return self.head(tf.reduce_mean(self.conv(inputs), axis=(1, 2)))


def test_subclassed_models_and_saved_models(tmp_path):
    model = Subclassed()
    model(IMAGES)
    expected = Gradient(model)(IMAGES, 2)
    with tf.GradientTape() as tape:
        x = tf.constant(IMAGES)
        tape.watch(x)
        score = model(x)[:, 2]
    np.testing.assert_allclose(expected.maps, np.abs(tape.gradient(score, x)).max(-1), rtol=1e-5, atol=1e-7)
    model.export(tmp_path / "saved", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "saved")
    found = Gradient(loaded.serve)(IMAGES, 2)
    np.testing.assert_allclose(found.maps, expected.maps, rtol=1e-5, atol=1e-7)
    with pytest.raises(ValueError, match="class index from 0 to 3"):
        Gradient(model)(IMAGES, 4)


def test_several_inputs_and_outputs():
    image, scale = keras.Input((4, 4, 2), name="image"), keras.Input((1,), name="scale")
    hidden = layers.Dense(3, name="dense")(layers.Flatten()(image))
    model = keras.Model({"image": image, "scale": scale}, {"scaled": hidden * scale, "plain": hidden})
    kernel = model.get_layer("dense").kernel.numpy().reshape(4, 4, 2, 3)
    factors = np.arange(5, dtype="float32")[:, None]
    inputs = {"image": IMAGES, "scale": factors}
    with pytest.raises(analysis.UnsupportedModelError, match="several outputs"):
        Gradient(model)(inputs, 1)
    result = Gradient(model, reduction="sum", batch_size=2)(inputs, lambda outputs: outputs["scaled"][:, 1])
    expected = factors[:, :, None] * kernel[..., 1].sum(-1)
    np.testing.assert_allclose(result.maps, expected, rtol=1e-5, atol=1e-6)
    result = Occluded(model, batch_size=2)(inputs, lambda outputs: outputs["scaled"][:, 1])
    expected = columns(factors[:, :, None, None] * kernel[..., 1], IMAGES)
    np.testing.assert_allclose(result.maps, expected, rtol=1e-4, atol=1e-5)


def test_of_two_images_one_is_named():
    first, second = keras.Input((4, 4, 2)), keras.Input((4, 4, 2))
    model = keras.Model([first, second], layers.Dense(2)(layers.Flatten()(first + 2 * second)))
    with pytest.raises(analysis.UnsupportedModelError, match="2 of them images: say which one"):
        Gradient(model)([IMAGES, IMAGES], 0)
    one, two = (Gradient(model, input_index=index)([IMAGES, IMAGES], 0).maps for index in (0, 1))
    np.testing.assert_allclose(2 * one, two, rtol=1e-5)


def test_outputs_without_classes_need_a_mask():
    image = keras.Input((4, 4, 2))
    model = keras.Model(image, image * 2.0)
    with pytest.raises(analysis.UnsupportedModelError, match="have no classes"):
        Gradient(model)(IMAGES)
    mask = np.zeros((4, 4, 2), "float32")
    mask[1, 2, 0] = 3.0
    maps = Gradient(model, reduction="sum")(IMAGES, mask).maps
    np.testing.assert_array_equal(maps, np.tile(2 * mask.sum(-1), (5, 1, 1)))


def test_functions_of_the_user_are_traced_once_each_and_not_kept_for_ever():
    method = Gradient(linear)
    for _ in range(12):
        method(IMAGES, lambda y: y[:, 0])
    assert len(method._compiled) <= 8

    traces = []

    def target(y):
        traces.append(1)
        return y[:, 0]

    for _ in range(3):
        method(IMAGES, target)
    assert len(traces) <= 2


@pytest.mark.parametrize(
    "targets", [lambda y: y, np.ones(2, "float32"), "cat", np.ones((5, 2), "float32"), np.ones((3, 5), "float32")]
)
def test_targets_that_do_not_fit_are_named(targets):
    with pytest.raises(ValueError, match="targets="):
        Gradient(linear)(IMAGES, targets)


def test_wrong_images_are_named():
    for images in (IMAGES[0], IMAGES[:0]):
        with pytest.raises(ValueError, match="images of shape"):
            Gradient(linear)(images)
    with pytest.raises(ValueError, match="not built"):
        Gradient(Subclassed())
    with pytest.raises(ValueError, match="score='logit' is not known"):
        Gradient(linear, score="logit")


def test_progress_grows_to_one():
    shares = []
    Gradient(linear, batch_size=2)(IMAGES, 0, progress=shares.append)
    assert shares == pytest.approx([0.4, 0.8, 1.0])
