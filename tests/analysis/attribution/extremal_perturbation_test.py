"""Extremal perturbations: areas that are reached, masks that are found, and what batches may not change."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import analysis
from keras_repvis.analysis.attribution import ExtremalPerturbation

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(size=(3, 16, 20, 2)).astype("float32")
WEIGHTS = RNG.normal(size=(16, 20, 2, 3)).astype("float32")
TARGETS = np.array([0, 1, 2])


def network(x):
    return tf.tanh(tf.einsum("bhwk,hwkc->bc", x, WEIGHTS) / 6) * 3


def constant(x):
    return 0 * tf.reduce_mean(x, axis=(1, 2))


@pytest.fixture(scope="module")
def of_a_constant():
    method = ExtremalPerturbation(constant, areas=(0.1, 0.3), steps=150, learning_rate=0.04)
    return method(np.full((2, 32, 32, 2), 0.5, "float32"), 0)


def test_of_a_constant_output_the_mask_has_the_area_and_is_binary(of_a_constant):
    found = of_a_constant.diagnostics
    # A little more: the soft borders of discs.
    np.testing.assert_allclose(found["area"], [[0.1, 0.3]] * 2, atol=0.06)
    masks = found["masks"]
    assert masks.shape == (2, 2, 32, 32) and of_a_constant.maps.shape == (2, 32, 32)
    assert (masks * (1 - masks)).mean() < 0.1 and masks.max() > 0.97
    assert found["score"].shape == found["target"].shape == (2,)
    np.testing.assert_array_equal(found["score_preserved"], np.zeros((2, 2)))


def test_map_is_the_sum_of_the_blurred_masks(of_a_constant):
    from scipy import ndimage

    masks = of_a_constant.diagnostics["masks"].astype("float64")
    expected = ndimage.gaussian_filter(masks, (0, 0, 2.88, 2.88), mode="constant").sum(axis=1)
    np.testing.assert_allclose(of_a_constant.maps, expected, atol=1e-5)


PLACES = ((9, 10), (22, 20), (10, 24))


def spot(x):
    """Light within a disc, at another place for each class."""
    rows, columns = np.indices((32, 32))
    masks = [np.hypot(rows - row, columns - column) < 5 for row, column in PLACES]
    return tf.einsum("bhwk,chw->bc", x, tf.constant(np.array(masks), "float32"))


@pytest.mark.parametrize("variant, perturbation", [("preserve", "blur"), ("delete", "fade"), ("dual", "blur")])
def test_evidence_is_found(variant, perturbation):
    images = np.zeros((3, 32, 32, 1), "float32")
    for image, (row, column) in zip(images, PLACES):
        image[row - 4 : row + 5, column - 4 : column + 5] = 1
    method = ExtremalPerturbation(
        spot, areas=0.1, variant=variant, perturbation=perturbation, fill=0.0, flip=False, steps=150, learning_rate=0.04
    )
    result = method(images, TARGETS)
    for saliency, (row, column) in zip(result.maps, PLACES):
        found = np.unravel_index(saliency.argmax(), saliency.shape)
        assert np.hypot(found[0] - row, found[1] - column) < 5
    scores = {name: result.diagnostics[name] for name in ("score", "score_preserved", "score_deleted")}
    assert (scores["score_preserved"][:, 0] > 0.7 * scores["score"]).all()
    assert (scores["score_deleted"][:, 0] < 0.7 * scores["score"]).all()


@pytest.mark.parametrize("options", [{}, {"variant": "dual", "reward": "contrastive", "perturbation": "fade"}])
def test_batches_change_nothing(options):
    """But for rounding, which a search makes larger."""
    options = {"areas": (0.05, 0.2), "steps": 6, **options}
    method = ExtremalPerturbation(network, **options)
    together = method(IMAGES, TARGETS)
    alone = [method(IMAGES[[index]], TARGETS[index]) for index in range(3)]
    parts = ExtremalPerturbation(network, batch_size=5, **options)(IMAGES, TARGETS)
    np.testing.assert_allclose(parts.maps, together.maps, atol=5e-4)
    np.testing.assert_allclose(np.concatenate([one.maps for one in alone]), together.maps, atol=5e-4)
    single = ExtremalPerturbation(network, **{**options, "areas": 0.2})(IMAGES, TARGETS)
    np.testing.assert_allclose(single.diagnostics["masks"][:, 0], together.diagnostics["masks"][:, 1], atol=5e-4)
    for name, values in together.diagnostics.items():
        joined = np.concatenate([one.diagnostics[name] for one in alone])
        np.testing.assert_allclose(joined, values, rtol=1e-3, atol=5e-4)


def test_rewards():
    """One step from the same masks: its direction is the gradient of the reward, with no weight on the area."""
    images = IMAGES[:1]

    def masks_of(model, **options):
        method = ExtremalPerturbation(
            model, areas=0.1, steps=1, area_weight=0, learning_rate=0.1, flip=False, smoothing=0, perturbation="fade",
            fill=0.0, **options,
        )
        return method(images, 0).maps

    def less_its_rival(x):
        outputs = network(x)
        return outputs[:, :1] - tf.reduce_max(outputs[:, 1:], axis=1, keepdims=True)

    contrastive = masks_of(network, reward="contrastive")
    np.testing.assert_allclose(contrastive, masks_of(less_its_rival), atol=1e-5)
    assert np.abs(contrastive - masks_of(network)).max() > 1e-3
    np.testing.assert_allclose(masks_of(network, variant="delete"), masks_of(lambda x: -network(images - x)), atol=1e-5)
    np.testing.assert_allclose(
        masks_of(network, variant="dual"), masks_of(lambda x: network(x) - network(images - x)), atol=1e-5
    )


def test_a_mirrored_image_is_seen_at_every_other_step():
    weights = np.zeros((16, 20), "float32")
    weights[:, :10] = 1

    def left(x):
        return tf.einsum("bhwk,hw->b", x, weights)[:, None]

    options = {"areas": 0.3, "area_weight": 0, "learning_rate": 0.3, "momentum": 0}
    options.update(perturbation="fade", fill=0.0, smoothing=0)
    ones = np.ones((1, 16, 20, 1), "float32")
    for flip, steps, sides in ((False, 1, "left"), (True, 1, "right"), (True, 2, "both")):
        method = ExtremalPerturbation(lambda x: -left(x), flip=flip, steps=steps, **options)
        maps = method(ones, 0).maps[0]
        fallen = {"left": maps[:, :5].mean() < 0.9, "right": maps[:, -5:].mean() < 0.9}
        assert fallen == {"left": sides in ("left", "both"), "right": sides in ("right", "both")}


def test_presets_and_sizes():
    method = ExtremalPerturbation(network)
    values = [method.steps, method.learning_rate, method.momentum, method.area_weight, method.area_growth]
    assert values == [800, 0.01, 0.9, 300.0, 1.0035] and method.levels == 8
    assert method.areas == (0.025, 0.05, 0.1, 0.2) and method.flip
    assert ExtremalPerturbation(network, preset="fong_patrick_vedaldi_2019_coco").areas == (0.018, 0.025, 0.05, 0.1)
    for side, spacing, scale, blur in ((224, 7, 21, 20), (96, 3, 9, 20 * 96 / 224), (32, 1, 3, 20 / 7)):
        images = np.zeros((1, side + 5, side, 1))
        smooth_max = method._smooth_max(images)
        assert (smooth_max._spacing, smooth_max._margin) == (spacing, scale)
        assert method._in_pixels("max_blur", images) == pytest.approx(blur)
    assert ExtremalPerturbation(network, areas=0.2).areas == (0.2,)


def test_what_is_not_accepted():
    for argument, value in (
        ("areas", ()), ("areas", 0), ("areas", (0.1, 1.0)), ("variant", "keep"), ("reward", "logit"), ("steps", 0),
        ("perturbation", "noise"), ("spacing", 0), ("disc_scale", 0), ("levels", 1), ("max_blur", 0), ("momentum", 2),
    ):
        with pytest.raises(ValueError, match=f"{argument}="):
            ExtremalPerturbation(network, **{argument: value})
    with pytest.raises(analysis.UnsupportedModelError, match="do not name a class"):
        ExtremalPerturbation(network, reward="contrastive")(IMAGES, lambda outputs: outputs[:, 0])
    image = keras.Input((16, 20, 2))
    cut = keras.layers.Flatten()(keras.ops.cast(keras.ops.cast(image * 255, "int32"), "float32"))
    with pytest.raises(analysis.UnsupportedModelError, match="no gradient reaches the image"):
        ExtremalPerturbation(keras.Model(image, cut), steps=2)(IMAGES, 0)
