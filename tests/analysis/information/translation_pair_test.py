"""A pair of models in batches, and what is refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import analysis
from keras_repvis.analysis import information
from keras_repvis.analysis.information import translation_pair


def test_batches_change_nothing_and_are_traced_once(hidden_code):
    encoder, decoder = hidden_code()
    traces = []

    def counted(images):
        traces.append(images.shape)
        return encoder(images)

    images = hidden_code.images(count=5)
    pair = information.TranslationPair(counted, decoder, batch_size=2)
    codes = pair.encode(images)
    np.testing.assert_allclose(codes, encoder(images), atol=1e-6)
    np.testing.assert_allclose(pair.decode(codes), images, atol=1e-5)
    pair.encode(images)
    assert max(len(images[part]) for part in pair.batches(images)) == 2
    assert traces == [(None, 32, 32, 3)]


def test_distances_are_those_of_the_definitions():
    generator = np.random.default_rng(0)
    codes, images, clean = generator.random((3, 3, 4, 4, 2)).astype("float32")
    pair = information.TranslationPair(tf.identity, lambda codes: 2 * codes)
    found = pair.compare(codes, images, clean)
    expected = np.stack([
        255 * np.abs(2 * codes - images).mean(axis=(1, 2, 3)),
        255 * np.abs(2 * codes - clean).mean(axis=(1, 2, 3)),
        255 * np.sqrt(np.square(2 * codes - clean).mean(axis=(1, 2, 3))),
    ], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_models_of_half_precision_are_compared_as_float32():
    image = keras.Input((8, 8, 1))
    half = keras.Model(image, keras.layers.Rescaling(1.0, dtype="mixed_bfloat16")(image))
    assert information.TranslationPair(half, half).encode(np.ones((1, 8, 8, 1), "float32")).dtype == np.float32


def test_storing_is_rounding_to_the_levels_of_a_file():
    values = np.array([-0.1, 0.0, 0.4 / 255, 0.6 / 255, 1.0, 1.2], "float32")
    np.testing.assert_allclose(255 * translation_pair.store(values), [0, 0, 0, 1, 255, 255], atol=1e-5)
    np.testing.assert_allclose(translation_pair.store(np.array([0.3, 0.7]), bits=1), [0, 1])


@pytest.mark.parametrize(
    "models, error, message",
    [
        ((None, tf.identity), ValueError, "encoder=None is not accepted: expected a keras.Model"),
        ((tf.identity, "G"), ValueError, "decoder='G' is not accepted"),
        ((lambda x: (x, x), tf.identity), analysis.UnsupportedModelError, "encoder puts out 2 tensors"),
        ((lambda x: tf.reduce_mean(x, axis=(1, 2)), tf.identity), analysis.UnsupportedModelError, "encoder puts out"),
        ((lambda x: x / 0, tf.identity), ArithmeticError, "encoder puts out values that are not finite"),
    ],
)
def test_models_that_are_no_pair(models, error, message):
    with pytest.raises(error, match=message):
        information.TranslationPair(*models).encode(np.ones((1, 4, 4, 1), "float32"))


def test_one_pair_serves_several_analyses(hidden_code):
    traces = []

    def counted(images):
        traces.append(images.shape)
        return images

    pair, images = information.TranslationPair(counted, tf.identity, 3), hidden_code.images(2)
    first = information.ReconstructionScores(pair)
    information.HiddenSignal(pair)(images)
    first(images)
    assert first.pair is pair and len(traces) == 1
    with pytest.raises(ValueError, match="decoder is not accepted beside a TranslationPair"):
        information.EditEffects(pair, tf.identity)


def test_a_model_of_bytes_is_refused():
    function = tf.identity

    class OfBytes:
        spec = tf.TensorSpec((None, 8, 8, 3), "uint8")

        def __call__(self, images):
            return function(images)

    with pytest.raises(analysis.UnsupportedModelError, match="encoder takes uint8"):
        information.TranslationPair(OfBytes(), tf.identity)


@pytest.mark.parametrize(
    "images",
    [np.zeros((4, 4, 3)), np.zeros((0, 4, 4, 3)), np.zeros((1, 4, 4, 3), "uint8"), np.full((1, 4, 4, 3), 1.5),
     np.full((1, 4, 4, 3), np.nan)],
)
def test_images_that_are_none(images):
    with pytest.raises(ValueError, match="images .* is not accepted"):
        translation_pair.check_images("images", images)


def test_a_decoder_of_another_size_is_refused():
    measure = information.ReconstructionSensitivity(tf.identity, lambda codes: codes[:, ::2])
    with pytest.raises(analysis.UnsupportedModelError, match="expected the same"):
        measure(np.zeros((1, 4, 4, 3)))
