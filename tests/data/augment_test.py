import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import data

RNG = np.random.default_rng(0)
IMAGES = RNG.random((64, 9, 12, 3), dtype=np.float32)
INDICES = np.arange(100, 164)
OPERATIONS = {
    "rotation": dict(rotation=0.3),
    "zoom": dict(zoom=0.5),
    "shift": dict(shift=3),
    "crop": dict(crop=(5, 7)),
    "flip": dict(flip=True),
    "brightness": dict(brightness=0.3),
    "contrast": dict(contrast=0.5),
    "saturation": dict(saturation=0.5),
}
EVERYTHING = {name: value for options in OPERATIONS.values() for name, value in options.items()}


def run(options, images=IMAGES, indices=INDICES, epoch=4, seed=1):
    return data.Augment(**options)(tf.constant(images), tf.constant(indices), epoch, seed).numpy()


def test_nothing_by_default():
    np.testing.assert_array_equal(run({}), IMAGES)


@pytest.mark.parametrize("options", [*OPERATIONS.values(), EVERYTHING], ids=[*OPERATIONS, "everything"])
def test_depends_on_seed_epoch_and_index_alone(options):
    whole = run(options)
    assert whole.dtype == np.float32 and whole.min() >= 0 and whole.max() <= 1
    np.testing.assert_array_equal(run(options), whole)
    order = np.r_[40:64, 0:5]
    np.testing.assert_allclose(run(options, IMAGES[order], INDICES[order]), whole[order], atol=1e-6)
    for other in (dict(epoch=5), dict(seed=2), dict(indices=INDICES + 64)):
        changed = (run(options, **other) != whole).any(axis=(1, 2, 3)).mean()
        assert changed > 0.2, other


def test_in_a_graph_with_unknown_batch_size():
    augment = data.Augment(**EVERYTHING)

    number = tf.TensorSpec([], tf.int64)

    @tf.function(input_signature=[tf.TensorSpec([None, 9, 12, 3]), tf.TensorSpec([None], tf.int64), number])
    def traced(images, indices, epoch):
        return augment(images, indices, epoch, 1)

    np.testing.assert_allclose(traced(IMAGES, INDICES, 4), run(EVERYTHING), atol=1e-6)


def test_switching_an_operation_on_leaves_the_others_draws():
    flipped = run(dict(flip=True))
    both = run(dict(flip=True, brightness=1e-6))
    np.testing.assert_allclose(both, flipped, atol=2e-6)


def test_flip_mirrors_about_half():
    flipped = run(dict(flip=True))
    is_mirrored = (flipped == IMAGES[:, :, ::-1]).all(axis=(1, 2, 3))
    is_same = (flipped == IMAGES).all(axis=(1, 2, 3))
    assert (is_mirrored ^ is_same).all()
    assert abs(is_mirrored.sum() - 32) <= 5 * np.sqrt(64) / 2


def test_shift_moves_a_reflected_image_by_whole_pixels():
    padded = np.pad(IMAGES, ((0, 0), (3, 3), (3, 3), (0, 0)), mode="reflect")
    met = set()
    for image, around in zip(run(dict(shift=3)), padded):
        places = [(y, x) for y in range(7) for x in range(7) if (around[y : y + 9, x : x + 12] == image).all()]
        assert len(places) == 1
        met.add(places[0])
    assert {y for y, _ in met} == {x for _, x in met} == set(range(7))


def test_crop_takes_a_window_at_every_place():
    met = set()
    cropped = run(dict(crop=(5, 7)))
    assert cropped.shape == (64, 5, 7, 3)
    for image, around in zip(cropped, IMAGES):
        places = [(y, x) for y in range(5) for x in range(6) if (around[y : y + 5, x : x + 7] == image).all()]
        assert len(places) == 1
        met.add(places[0])
    assert {y for y, _ in met} == set(range(5)) and {x for _, x in met} == set(range(6))


def test_brightness_adds_one_number_an_image():
    added = run(dict(brightness=0.3), 0.4 + 0.2 * IMAGES) - (0.4 + 0.2 * IMAGES)
    assert np.ptp(added, axis=(1, 2, 3)).max() < 1e-6
    assert -0.3 <= added.min() < -0.2 and 0.2 < added.max() <= 0.3


def test_contrast_keeps_the_mean_and_scales_the_spread():
    images = 0.4 + 0.2 * IMAGES
    changed = run(dict(contrast=0.5), images)
    np.testing.assert_allclose(changed.mean(axis=(1, 2, 3)), images.mean(axis=(1, 2, 3)), atol=1e-6)
    factors = changed.std(axis=(1, 2, 3)) / images.std(axis=(1, 2, 3))
    assert 0.5 <= factors.min() < 0.65 and 1.35 < factors.max() <= 1.5


def test_saturation_keeps_the_luma():
    images = 0.4 + 0.2 * IMAGES
    changed = run(dict(saturation=0.5), images)
    luma = np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(changed @ luma, images @ luma, atol=1e-6)
    spread = (changed - (changed @ luma)[..., None]).std(axis=(1, 2, 3))
    factors = spread / (images - (images @ luma)[..., None]).std(axis=(1, 2, 3))
    assert 0.5 <= factors.min() < 0.65 and 1.35 < factors.max() <= 1.5


def blob(y, x, size=33):
    rows, columns = np.mgrid[:size, :size]
    return np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 8.0).astype(np.float32)[..., None]


def centre_of_mass(image):
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    return np.array([(rows * image[..., 0]).sum(), (columns * image[..., 0]).sum()]) / image.sum()


def test_rotation_turns_about_the_centre_by_at_most_the_angle():
    images = np.repeat(blob(16, 24)[None], 64, 0)
    centres = np.array([centre_of_mass(image) for image in run(dict(rotation=0.5), images)]) - 16
    np.testing.assert_allclose(np.hypot(*centres.T), 8, atol=0.05)
    angles = np.arctan2(-centres[:, 0], centres[:, 1])
    assert -0.5 <= angles.min() < -0.4 and 0.4 < angles.max() <= 0.505
    unmoved = run(dict(rotation=0.5), images * 0 + blob(16, 16))
    np.testing.assert_allclose([centre_of_mass(image) for image in unmoved], 16, atol=0.01)


def test_zoom_scales_about_the_centre():
    images = np.repeat(blob(16, 22)[None], 64, 0)
    centres = np.array([centre_of_mass(image) for image in run(dict(zoom=0.5), images)]) - 16
    np.testing.assert_allclose(centres[:, 0], 0, atol=0.02)
    scales = centres[:, 1] / 6
    assert 1 / 1.5 - 0.01 <= scales.min() < 0.8 and 1.3 < scales.max() <= 1.51
    assert abs(np.log(scales).mean()) < 5 * np.log(1.5) / np.sqrt(3 * 64)


def test_fields_describe_it_completely():
    augment = data.Augment(**EVERYTHING)
    assert data.Augment(**dataclasses.asdict(augment)) == augment


@pytest.mark.parametrize(
    "options",
    [
        dict(rotation=4), dict(rotation="1"), dict(zoom=-1), dict(shift=-1), dict(shift=1.5), dict(crop=0),
        dict(flip=3), dict(brightness=2), dict(contrast=-0.1), dict(saturation=None),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))}="):
        data.Augment(**options)


@pytest.mark.parametrize("options", [dict(shift=9), dict(crop=10), dict(crop=(5, 13))])
def test_too_small_images_are_an_error(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))}=.*9x12"):
        run(options)


def test_saturation_of_grey_images_is_an_error():
    with pytest.raises(ValueError, match="saturation=0.5.*1 channel"):
        run(dict(saturation=0.5), IMAGES[..., :1])
