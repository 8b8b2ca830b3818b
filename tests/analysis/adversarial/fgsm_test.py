"""FGSM: optimal on linear classifiers, exact in its bounds, the same on every kind of model."""

import itertools

import keras
import numpy as np
import pytest

from keras_repvis import analysis, zoo
from keras_repvis.analysis.adversarial import FGSM

layers = keras.layers
RNG = np.random.default_rng(0)


def same_images(one, other):
    """Rounding turns the sign of a gradient that is nearly 0: hardly any pixel."""
    return np.mean(np.abs(one - other) > 1e-6) < 1e-3


@pytest.mark.parametrize("loss", ["cross_entropy", "margin"])
@pytest.mark.parametrize("targeted", [False, True])
def test_no_corner_of_the_ball_is_better_on_a_linear_classifier(networks, loss, targeted):
    """Two classes: the objective rises with the margin, by epsilon |w_1 - w_0|_1 and not more."""
    weights = RNG.normal(size=(2, 2, 2, 2)).astype("float32")
    model, epsilon = networks.linear(weights), 0.25
    images = RNG.uniform(0.3, 0.7, (1, 2, 2, 2)).astype("float32")
    found = FGSM(model, epsilon, targeted=targeted, loss=loss)(images, [0])
    corners = images + epsilon * np.array(list(itertools.product([-1, 1], repeat=8))).reshape(-1, 2, 2, 2)
    margins = np.tensordot(corners, weights[..., 1] - weights[..., 0], 3) * (-1 if targeted else 1)
    best = margins.max() if loss == "margin" else np.log1p(np.exp(margins.max())) * (1 - 2 * targeted)
    if targeted and loss == "cross_entropy":
        best = -np.log1p(np.exp(-margins.max()))
    np.testing.assert_allclose(found.losses, [best], rtol=1e-5)
    before = np.tensordot(images[0], weights[..., 1] - weights[..., 0], 3) * (-1 if targeted else 1)
    norm = np.abs(weights[..., 1] - weights[..., 0]).sum()
    assert margins.max() == pytest.approx(before + epsilon * norm, rel=1e-5)
    np.testing.assert_allclose(found.images, corners[[margins.argmax()]], atol=1e-7)


def test_many_classes_follow_the_softmax_of_the_others(networks):
    weights = RNG.normal(size=(2, 3, 1, 5)).astype("float32")
    images = RNG.uniform(0.3, 0.7, (4, 2, 3, 1)).astype("float32")
    labels = np.array([0, 1, 2, 4])
    logits = np.tensordot(images, weights, 3)
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    gradients = np.einsum("bc,hwkc->bhwk", shares - np.eye(5)[labels], weights)
    found = FGSM(networks.linear(weights), 0.1)(images, labels)
    np.testing.assert_allclose(found.images, images + 0.1 * np.sign(gradients), atol=1e-7)
    np.testing.assert_allclose(found.clean_losses, -np.log(shares[np.arange(4), labels]), rtol=1e-5)
    np.testing.assert_array_equal(found.clean_predictions, logits.argmax(-1))
    np.testing.assert_array_equal(found.success, found.predictions != labels)
    np.testing.assert_array_equal(found.clean_success, logits.argmax(-1) != labels)


def test_the_loss_does_not_fall_where_it_is_convex(networks):
    weights = RNG.normal(size=(4, 4, 1, 6)).astype("float32")
    found = FGSM(networks.linear(weights), 0.3)(RNG.random((20, 4, 4, 1), "float32"), RNG.integers(0, 6, 20))
    assert (found.losses > found.clean_losses).all()


@pytest.mark.parametrize("epsilon", [0.1, 8 / 255, 1 / 3, 1e-9, 2.0])
def test_bounds_hold_exactly(net, images, epsilon):
    images = images.copy()
    images[0, :4], images[1, :4] = 0, 1
    found = FGSM(net, epsilon)(images)
    assert found.images.dtype == np.float32 and found.images.min() >= 0 and found.images.max() <= 1
    moved = np.abs(found.images.astype("float64") - images)
    assert moved.max() <= epsilon and np.abs(found.images - images).max() <= np.float32(epsilon)
    np.testing.assert_array_equal(found.distances, moved.max((1, 2, 3)))


def test_without_labels_the_classes_that_are_seen_are_left(net, images):
    seen = net.predict(images, verbose=0).argmax(-1)
    free, given = FGSM(net, 0.1)(images), FGSM(net, 0.1)(images, seen)
    np.testing.assert_array_equal(free.labels, seen)
    np.testing.assert_array_equal(free.images, given.images)
    assert not free.clean_success.any()


def test_one_label_for_all_and_targets_that_are_reached(net, images):
    found = FGSM(net, 0.1, targeted=True)(images, 2)
    np.testing.assert_array_equal(found.labels, np.full(10, 2))
    np.testing.assert_array_equal(found.success, net.predict(found.images, verbose=0).argmax(-1) == 2)
    assert found.losses.mean() > found.clean_losses.mean()


def test_every_kind_of_model_gives_the_same(net, networks, images, tmp_path):
    expected = FGSM(net, 0.1)(images)
    subclassed = networks.Subclassed(net)
    subclassed(images)
    serve = networks.exported(net, tmp_path / "saved")
    for model in (networks.nested(net), subclassed, serve, lambda x: {"logits": net(x, training=False)}):
        found = FGSM(model, 0.1)(images)
        assert same_images(found.images, expected.images)
        np.testing.assert_allclose(found.losses, expected.losses, rtol=1e-3, atol=1e-4)


def test_epsilon_is_in_units_of_the_image_whatever_the_preprocessing(net, images):
    """A model that divides by 255 first, seen through one that multiplies: the same perturbation."""
    image = keras.Input((8, 8, 3))
    scaled = keras.Model(image, net(layers.Rescaling(1 / 255)(layers.Rescaling(255.0)(image))))
    assert same_images(FGSM(scaled, 0.1)(images).images, FGSM(net, 0.1)(images).images)


def test_chunks_change_nothing(net, images):
    whole = FGSM(net, 0.1, batch_size=64)(images)
    for size in (1, 3, 10):
        cut = FGSM(net, 0.1, batch_size=size)(images)
        assert same_images(cut.images, whole.images)
        np.testing.assert_allclose(cut.losses, whole.losses, rtol=1e-3, atol=1e-4)
    few = FGSM(net, 0.1)(images[:3])
    assert same_images(few.images, whole.images[:3])


def test_the_model_is_as_it_was(net, images):
    before = [weight.numpy() for weight in net.weights]
    trainable = [layer.trainable for layer in net.layers]
    answers = net.predict(images, verbose=0)
    attack = FGSM(net, 0.1)
    first, second = attack(images), attack(images)
    np.testing.assert_array_equal(first.images, second.images)  # No dropout.
    for weight, value in zip(net.weights, before):
        np.testing.assert_array_equal(weight.numpy(), value)
    assert [layer.trainable for layer in net.layers] == trainable
    np.testing.assert_array_equal(net.predict(images, verbose=0), answers)


def test_nothing_is_traced_twice(net, images):
    attack = FGSM(net, 0.1, batch_size=4)
    for count in (10, 4, 8, 2, 3, 1):
        attack(images[:count])
    assert attack._look.experimental_get_tracing_count() == 2


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_of_a_sure_classifier(networks, images, policy):
    """In float16 the gradient of the cross-entropy of a sure classifier would be 0."""
    keras.config.set_dtype_policy(policy)
    try:
        inner = networks.convolutional()
    finally:
        keras.config.set_dtype_policy("float32")
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, layers.Rescaling(20.0, dtype="float32")(inner(image)))
    found = FGSM(model, 0.1)(images)
    assert found.clean_losses.min() < 1e-7
    assert found.images.dtype == np.float32 and found.losses.dtype == np.float32
    assert found.zero_gradient_share == 0 and found.losses.mean() > found.clean_losses.mean()


def test_several_inputs(net, images):
    first, second = keras.Input((8, 8, 3), name="image"), keras.Input((4,), name="bias")
    model = keras.Model({"image": first, "bias": second}, net(first) + second)
    biases = RNG.normal(size=(10, 4)).astype("float32")
    found = FGSM(model, 0.1, batch_size=4)({"image": images, "bias": biases}, 1)
    plain = FGSM(lambda x: net(x, training=False), 0.1)(images, 1)
    np.testing.assert_allclose(found.losses.shape, plain.losses.shape)
    answers = model.predict({"image": found.images, "bias": biases}, verbose=0)
    np.testing.assert_array_equal(found.predictions, answers.argmax(-1))
    assert found.images.shape == images.shape


def softmax_by_hand(logits):
    return keras.ops.exp(logits) / keras.ops.sum(keras.ops.exp(logits), axis=-1, keepdims=True)


@pytest.mark.parametrize(
    "head, loss, saved",
    [
        (layers.Softmax(), "cross_entropy", False),
        (layers.Activation("softmax"), "margin", True),
        (softmax_by_hand, "margin", False),
    ],
)
def test_a_distribution_is_not_normalised_twice(net, networks, images, head, loss, saved, tmp_path):
    model = networks.convolutional(head=head)
    model = networks.exported(model, tmp_path / "saved") if saved else model
    with pytest.raises(ValueError, match="from_logits=True is not accepted.*already probabilities"):
        FGSM(model, 0.1)(images)
    found = FGSM(model, 0.1, loss=loss, from_logits=False)(images)
    expected = FGSM(net, 0.1, loss=loss)(images)
    assert np.mean(np.abs(found.images - expected.images) > 1e-6) < 1e-2
    np.testing.assert_allclose(found.clean_losses, expected.clean_losses, rtol=1e-3, atol=1e-5)


def test_outputs_that_are_no_distribution_are_refused(net, networks, images, tmp_path):
    with pytest.raises(ValueError, match="from_logits=False is not accepted.*no distributions"):
        FGSM(net, 0.1, from_logits=False)(images)
    for from_logits in (True, False):
        with pytest.raises(analysis.UnsupportedModelError, match="sigmoid for each class"):
            FGSM(networks.convolutional(head=layers.Activation("sigmoid")), 0.1, from_logits=from_logits)(images)


def test_masked_gradients_are_reported(images):
    """f stands still below 2: no gradient reaches any pixel, and FGSM leaves the image as it is."""
    image = keras.Input((8, 8, 3))
    bright = layers.GlobalAveragePooling2D()(layers.ReLU(threshold=0.99)(image))
    model = keras.Model(image, layers.Dense(3)(bright))
    mixed = images * 0.9
    mixed[:3, 0, 0] = 1.0
    found = FGSM(model, 0.1)(mixed)
    np.testing.assert_array_equal(found.zero_gradient, [False] * 3 + [True] * 7)
    assert found.zero_gradient_share == 0.7
    np.testing.assert_array_equal(found.images[3:], mixed[3:])


def test_models_that_no_attack_can_be_right_for_are_refused(net, images):
    image = keras.Input((8, 8, 3))
    flat = layers.Flatten()(image)
    cut = keras.Model(image, layers.Dense(3)(keras.ops.cast(keras.ops.cast(flat * 255, "int32"), "float32")))
    with pytest.raises(analysis.UnsupportedModelError, match="no gradient reaches the image"):
        FGSM(cut, 0.1)(images)
    for outputs in (layers.Dense(1)(flat), image * 2.0, [layers.Dense(2)(flat), layers.Dense(2)(flat)]):
        with pytest.raises(analysis.UnsupportedModelError, match=r"expected \(batch, classes\), 2 classes or more"):
            FGSM(keras.Model(image, outputs), 0.1)(images)
    infinite = keras.Model(image, layers.Dense(3)(flat) / 0.0)
    with pytest.raises(ValueError, match="not finite"):
        FGSM(infinite, 0.1)(images)


@pytest.mark.parametrize("labels", [4, -1, [0, 1], 1.5, np.zeros((10, 4))])
def test_wrong_labels_are_named(net, images, labels):
    with pytest.raises(ValueError, match=r"(?s)labels=.*expected a class index from 0 to 3, or an array of 10 of them"):
        FGSM(net, 0.1)(images, labels)


def test_wrong_arguments_are_named(net, images):
    for value in (0, -0.1, "0.1", float("nan")):
        with pytest.raises(ValueError, match="epsilon="):
            FGSM(net, value)
    with pytest.raises(ValueError, match="loss='crossentropy' is not known. Did you mean 'cross_entropy'"):
        FGSM(net, 0.1, loss="crossentropy")
    with pytest.raises(ValueError, match="batch_size=0"):
        FGSM(net, 0.1, batch_size=0)
    with pytest.raises(ValueError, match="targeted='yes'"):
        FGSM(net, 0.1, targeted="yes")
    with pytest.raises(ValueError, match="model='net'"):
        FGSM("net", 0.1)
    with pytest.raises(ValueError, match="a targeted attack needs the classes to reach"):
        FGSM(net, 0.1, targeted=True)(images)
    for wrong in (images * 255, images - 1, np.full_like(images, np.nan)):
        with pytest.raises(ValueError, match=r"images from .* are not accepted: expected \[0, 1\]"):
            FGSM(net, 0.1)(wrong)
    with pytest.raises(ValueError, match="images of shape"):
        FGSM(net, 0.1)(images[0])


def test_a_zoo_model_is_fooled(digits):
    """By noise of the same size it is not: see the test of PGD."""
    model, (images, labels) = zoo.load("repvis/mobilenet_v2_digits"), digits
    found = FGSM(model, 16 / 255, batch_size=100)(images, labels)
    assert found.zero_gradient_share == 0 and found.clean_success.mean() < 0.05
    assert found.success_rate > 0.75
