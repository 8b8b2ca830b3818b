"""The SavedModel keeps TensorFlow Hub's reusable interface; readers_test.py has other programs read it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.zoo import export


@pytest.fixture(scope="module", name="images")
def images_fixture():
    return np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3)).astype("float32") / 255


@pytest.fixture(scope="module", name="saved")
def saved_fixture(classifier, tmp_path_factory):
    directory = tmp_path_factory.mktemp("saved")
    return directory, export.save(classifier, directory)


@pytest.fixture(name="loaded")
def loaded_fixture(saved):
    return tf.saved_model.load(str(saved[0]))


def _save_and_load(model, directory):
    described = export.save(model, directory)
    return described, tf.saved_model.load(str(directory))


def test_describes_its_signatures(saved):
    logits = {"logits": {"dtype": "float32", "shape": [None, 4]}}
    assert saved[1] == {
        "serving_default": {"inputs": {"images": {"dtype": "float32", "shape": [None, 8, 8, 3]}}, "outputs": logits},
        "encoded_images": {"inputs": {"encoded": {"dtype": "string", "shape": [None]}}, "outputs": logits},
    }


def test_reaches_every_variable_by_gradient_in_training(classifier, loaded, images):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(loaded(images, training=True))) + sum(f() for f in loaded.regularization_losses)
    gradients = tape.gradient(loss, loaded.trainable_variables)
    assert len(gradients) == len(classifier.trainable_variables) == 5
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)


def test_training_moves_the_statistics_and_inference_does_not(classifier, loaded, images):
    before = [np.array(variable) for variable in loaded.variables]
    loaded(images)
    loaded(images, training=False)
    for old, variable in zip(before, loaded.variables):
        np.testing.assert_array_equal(old, variable)
    first, second = loaded(images, training=True), loaded(images, training=True)
    assert np.abs(first - second).max() > 1e-3, "dropout draws anew at every call"
    names = [variable.path for variable in classifier.variables]
    moved = {name for name, old, new in zip(names, before, loaded.variables) if np.any(old != np.array(new))}
    expected = {"norm/moving_mean", "norm/moving_variance"}
    assert {name.split("/", 1)[-1] if name.startswith("small/") else name for name in moved} >= expected
    # The one other thing that moves is the state of dropout's generator.
    assert len(moved) == 3


def test_moves_the_statistics_as_keras_does(classifier, loaded, images):
    copy = keras.models.clone_model(classifier)
    copy.set_weights(classifier.get_weights())
    copy(images, training=True)
    loaded(images, training=True)
    norm = copy.get_layer("norm")
    for expected in (norm.moving_mean, norm.moving_variance):
        gaps = [
            np.abs(np.array(variable) - np.array(expected)).max()
            for variable in loaded.variables
            if variable.shape == expected.shape
        ]
        assert min(gaps) < 1e-6


def test_regularisation_losses_are_those_of_keras(classifier, loaded):
    kernel, bias = classifier.layers[1].kernel, classifier.get_layer("logits").bias
    expected = [0.1 * np.sum(np.square(kernel)), 0.01 * np.sum(np.abs(bias))]
    np.testing.assert_allclose([loss() for loss in loaded.regularization_losses], expected, rtol=1e-6)
    np.testing.assert_allclose(expected, classifier.losses, rtol=1e-6)


def test_encoded_images_are_resized_and_grey_ones_widened(classifier, loaded):
    ramp = np.tile(np.arange(16, dtype="uint8")[:, None, None] * 16, (1, 24, 1))
    found = loaded.signatures["encoded_images"](encoded=tf.stack([tf.io.encode_png(ramp)]))["logits"]
    image = tf.image.resize(np.tile(ramp, (1, 1, 3)) / np.float32(255), (8, 8), antialias=True)
    np.testing.assert_allclose(found, classifier(image[None]), rtol=0, atol=1e-5)


def test_encoded_jpeg(classifier, loaded, images):
    jpeg = tf.io.encode_jpeg(tf.cast(images[0] * 255, tf.uint8), quality=95)
    found = loaded.signatures["encoded_images"](encoded=tf.stack([jpeg, jpeg]))["logits"]
    expected = classifier(tf.cast(tf.io.decode_jpeg(jpeg), tf.float32)[None] / 255)
    np.testing.assert_allclose(found, np.repeat(expected, 2, axis=0), rtol=0, atol=1e-5)


def test_what_is_no_image_is_refused_when_called(loaded):
    with pytest.raises(tf.errors.InvalidArgumentError):
        loaded.signatures["encoded_images"](encoded=tf.constant(["not an image"]))


def test_free_height_and_width(tmp_path):
    inputs = keras.Input((None, None, 1))
    features = keras.layers.GlobalAveragePooling2D(name="features")(keras.layers.Conv2D(3, 3)(inputs))
    model = keras.Model(inputs, features)
    described, loaded = _save_and_load(model, tmp_path)
    assert described["serving_default"]["inputs"]["images"]["shape"] == [None, None, None, 1]
    for size in (9, 12):
        images = np.random.default_rng(size).integers(0, 256, (2, size, size + 1, 1)).astype("uint8")
        encoded = tf.stack([tf.io.encode_png(image) for image in images])
        expected = model(images / np.float32(255))
        found = loaded.signatures["encoded_images"](encoded=encoded)["features"]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
        np.testing.assert_allclose(loaded(images / np.float32(255)), expected, rtol=0, atol=1e-6)


def test_a_fixed_batch_size_is_freed(tmp_path):
    inputs = keras.Input(batch_shape=(2, 6))
    model = keras.Sequential([inputs, keras.layers.Dense(3)])
    described, loaded = _save_and_load(model, tmp_path)
    assert loaded(np.ones((5, 6), "float32")).shape == (5, 3)
    assert list(described) == ["serving_default"]
    assert described["serving_default"]["inputs"] == {"inputs": {"dtype": "float32", "shape": [None, 6]}}
    assert list(described["serving_default"]["outputs"]) == ["outputs"]


def test_several_outputs_keep_their_names(tmp_path):
    inputs = keras.Input((4,))
    stages = {"low": keras.layers.Dense(2)(inputs), "high": keras.layers.Dense(3)(inputs)}
    described, loaded = _save_and_load(keras.Model(inputs, stages), tmp_path / "dict")
    assert set(described["serving_default"]["outputs"]) == {"low", "high"}
    assert loaded(np.ones((1, 4), "float32"))["high"].shape == (1, 3)
    low, high = keras.layers.Dense(2, name="low")(inputs), keras.layers.Dense(3, name="high")(inputs)
    described, _ = _save_and_load(keras.Model(inputs, [low, high]), tmp_path / "list")
    assert set(described["serving_default"]["outputs"]) == {"low", "high"}


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(3)

    def call(self, inputs):
        return self.dense(inputs)


def test_a_subclassed_model_once_called(tmp_path):
    model = Subclassed()
    with pytest.raises(ValueError, match="is not built"):
        export.save(model, tmp_path / "unbuilt")
    model(np.ones((2, 4), "float32"))
    _, loaded = _save_and_load(model, tmp_path / "built")
    batch = np.ones((3, 4), "float32")
    np.testing.assert_allclose(loaded(batch), model(batch), rtol=0, atol=1e-6)
    assert len(loaded.trainable_variables) == 2


def _two_inputs():
    inputs = [keras.Input((2,)), keras.Input((2,))]
    return keras.Model(inputs, keras.layers.Add()(inputs))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: "model.keras", "expected a keras.Model, not str"),
        (lambda: None, "expected a keras.Model, not NoneType"),
        (lambda: keras.layers.Dense(3), "expected a keras.Model, not Dense"),
        (lambda: keras.Sequential([keras.layers.Dense(3)]), "is not built"),
        (_two_inputs, "has 2 inputs"),
    ],
)
def test_refused_models(make, message):
    with pytest.raises(ValueError, match=message):
        export.input_spec(make())
