"""Edits spread as far as kernels reach, and add up exactly for linear maps and only for those."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import analysis
from keras_repvis.analysis import information
from keras_repvis.analysis.information import edits

FIELDS = ("edit", "transplanted", "summed", "summed in the encoder")


def photos(count=4, side=24, channels=3):
    return np.random.default_rng(0).uniform(0.2, 0.8, (count, side, side, channels)).astype("float32")


def box(side, channels=3):
    """The mean over a square of 2 reach + 1 pixels."""
    layer = keras.layers.DepthwiseConv2D(side, padding="same", use_bias=False)
    image = keras.Input((None, None, channels))
    model = keras.Model(image, layer(image))
    layer.set_weights([np.full((side, side, channels, 1), 1 / side**2)])
    return model


@pytest.mark.parametrize("reach", [0, 1, 3])
def test_the_spread_is_the_reach_of_the_kernel(reach):
    images = photos()
    changed = images.copy()
    changed[:, 12, 12] += 0.1
    effect = information.EditEffects(box(2 * reach + 1), tf.identity)(images, changed).in_float
    assert effect.profile.shape == (4, 24)
    np.testing.assert_allclose(effect.outside(reach), 0, atol=1e-6)
    # A single pixel goes to (2 reach + 1)^2 pixels alike.
    for distance in range(reach + 1):
        expected = (2 * distance + 1) ** 2 / (2 * reach + 1) ** 2
        np.testing.assert_allclose(effect.profile[:, distance], expected, rtol=1e-4)
    np.testing.assert_array_equal(effect.distance(0.999), reach)
    np.testing.assert_array_equal(effect.distance(1.0), effect.distance(0.999))


def test_a_code_block_by_block_stays_in_its_patch(hidden_code):
    images = hidden_code.images()
    changed = information.replace_patch(images, 8, 8, 16)
    effect = information.EditEffects(*hidden_code())(images, changed).in_float
    np.testing.assert_allclose(effect.outside(), 0, atol=1e-9)
    np.testing.assert_allclose(effect.cosine["edit"], 1, atol=1e-4)
    assert effect.relative_error["edit"].max() < 1e-2


def test_a_norm_over_the_image_spreads_every_edit():
    def normalised(images):
        return 0.5 + 0.1 * (images - tf.reduce_mean(images, axis=(1, 2), keepdims=True))

    images = photos()
    changed = images.copy()
    changed[:, :4, :4] = 1.0
    effect = information.EditEffects(normalised, tf.identity)(images, changed).in_float
    assert np.all(effect.outside(10) > 0.001) and np.all(effect.outside(18) > 0)


def test_linear_maps_add_up_exactly(hidden_code):
    images = hidden_code.images()
    first, second = information.replace_patch(images, 8, 0, 0), information.replace_patch(images, 8, 16, 16)
    found = information.EditEffects(*hidden_code(), batch_size=3)(images, first, second)
    assert tuple(found.in_float.relative_error) == FIELDS
    for name in FIELDS:
        assert found.in_float.relative_error[name].max() < 1e-2, name
        assert found.in_float.cosine[name].min() > 0.9999, name
    # Files keep whole grey levels: the sums of rounded encodings are exact, and only the edits themselves are coarser.
    assert found.in_8bit.relative_error["summed"].max() < 1e-2
    assert found.in_8bit.relative_error["edit"].min() > 0.05


def test_files_cannot_hold_sums_that_leave_the_range():
    images = np.full((2, 16, 16, 1), 0.2, "float32")
    changed = images.copy()
    changed[:, :4, :4] = 0.8
    white = np.full_like(images, 0.8)
    found = information.EditEffects(tf.identity, tf.identity)(images, changed, others=white)
    np.testing.assert_allclose(found.in_float.relative_error["transplanted"], 0, atol=1e-5)
    # Of 0.6 only 0.2 fit in.
    np.testing.assert_allclose(found.in_8bit.relative_error["transplanted"], 2 / 3, rtol=1e-2)


def test_maps_that_are_not_linear_do_not():
    def squared(images):
        return tf.square(images)

    images = photos()
    first, second = information.replace_patch(images, 8, 0, 0), information.replace_patch(images, 8, 4, 4)
    found = information.EditEffects(tf.identity, squared)(images, first, second).in_float
    assert found.relative_error["transplanted"].min() > 0.1 and found.relative_error["summed"].min() > 0.1
    # The identity adds up, where the sum of two edits of a pixel does not leave the range.
    assert found.relative_error["summed in the encoder"].max() < 0.5
    encoder = information.EditEffects(squared, tf.identity)(images, first, second).in_float
    assert encoder.relative_error["summed in the encoder"].min() > 0.1


def test_relative_errors_and_cosines_are_those_of_the_formulas():
    generator = np.random.default_rng(0)
    found, expected = generator.normal(size=(2, 3, 4, 4, 1))
    errors, cosines = edits._compare(found, expected)
    for index in range(3):
        a, b = found[index].ravel(), expected[index].ravel()
        assert errors[index] == pytest.approx(np.linalg.norm(a - b) / np.linalg.norm(b))
        assert cosines[index] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_an_encoder_that_ignores_the_edit_is_undefined_not_perfect():
    images = photos()
    changed = information.replace_patch(images, 4, 0, 0)
    effect = information.EditEffects(tf.zeros_like, tf.identity)(images, changed).in_float
    assert np.isnan(effect.profile).all() and np.isnan(effect.distance()).all()
    assert np.isnan(effect.relative_error["transplanted"]).all()
    np.testing.assert_allclose(effect.relative_error["edit"], 1.0)


def test_batches_change_nothing_and_progress_ends_at_one(hidden_code):
    images = hidden_code.images(count=5)
    changed = information.replace_patch(images, 8, 8, 8)
    shares = []
    whole = information.EditEffects(*hidden_code())(images, changed)
    parts = information.EditEffects(*hidden_code(), batch_size=2)(images, changed, progress=shares.append)
    assert shares == [0.4, 0.8, 1.0]
    np.testing.assert_allclose(whole.in_float.profile, parts.in_float.profile, atol=1e-6)
    np.testing.assert_allclose(whole.in_8bit.cosine["edit"], parts.in_8bit.cosine["edit"], atol=1e-6)
    assert set(whole.in_float.relative_error) == {"edit", "transplanted"}


def test_one_image_has_no_other_to_transplant_into():
    images = photos(1)
    found = information.EditEffects(tf.identity, tf.identity)(images, information.replace_patch(images, 8, 0, 0))
    assert set(found.in_float.relative_error) == {"edit"}


def test_the_table_has_a_row_for_floats_and_one_for_files(hidden_code):
    images = hidden_code.images()
    rows = information.EditEffects(*hidden_code())(images, information.replace_patch(images, 8, 8, 8)).rows()
    assert [row["encodings"] for row in rows] == ["floats", "8 bits"]
    assert rows[0]["relative error, transplanted"].mean < 1e-2


def test_a_patch_comes_from_the_next_image():
    images = photos(3)
    found = information.replace_patch(images, 5, 2, 7)
    np.testing.assert_array_equal(found[2, 2:7, 7:12], images[0, 2:7, 7:12])
    found[:, 2:7, 7:12] = images[:, 2:7, 7:12]
    np.testing.assert_array_equal(found, images)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"first": photos()}, r"first leaves images \[0, 1, 2, 3\] as they are"),
        ({"first": photos(side=16)}, "first of shape"),
        ({"others": photos(2)}, "others of shape"),
    ],
)
def test_edits_that_are_none(arguments, message):
    images = photos()
    arguments = {"first": information.replace_patch(images, 8, 0, 0), **arguments}
    with pytest.raises(ValueError, match=message):
        information.EditEffects(tf.identity, tf.identity)(images, **arguments)


def test_patches_and_sizes_are_checked():
    for arguments, message in (((30, 0, 0), "size=30"), ((4, 22, 0), "top=22"), ((4, 0, -1), "left=-1")):
        with pytest.raises(ValueError, match=message):
            information.replace_patch(photos(), *arguments)
    halved = information.EditEffects(lambda x: x[:, ::2], lambda y: tf.repeat(y, 2, axis=1))
    with pytest.raises(analysis.UnsupportedModelError, match="edits need the same height and width"):
        halved(photos(), information.replace_patch(photos(), 8, 0, 0))
