"""Statistics gathered batch by batch are those of all images at once."""

import keras
import numpy as np
import pytest

from keras_repvis import analysis, data
from keras_repvis.analysis.attribution import FeatureStatistics, estimate_statistics

RNG = np.random.default_rng(0)
# Far from zero: sums of squares would lose the spread in float32.
IMAGES = (100.0 + RNG.normal(size=(23, 6, 5, 2))).astype("float32")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    image = keras.Input((6, 5, 2))
    code = keras.layers.Conv2D(3, 3, activation="relu", name="conv")(image - 100.0)
    return keras.Model(image, keras.layers.Dense(4, name="logits")(keras.layers.Flatten()(code)))


@pytest.fixture(scope="module")
def code(model):
    return analysis.Representation(model, "conv")(IMAGES).astype("float64")


@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_equals_the_statistics_of_all_images_at_once(model, code, batch_size):
    found = estimate_statistics(model, IMAGES, "conv", batch_size=batch_size)
    assert (found.layer, found.count) == ("conv", 23)
    np.testing.assert_allclose(found.mean, code.mean(0), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found.std(least=0), code.std(0, ddof=1), rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(found.nonzero, (code != 0).sum(0))


def test_values_far_from_zero_keep_their_spread():
    image = keras.Input((6, 5, 2))
    same = keras.Model(image, keras.layers.Flatten()(keras.layers.Identity(name="same")(image)))
    found = estimate_statistics(same, IMAGES * 1000, "same", batch_size=3)
    np.testing.assert_allclose(found.std(), (IMAGES * 1000).astype("float64").std(0, ddof=1), rtol=1e-9)


def test_two_halves_merge_to_the_whole(model):
    whole = estimate_statistics(model, IMAGES, "conv")
    merged = estimate_statistics(model, IMAGES[:5], "conv").merge(estimate_statistics(model, IMAGES[5:], "conv"))
    assert merged.count == whole.count
    for name in ("mean", "squares", "nonzero"):
        np.testing.assert_allclose(getattr(merged, name), getattr(whole, name), rtol=1e-9, atol=1e-9)
    with pytest.raises(ValueError, match="do not join"):
        whole.merge(estimate_statistics(model, IMAGES, "logits"))


def test_several_layers_in_one_pass_and_several_kinds_of_data(model):
    both = estimate_statistics(model, IMAGES, ["conv", "logits"])
    assert [one.layer for one in both] == ["conv", "logits"] and both[1].mean.shape == (4,)
    batches = [(IMAGES[:7], np.zeros(7)), (IMAGES[7:], np.zeros(16))]
    for some in (batches, [batch for batch, _ in batches], iter(batches)):
        np.testing.assert_allclose(estimate_statistics(model, some, "conv").squares, both[0].squares, rtol=1e-9)


def test_a_stream_and_a_limit():
    image = keras.Input((8, 8, 1))
    same = keras.Model(image, keras.layers.Flatten()(keras.layers.Identity(name="same")(image)))
    source = data.Source("repvis_digits", "train[:50]")
    stream = data.Stream(source, batch_size=16, drop_remainder=False)
    found = estimate_statistics(same, stream, "same")
    images = source.load(np.arange(50)) / 255.0
    assert found.count == 50
    np.testing.assert_allclose(found.mean, images.mean(0), atol=1e-6)
    assert estimate_statistics(same, stream, "same", examples=20).count == 20


def test_smallest_deviation_and_dead_neurons():
    found = FeatureStatistics("conv", 200, np.zeros(3), np.array([0.0, 199.0, 199e-6]), np.array([2, 3, 200]))
    np.testing.assert_allclose(found.std(), [0.01, 1.0, 0.01])
    # More than 1 % of the images: 2 of 200 are not.
    np.testing.assert_array_equal(found.active(), [False, True, True])


def test_survives_a_file(model, tmp_path):
    found = estimate_statistics(model, IMAGES, "conv")
    found.save(tmp_path / "conv.npz")
    loaded = FeatureStatistics.load(tmp_path / "conv.npz")
    assert (loaded.layer, loaded.count) == ("conv", 23)
    for name in ("mean", "squares", "nonzero"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(found, name))
    np.savez(tmp_path / "other.npz", mean=np.zeros(3))
    with pytest.raises(ValueError, match="count, layer, nonzero, squares missing"):
        FeatureStatistics.load(tmp_path / "other.npz")


def test_what_cannot_be_used_is_named(model):
    with pytest.raises(ValueError, match="data hold 1 images"):
        estimate_statistics(model, IMAGES[:1], "conv")
    with pytest.raises(ValueError, match="examples=1 "):
        estimate_statistics(model, IMAGES, "conv", examples=1)
    image = keras.Input((None, None, 1))
    any_size = keras.Model(image, keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU(name="relu")(image)))
    with pytest.raises(ValueError, match="several sizes"):
        estimate_statistics(any_size, [np.ones((2, 4, 4, 1)), np.ones((2, 5, 4, 1))], "relu")
