"""Examples show what the models really make of the images, under the names that say what was done."""

import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.analysis import information


def test_every_reconstruction_is_that_of_its_corruption(hidden_code):
    images = hidden_code.images(2)
    pair = information.TranslationPair(*hidden_code())
    partners = np.full_like(images, 0.5)
    found = information.translate_examples(pair, images, partners, paired=True, noise_levels=(2.0,), cutoff=0.3, seed=4)
    codes = pair.encode(images)
    np.testing.assert_array_equal(found.codes, codes)
    corruptions = information.image_corruptions
    expected = {
        "G(F(x))": codes,
        "8 bits": np.round(255 * codes) / 255,
        "JPEG 75": corruptions.jpeg((75,)).prepare(codes, range(2))(75),
        "noise 2": corruptions.noise((2.0,), seed=4).prepare(codes, range(2))(2.0),
        "low-pass 0.3": corruptions.low_pass((0.3,)).prepare(codes, range(2))(0.3),
        "G(true y)": partners,
    }
    assert list(found.reconstructions) == list(expected)
    for name, array in expected.items():
        np.testing.assert_allclose(found.reconstructions[name], pair.decode(array), atol=1e-3, err_msg=name)
    assert found.errors("G(F(x))").max() < 0.01 < found.errors("8 bits").min()
    np.testing.assert_allclose(found.errors("G(true y)"), 255 * np.abs(images - 0.5).mean(axis=(1, 2, 3)), rtol=1e-4)
    np.testing.assert_array_equal(found.residual, information.residual(codes))
    np.testing.assert_array_equal(found.partners_enhanced, information.enhance_contrast(partners))


def test_other_real_images_are_shown_but_not_decoded(hidden_code):
    images = hidden_code.images(1)
    found = information.translate_examples(information.TranslationPair(*hidden_code()), images, images)
    assert "G(true y)" not in found.reconstructions and found.partners is not None


def test_channels_that_no_picture_has_are_not_enhanced():
    images = np.random.default_rng(0).random((1, 8, 8, 5))
    pair = information.TranslationPair(tf.identity, tf.identity)
    found = information.translate_examples(pair, images, jpeg_quality=None)
    assert found.enhanced is None and not any("JPEG" in name for name in found.reconstructions)
    with pytest.raises(ValueError, match="jpeg_qualities"):
        information.translate_examples(pair, images)


def test_partners_fit():
    pair = information.TranslationPair(tf.identity, tf.identity)
    with pytest.raises(ValueError, match="partners of shape"):
        information.translate_examples(pair, np.zeros((2, 8, 8, 1)), np.zeros((1, 8, 8, 1)))


def test_an_edit_is_shown_at_home_and_elsewhere(hidden_code):
    images = hidden_code.images(3)
    edited, others = information.replace_patch(images, 8, 8, 8), np.roll(images, 1, axis=0)
    found = information.edit_examples(information.TranslationPair(*hidden_code()), images, edited, others)
    np.testing.assert_allclose(found.reconstructed, edited, atol=1e-4)
    np.testing.assert_allclose(found.others_reconstructed, others, atol=1e-4)
    np.testing.assert_allclose(found.transplanted, others + edited - images, atol=1e-3)
    assert np.abs(found.code_edit[:, :8]).max() < 1e-6 < np.abs(found.code_edit[:, 8:16, 8:16]).max()
