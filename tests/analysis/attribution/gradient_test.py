"""Gradient saliency against closed forms and finite differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import analysis
from keras_repvis.analysis.attribution import Gradient


def linear_model(weights):
    """f(x) = <w_c, x>, for weights (height, width, channels, classes)."""
    height, width, channels, classes = weights.shape
    model = keras.Sequential(
        [keras.Input((height, width, channels)), keras.layers.Flatten(), keras.layers.Dense(classes, use_bias=False)]
    )
    model.layers[-1].set_weights([weights.reshape(-1, classes)])
    return model


@pytest.fixture(scope="module")
def weights():
    return np.random.default_rng(0).normal(size=(5, 4, 3, 6)).astype("float32")


@pytest.mark.parametrize(
    "reduction, reduce",
    [
        ("max_abs", lambda g: np.abs(g).max(-1)),
        ("l2", lambda g: np.sqrt((g**2).sum(-1))),
        ("sum", lambda g: g.sum(-1)),
    ],
)
def test_map_of_a_linear_model_is_its_weights(weights, reduction, reduce):
    images = np.random.default_rng(1).uniform(size=(7, 5, 4, 3)).astype("float32")
    targets = np.array([0, 1, 2, 3, 4, 5, 0])
    result = Gradient(linear_model(weights), reduction=reduction, batch_size=3)(images, targets)
    expected = np.stack([reduce(weights[..., target]) for target in targets])
    np.testing.assert_allclose(result.maps, expected, rtol=1e-6, atol=1e-6)
    scores = np.einsum("bhwc,hwcb->b", images, weights[..., targets])
    np.testing.assert_allclose(result.diagnostics["score"], scores, rtol=1e-4, atol=1e-5)


def test_without_targets_the_largest_score_is_explained(weights):
    model = linear_model(weights)
    images = np.random.default_rng(2).uniform(size=(6, 5, 4, 3)).astype("float32")
    best = model.predict(images, verbose=0).argmax(-1)
    free, given = Gradient(model)(images), Gradient(model)(images, best)
    np.testing.assert_array_equal(free.diagnostics["target"], best)
    np.testing.assert_array_equal(free.maps, given.maps)


def test_sum_agrees_with_finite_differences_of_a_deep_network():
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.layers.Conv2D(4, 3, activation="softplus"),
            keras.layers.BatchNormalization(),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3),
        ]
    )
    image = np.random.default_rng(4).uniform(size=(1, 6, 6, 1)).astype("float32")
    gradient = Gradient(model, reduction="sum")(image, 2).maps[0]
    step = 1e-2
    for row, column in [(0, 0), (2, 3), (5, 5)]:
        bump = np.zeros_like(image)
        bump[0, row, column, 0] = step
        up, down = (model.predict(image + sign * bump, verbose=0)[0, 2] for sign in (1, -1))
        assert gradient[row, column] == pytest.approx((up - down) / (2 * step), rel=2e-2, abs=1e-5)


def test_batch_size_changes_nothing_and_shapes_are_not_retraced(weights):
    model = linear_model(weights)
    images = np.random.default_rng(5).uniform(size=(10, 5, 4, 3)).astype("float32")
    one, all_at_once = Gradient(model, batch_size=1), Gradient(model, batch_size=64)
    np.testing.assert_allclose(one(images).maps, all_at_once(images).maps, rtol=1e-6)
    for count in (1, 2, 3, 4, 5):
        all_at_once(images[:count])
    (compiled,) = all_at_once._compiled.values()
    assert compiled.experimental_get_tracing_count() <= 3


def test_leaves_the_model_as_it_was():
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.BatchNormalization(), keras.layers.Flatten()])
    before = [weight.numpy() for weight in model.weights]
    Gradient(model)(np.ones((3, 4, 4, 1), "float32"), 0)
    for weight, value in zip(model.weights, before):
        np.testing.assert_array_equal(weight.numpy(), value)


def test_a_model_that_cuts_the_gradient_is_refused():
    image = keras.Input((4, 4, 1))
    cut = keras.layers.Flatten()(keras.ops.cast(keras.ops.cast(image * 255, "int32"), "float32"))
    with pytest.raises(analysis.UnsupportedModelError, match="no gradient reaches the image"):
        Gradient(keras.Model(image, cut))(np.ones((1, 4, 4, 1), "float32"), 0)


@pytest.mark.parametrize("targets", [6, -1, [0, 1], 1.5, [[0], [1], [2]]])
def test_wrong_targets_are_named(weights, targets):
    with pytest.raises(ValueError, match="class index from 0 to 5"):
        Gradient(linear_model(weights))(np.ones((3, 5, 4, 3), "float32"), targets)


def test_wrong_arguments_are_named(weights):
    model = linear_model(weights)
    with pytest.raises(ValueError, match="reduction='maxabs' is not known. Did you mean 'max_abs'"):
        Gradient(model, reduction="maxabs")
    with pytest.raises(ValueError, match="batch_size=0"):
        Gradient(model, batch_size=0)
    with pytest.raises(ValueError, match="expected a keras.Model or a function"):
        Gradient("mobilenet_v2")
    with pytest.raises(ValueError, match=r"images of shape \(5, 4, 3\)"):
        Gradient(model)(np.ones((5, 4, 3), "float32"))


def test_mixed_precision_gives_float32_maps():
    keras.utils.set_random_seed(6)
    layers = [
        keras.layers.Conv2D(4, 3, dtype="mixed_bfloat16"),
        keras.layers.GlobalAveragePooling2D(dtype="mixed_bfloat16"),
        keras.layers.Dense(2, dtype="float32"),
    ]
    model = keras.Sequential([keras.Input((8, 8, 3)), *layers])
    maps = Gradient(model)(np.ones((2, 8, 8, 3), "float32"), 1).maps
    assert maps.dtype == np.float32 and np.isfinite(maps).all() and maps.max() > 0
    assert isinstance(maps, np.ndarray) and not isinstance(maps, tf.Tensor)
