"""PGD against closed forms, FGSM and its own promises."""

import keras
import numpy as np
import pytest

from keras_repvis import zoo
from keras_repvis.analysis.adversarial import FGSM, PGD, RandomPerturbation
from keras_repvis.analysis.adversarial.ball import NORMS

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("loss", ["cross_entropy", "margin"])
@pytest.mark.parametrize("random_start", [False, True])
def test_l2_ends_at_w_over_its_length_on_a_linear_classifier(networks, loss, random_start):
    """Two classes: the best point of the ball is x + epsilon w / |w|, w = w_1 - w_0, from any start."""
    weights = RNG.normal(size=(3, 3, 2, 2)).astype("float32")
    images = RNG.uniform(0.4, 0.6, (3, 3, 3, 2)).astype("float32")
    across = weights[..., 1] - weights[..., 0]
    attack = PGD(networks.linear(weights), 0.3, 0.3, 30, norm="l2", loss=loss, random_start=random_start)
    found = attack(images, 0)
    best = images + 0.3 * across / np.linalg.norm(across)
    # Near the best point the loss is flat: rounding it, 1e-7, lets points 1e-4 apart be equally good.
    np.testing.assert_allclose(found.images, best, atol=1e-4 if random_start else 5e-6)
    # One step of that length does it too.
    once = PGD(networks.linear(weights), 0.3, 0.3, 1, norm="l2", loss=loss, random_start=False)(images, 0)
    np.testing.assert_allclose(once.images, best, atol=1e-6)
    np.testing.assert_allclose(once.distances, 0.3, rtol=1e-6)


def test_linf_ends_in_the_best_corner_of_a_linear_classifier(networks):
    weights = RNG.normal(size=(3, 3, 2, 2)).astype("float32")
    images = RNG.uniform(0.4, 0.6, (3, 3, 3, 2)).astype("float32")
    found = PGD(networks.linear(weights), 0.3, steps=10, restarts=2)(images, 0)
    np.testing.assert_allclose(found.images, images + 0.3 * np.sign(weights[..., 1] - weights[..., 0]), atol=1e-6)


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("loss", ["cross_entropy", "margin"])
def test_one_step_of_epsilon_from_the_image_is_fgsm(net, images, targeted, loss):
    options = {"targeted": targeted, "loss": loss}
    one = PGD(net, 0.07, step_size=0.07, steps=1, random_start=False, keep="last", **options)(images, 1)
    other = FGSM(net, 0.07, **options)(images, 1)
    np.testing.assert_array_equal(one.images, other.images)
    np.testing.assert_array_equal(one.losses, other.losses)


@pytest.mark.parametrize("epsilon", [0.1, 1 / 3])
@pytest.mark.parametrize("norm, keep", [("linf", "best"), ("linf", "last"), ("l2", "best")])
def test_bounds_hold_exactly(net, images, norm, epsilon, keep):
    images = images.copy()
    images[0, :4], images[1, :4] = 0, 1
    found = PGD(net, epsilon, step_size=epsilon, steps=4, norm=norm, keep=keep)(images)
    moved = found.images.astype("float64") - images
    sizes = np.abs(moved).max((1, 2, 3)) if norm == "linf" else np.sqrt((moved**2).sum((1, 2, 3)))
    assert found.images.dtype == np.float32 and found.images.min() >= 0 and found.images.max() <= 1
    assert sizes.max() <= epsilon and sizes.max() > 0.9 * epsilon
    np.testing.assert_array_equal(found.distances, sizes)


def check_better(found, reference):
    """Image by image a success where there was one, and no lower loss otherwise."""
    assert (found.success >= reference.success).all()
    same = found.success == reference.success
    assert (found.losses >= reference.losses - 1e-5)[same].all()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("loss", ["cross_entropy", "margin"])
def test_the_loss_does_not_fall_even_with_steps_that_are_far_too_large(net, images, norm, loss):
    found = PGD(net, 0.5, step_size=1.0, steps=5, norm=norm, loss=loss, random_start=False)(images)
    same = found.success == found.clean_success
    assert (found.losses >= found.clean_losses - 1e-5)[same].all() and (found.success >= found.clean_success).all()
    if loss == "margin":
        np.testing.assert_array_equal(found.losses > 0, found.success)


def test_more_restarts_are_never_worse_and_begin_as_fewer_do(net, images):
    results = [PGD(net, 0.03, steps=3, restarts=count, seed=5)(images, 1) for count in (1, 2, 5)]
    for fewer, more in zip(results, results[1:]):
        check_better(more, fewer)
    assert results[2].losses.mean() > results[0].losses.mean()
    kept = np.all(results[0].images == results[2].images, axis=(1, 2, 3))
    assert 0 < kept.sum() < len(images)


def test_more_steps_find_more_than_one(net, images):
    one, many = FGSM(net, 0.05)(images), PGD(net, 0.05, steps=20, random_start=False)(images)
    assert many.losses.mean() > one.losses.mean() and many.success_rate >= one.success_rate


def test_seeds_and_starts(net, images):
    """Each image has a start of its own, which does not depend on the images after it."""
    grey = np.full_like(images, 0.5)
    first = PGD(net, 0.1, step_size=1e-9, steps=1, seed=1, keep="last")
    starts = first(grey).images - grey
    np.testing.assert_array_equal(first(grey).images - grey, starts)
    np.testing.assert_array_equal(first(grey[:3]).images - grey[:3], starts[:3])
    other = PGD(net, 0.1, step_size=1e-9, steps=1, seed=2, keep="last")(grey).images - grey
    assert np.abs(np.corrcoef(np.concatenate([starts, other]).reshape(20, -1))[np.triu_indices(20, 1)]).max() < 0.4
    assert np.abs(starts).max() > 0.095


def test_chunks_change_nothing(networks):
    """Exactly: the gradients of a linear classifier do not depend on how many images there are."""
    model = networks.linear(RNG.normal(size=(4, 4, 1, 3)).astype("float32"))
    images = RNG.random((7, 4, 4, 1), "float32")
    options = {"step_size": 0.01, "steps": 3, "restarts": 2, "loss": "margin"}  # Too short to forget the start.
    whole = PGD(model, 0.2, batch_size=64, **options)(images, 1)
    for size in (1, 3, 7):
        cut = PGD(model, 0.2, batch_size=size, **options)(images, 1)
        np.testing.assert_array_equal(cut.images, whole.images)
        np.testing.assert_allclose(cut.losses, whole.losses, rtol=1e-5)


def test_what_is_reported_is_what_the_model_says(net, images):
    found = PGD(net, 0.05, steps=5)(images, 2)
    logits = net.predict(found.images, verbose=0)
    np.testing.assert_array_equal(found.predictions, logits.argmax(-1))
    np.testing.assert_array_equal(found.success, logits.argmax(-1) != 2)
    losses = keras.losses.sparse_categorical_crossentropy(np.full(10, 2), logits, from_logits=True)
    np.testing.assert_allclose(found.losses, losses, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found.fooled, found.success & (found.clean_predictions == 2))


@pytest.mark.parametrize("norm, epsilon", [("linf", 0.3), ("l2", 4.0)])
def test_a_target_is_reached(net, images, norm, epsilon):
    seen = net.predict(images, verbose=0).argmax(-1)
    targets = (seen + 1) % 4
    found = PGD(net, epsilon, steps=30, norm=norm, targeted=True)(images, targets)
    assert not found.clean_success.any() and found.success_rate > 0.5
    np.testing.assert_array_equal(found.success, found.predictions == targets)
    assert (found.losses > found.clean_losses).all()


def test_functions_and_mixed_precision(net, networks, images, tmp_path):
    serve = networks.exported(net, tmp_path / "saved")
    expected = PGD(net, 0.05, steps=3, loss="margin")(images)
    found = PGD(serve, 0.05, steps=3, loss="margin")(images)
    np.testing.assert_allclose(found.losses, expected.losses, rtol=1e-2, atol=1e-3)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        half = networks.convolutional()
    finally:
        keras.config.set_dtype_policy("float32")
    found = PGD(half, 0.1, steps=3)(images)
    assert found.images.dtype == np.float32 and found.losses.mean() > found.clean_losses.mean()


def test_nothing_is_traced_twice(net, images):
    attack = PGD(net, 0.1, steps=2, restarts=2, batch_size=4)
    for count in (10, 4, 8, 2, 3, 1):
        attack(images[:count])
    assert attack._climb.experimental_get_tracing_count() == 1


def test_wrong_arguments_are_named(net, images):
    for options in ({"steps": 0}, {"step_size": 0.0}, {"restarts": 0}, {"seed": -1}, {"norm": "l1"},
                    {"keep": "first"}, {"random_start": 1.5}, {"epsilon": 0}):
        with pytest.raises(ValueError, match=f"{next(iter(options))}="):
            PGD(net, **{"epsilon": 0.1, **options})
    with pytest.raises(ValueError, match="restarts=2 is not accepted with random_start=False"):
        PGD(net, 0.1, restarts=2, random_start=False)
    with pytest.raises(ValueError, match="a targeted attack needs"):
        PGD(net, 0.1, targeted=True)(images)


def test_a_zoo_model_is_fooled_and_not_by_noise_of_the_same_size(digits):
    model, (images, labels) = zoo.load("repvis/mobilenet_v2_digits"), digits
    found = PGD(model, 8 / 255, steps=10, batch_size=100)(images[:100], labels[:100])
    noise = RandomPerturbation(model, 8 / 255, batch_size=100)(images[:100], labels[:100])
    assert found.clean_success.mean() < 0.05
    assert found.success_rate > 0.95 and noise.success_rate < 0.08
    assert found.zero_gradient_share == 0
