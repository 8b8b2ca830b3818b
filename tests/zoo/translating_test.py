"""Images of any size come back in their size, as the model would answer."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import layers, models, zoo


def noise(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, "float32")


def identity(shape=(None, None, 3), multiple=4):
    """Answers with the image, and takes multiples only."""
    inputs = keras.Input(shape)
    guarded = layers.AdmissibleSize(multiple, multiple)(inputs)
    return keras.Model(inputs, keras.layers.Identity()(guarded), name="identity")


def convolutions(stride=2, shape=(None, None, 3)):
    """Convolutions with zeros around, which see 8 pixels to each side at most; no statistics."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input(shape)
    hidden = keras.layers.Conv2D(5, 3, padding="same", activation="relu")(inputs)
    hidden = keras.layers.Conv2D(5, 3, stride, padding="same", activation="relu")(hidden)
    hidden = keras.layers.Conv2D(5, 3, padding="same", activation="relu")(hidden)
    hidden = keras.layers.Conv2DTranspose(5, 4, stride, padding="same")(hidden)
    return keras.Model(inputs, keras.layers.Conv2D(2, 3, padding="same", name="last")(hidden))


_RADIUS = 8


def normalised():
    """Subtracts the mean of the image."""
    inputs = keras.Input((None, None, 3))
    return keras.Model(inputs, layers.InstanceNormalization()(inputs))


@pytest.mark.parametrize("size_policy", ["pad", "tile"])
@pytest.mark.parametrize("size", [(1, 1), (4, 8), (5, 3), (17, 30), (33, 64)])
def test_the_identity_is_exact_at_any_size(size_policy, size):
    translator = zoo.Translator(identity(), size_policy, tile=16, overlap=4)
    images = noise(3, *size, 3)
    found = translator(images)
    assert found.dtype == np.float32
    # Two shares of one tile each sum to one up to rounding.
    np.testing.assert_allclose(found, images, rtol=0, atol=0 if size_policy == "pad" else 1e-6)
    np.testing.assert_array_equal(translator(images[0]), found[0])


def test_padding_is_by_reflection_at_the_end():
    seen = []

    def record(images):
        seen.append(images.numpy())
        return images

    model = zoo.SavedFunction(
        lambda images: tf.ensure_shape(tf.py_function(record, [images], tf.float32), (None, None, None, 1)),
        tf.TensorSpec((None, None, None, 1)), "recorder",
    )
    image = noise(5, 6, 1)
    zoo.Translator(model, multiple=4)(image)
    np.testing.assert_array_equal(seen[-1][0], np.pad(image, ((0, 3), (0, 2), (0, 0)), mode="reflect"))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("overlap, feather", [(4 * _RADIUS, None), (2 * _RADIUS + 1, 1), (2 * _RADIUS, 0)])
def test_tiles_of_a_network_without_statistics_are_the_whole_image(stride, overlap, feather):
    model = convolutions(stride)
    step = (64 - overlap) // stride * stride
    images = noise(2, 64 + 3 * step, 64 + step, 3)  # Sides for which no overlap is larger than it must be.
    translator = zoo.Translator(model, "tile", tile=64, overlap=overlap, feather=feather, batch_size=3)
    np.testing.assert_allclose(translator(images), model(images), rtol=0, atol=2e-6)


def test_too_small_an_overlap_shows():
    model, images = convolutions(), noise(1, 184, 124, 3)  # Three by two tiles with no overlap to spare.
    difference = np.abs(zoo.Translator(model, "tile", tile=64, overlap=4)(images) - model(images))
    assert difference.max() > 1e-3
    # Along the seams alone: the centre of the first tile knows nothing of them.
    assert difference[:, :50, :50].max() < 2e-6


def test_tiles_change_the_answer_of_a_network_with_statistics_and_padding_does_not():
    model, images = normalised(), noise(1, 64, 64, 3) * np.linspace(0, 1, 64, dtype="float32")[:, None]
    np.testing.assert_allclose(zoo.Translator(model)(images), model(images), atol=1e-5)
    assert np.abs(zoo.Translator(model, "tile", tile=32)(images) - model(images)).max() > 0.1


def test_resizing_and_back():
    half = identity((16, 16, 3), 1)
    ramp = np.broadcast_to(np.linspace(0, 1, 64, dtype="float32")[:, None, None], (64, 48, 3))
    translator = zoo.Translator(half, "resize")
    found = translator(ramp)
    assert found.shape == ramp.shape and np.abs(found - ramp).max() < 0.04
    assert np.abs(translator(noise(64, 48, 3)) - 0.5).max() < 0.45, "detail is gone"
    assert translator.describe(64, 48) == "resized to 16 x 16 pixels and back"
    free = zoo.Translator(identity(), "resize", size=(8, 12))
    assert free(ramp).shape == ramp.shape and free.describe(8, 12) == "as it is"


def test_a_list_of_any_sizes_keeps_its_order():
    translator = zoo.Translator(identity(), batch_size=2)
    images = [noise(*size, 3, seed=seed) for seed, size in enumerate([(5, 7), (8, 8), (5, 7), (3, 9), (5, 7)])]
    shares = []
    for found, image in zip(translator(images, progress=shares.append), images):
        np.testing.assert_array_equal(found, image)
    assert shares == sorted(shares) and shares[-1] == 1.0


def test_one_compilation_serves_all_sizes(monkeypatch):
    traced = []
    model = identity()
    call = type(model).call

    def counted(self, *arguments, **keywords):
        traced.append(self)
        return call(self, *arguments, **keywords)

    monkeypatch.setattr(type(model), "call", counted)
    translator = zoo.Translator(model)
    for size in (4, 5, 8, 13):
        translator(noise(2, size, size + 4, 3))
    assert len(traced) == 1


def test_memory_is_bounded_by_the_batch():
    sizes = []

    def record(images):
        sizes.append(images.shape)
        return images

    model = zoo.SavedFunction(
        lambda images: tf.ensure_shape(tf.py_function(record, [images], tf.float32), (None, None, None, 3)),
        tf.TensorSpec((None, None, None, 3)), "recorder",
    )
    shares = []
    zoo.Translator(model, "tile", tile=16, overlap=0, batch_size=5, multiple=1)(noise(2, 48, 40, 3), shares.append)
    assert {tuple(shape[1:3]) for shape in sizes} == {(16, 16)} and [shape[0] for shape in sizes] == [5, 5, 5, 3]
    assert shares == [5 / 18, 10 / 18, 15 / 18, 1.0]


@pytest.mark.parametrize("channels, outputs", [(1, 3), (5, 1)])
def test_other_channels_and_mixed_precision(channels, outputs):
    with_policy = keras.dtype_policies.DTypePolicy("mixed_bfloat16")
    inputs = keras.Input((None, None, channels))
    model = keras.Model(inputs, keras.layers.Conv2D(outputs, 1, dtype=with_policy)(inputs))
    image = noise(7, 9, channels)
    found = zoo.Translator(model)(image)
    assert found.dtype == np.float32 and found.shape == (7, 9, outputs)
    np.testing.assert_allclose(found, np.asarray(model(image[None]), "float32")[0], atol=1e-2)


def test_a_generator():
    model = models.ResNetGenerator((None, None, 3), blocks=1, filters=4)
    image = noise(30, 41, 3)
    padded = np.pad(image, ((0, 2), (0, 3), (0, 0)), mode="reflect")
    np.testing.assert_allclose(zoo.Translator(model)(image), model(padded[None])[0, :30, :41], atol=1e-5)


def test_the_words():
    pad, tile = zoo.Translator(identity()), zoo.Translator(identity(), "tile", tile=(16, 32), overlap=6)
    assert (pad.describe(8, 8), pad.describe(7, 8)) == ("as it is", "padded by reflection to 8 x 8 pixels and cut back")
    assert tile.describe(16, 32) == "as it is"
    assert tile.describe(30, 33) == (
        "in 6 tiles of 16 x 32 pixels that overlap by 6 pixels or more, padded by reflection to 32 x 36 pixels and cut "
        "back"
    )
    assert (pad.tile, pad.overlap, pad.feather) == ((256, 256), 64, 32)


@pytest.mark.parametrize(
    "arguments, message",
    [({"size_policy": "crop"}, "size_policy='crop' is not known"), ({"tile": 30}, "tile=30 .* multiples of 4"),
     ({"tile": 16, "overlap": 9}, "overlap=9 .* <= 8"), ({"overlap": 8, "feather": 9}, "feather=9 .* <= 8"),
     ({"size": (8, 9)}, r"size=\(8, 9\)"), ({"batch_size": 0}, "batch_size=0"), ({"max_pixels": 0}, "max_pixels=0"),
     ({"model": keras.Sequential([keras.layers.Dense(1)])}, "takes nothing known")],
)
def test_arguments_that_are_not_accepted(arguments, message):
    with pytest.raises(ValueError, match=message):
        zoo.Translator(**{"model": identity(), **arguments})


@pytest.mark.parametrize(
    "images, message",
    [(np.zeros((4, 4, 3), "uint8"), "type uint8 are not accepted: expected floats in"), (np.zeros((4, 4)), "of shape"),
     (np.zeros((0, 4, 4, 3)), "of shape"), (np.full((4, 4, 3), 1.5), "from 1.5 to 1.5"),
     (np.full((4, 4, 3), np.nan), "from nan"), (np.zeros((4, 4, 1)), "have 1 channels: the model takes 3"),
     ([np.zeros((2, 4, 4, 3))], r"expected floats in \[0, 1\], \(height, width, channels\)\.")],
)
def test_images_that_are_not_accepted(images, message):
    with pytest.raises(ValueError, match=message):
        zoo.Translator(identity())(images)


def test_images_that_are_too_large():
    with pytest.raises(ValueError, match="it has 9 x 8 pixels, and the model takes 8 x 8: choose the size_policy"):
        zoo.Translator(identity((8, 8, 3)))(noise(9, 8, 3))
    image = noise(9, 8, 3)
    np.testing.assert_allclose(zoo.Translator(identity((8, 8, 3)), "tile")(image), image, atol=1e-6)
    with pytest.raises(ValueError, match="it has 9 x 8 pixels, more than max_pixels=95 for one call"):
        zoo.Translator(identity(), max_pixels=95)(image)
    assert zoo.Translator(identity(), max_pixels=96)(image).shape == image.shape


def test_answers_of_another_size_or_kind(classifier):
    inputs = keras.Input((None, None, 3))
    larger = keras.Model(inputs, keras.layers.UpSampling2D(2)(inputs))
    with pytest.raises(ValueError, match=r"answers 4 x 4 pixels with an array \(8, 8, 3\): expected an image of"):
        zoo.Translator(larger, multiple=1)(noise(4, 4, 3))
    with pytest.raises(ValueError, match=r"puts out \(None, 4\): expected one batch of images"):
        zoo.Translator(classifier)(noise(8, 8, 3))
