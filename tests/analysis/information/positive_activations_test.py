import keras
import numpy as np
import pytest
from keras import layers

from keras_repvis.analysis import information

IMAGES = np.random.default_rng(0).normal(size=(5, 6, 4, 3)).astype("float32")


def _flat():
    return keras.Sequential(
        [
            keras.Input((6, 4, 3)),
            layers.Conv2D(8, 1, name="conv"),
            layers.ReLU(6.0, name="relu6"),
            layers.Conv2D(12, 3, activation="relu", name="fused"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, name="dense"),
            layers.Activation("hard_silu", name="swish"),
        ]
    )


def test_agrees_with_numpy_whatever_the_batch_size():
    keras.utils.set_random_seed(0)
    model = _flat()
    share = np.mean(model.get_layer("conv")(IMAGES).numpy() > 0, axis=-1)
    fine = information.PositiveActivations(model, threshold=0.5)(IMAGES, batch_size=2)
    coarse = information.PositiveActivations(model, threshold=0.5)(IMAGES, batch_size=64)
    assert list(fine) == ["relu6", "fused", "swish"]
    for measured in (fine["relu6"], coarse["relu6"]):
        assert measured.positions == share.size == 5 * 6 * 4
        np.testing.assert_allclose(measured.mean, share.mean(), rtol=1e-6)
        np.testing.assert_allclose(measured.std, share.std(), rtol=1e-5)
        assert (measured.minimum, measured.maximum) == (share.min(), share.max())
        assert measured.below_threshold == np.mean(share <= 0.5)
    assert 0 < fine["relu6"].below_threshold < 1
    assert fine["fused"].positions == 5 * 4 * 2
    assert fine["swish"].positions == 5


def test_a_share_of_exactly_the_threshold_counts_as_below():
    inputs = keras.Input((6,))
    model = keras.Model(inputs, layers.ReLU(name="relu")(inputs))
    images = np.array([[1.0, -1, -1, -1, -1, -1], [1.0, 1, -1, -1, -1, -1]], "float32")
    assert information.PositiveActivations(model)(images)["relu"].below_threshold == 0.5


@keras.saving.register_keras_serializable("positive_activations_test")
class Subclassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.conv = layers.Conv2D(5, 1, name="conv")
        self.relu = layers.ReLU(name="relu")
        self.inner = keras.Sequential([layers.Conv2D(4, 1), layers.ReLU(name="deep")], name="inner")

    def call(self, images):
        return self.inner(self.relu(self.conv(images)))


def test_nested_subclassed_and_reloaded_models(tmp_path):
    model = Subclassed()
    model(IMAGES)
    measured = information.PositiveActivations(model)(IMAGES)
    assert list(measured) == ["relu", "inner/deep"]
    expected = np.mean(model.conv(IMAGES).numpy() > 0)
    np.testing.assert_allclose(measured["relu"].mean, expected, rtol=1e-6)

    model.save(tmp_path / "model.keras")
    reloaded = keras.saving.load_model(tmp_path / "model.keras")
    again = information.PositiveActivations(reloaded)(IMAGES)
    assert [share.mean for share in again.values()] == [share.mean for share in measured.values()]

    inputs = keras.Input((6, 4, 3))
    nested = keras.Model(inputs, model(inputs))
    names = list(information.PositiveActivations(nested)(IMAGES))
    assert [name.partition("/")[2] for name in names] == ["relu", "inner/deep"]


def test_operations_and_shared_layers():
    inputs = keras.Input((6, 4, 3))
    relu = layers.ReLU(name="shared")
    model = keras.Model(inputs, relu(keras.ops.relu6(inputs)) + relu(-inputs))
    measured = information.PositiveActivations(model)(IMAGES)
    assert len(measured) == 3
    assert measured["shared"].mean + measured["shared#2"].mean == pytest.approx(1.0)


def test_data_sets_and_chosen_layers():
    import tensorflow as tf

    model = _flat()
    pairs = tf.data.Dataset.from_tensor_slices((IMAGES, np.arange(5))).batch(2)
    counter = information.PositiveActivations(model, layers=["fused"])
    assert counter(pairs) == counter(IMAGES, batch_size=2)
    assert list(counter(IMAGES)) == ["fused"]


def test_mistakes_are_named():
    plain = keras.Sequential([keras.Input((6, 4, 3)), layers.Conv2D(8, 1, activation="tanh")], name="plain")
    with pytest.raises(ValueError, match="'plain' has no ReLU-like layer"):
        information.PositiveActivations(plain)
    with pytest.raises(ValueError, match="Did you mean 'relu6'"):
        information.PositiveActivations(_flat(), layers=["relu"])
    with pytest.raises(ValueError, match="threshold=2"):
        information.PositiveActivations(_flat(), threshold=2)
    with pytest.raises(ValueError, match="images is empty"):
        information.PositiveActivations(_flat())(IMAGES[:0])
    with pytest.raises(ValueError, match="batch_size=0"):
        information.PositiveActivations(_flat())(IMAGES, batch_size=0)
