import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.analysis.information.differentiable_map import DifferentiableMap

LAYERS = {
    "nearest": lambda image: keras.ops.image.resize(image, (10, 7), interpolation="nearest"),
    "bilinear": lambda image: keras.layers.UpSampling2D(2, interpolation="bilinear")(image),
    "bicubic": lambda image: keras.ops.image.resize(image, (9, 8), interpolation="bicubic"),
    "antialiased": lambda image: keras.ops.image.resize(image, (3, 4), antialias=True),
}


@pytest.mark.parametrize("name", LAYERS)
def test_products_on_both_sides_are_those_of_the_matrix_of_the_resizing(name):
    image = keras.Input((5, 6, 2))
    model = keras.Model(image, LAYERS[name](image))
    unit = np.eye(60, dtype="float32").reshape(60, 5, 6, 2)
    # Resizing is linear: its columns are what it makes of images of one pixel.
    columns = model(unit).numpy().reshape(60, -1)
    found = DifferentiableMap("model", model, 16)
    point = np.random.default_rng(0).random((5, 6, 2), "float32")
    np.testing.assert_allclose(found.jvp(point, unit).reshape(60, -1), columns, atol=1e-6)
    signals = np.eye(columns.shape[1], dtype="float32").reshape(-1, *model.output_shape[1:])
    np.testing.assert_allclose(found.vjp(point, signals).reshape(-1, 60), columns.T, atol=1e-6)


def test_resizing_alone_has_no_second_derivative():
    """Or the rules are not needed any more."""

    @tf.function(autograph=False)
    def push(images, directions):
        values = tf.image.resize(images, (8, 8), method="bicubic")
        signals = tf.ones_like(values)
        return tf.gradients(tf.gradients(values, images, signals), signals, directions)

    with pytest.raises(LookupError):
        push(tf.zeros((1, 4, 4, 1)), tf.zeros((1, 4, 4, 1)))
