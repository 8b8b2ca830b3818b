"""The control: as large as an attack, blind to the classifier, and different for every image."""

import keras
import numpy as np
import pytest

from keras_repvis.analysis.adversarial import RandomPerturbation


@pytest.mark.parametrize("norm, epsilon", [("linf", 0.1), ("l2", 0.5)])
def test_away_from_the_range_it_is_as_large_as_allowed(net, norm, epsilon):
    grey = np.full((5, 8, 8, 3), 0.5, "float32")
    found = RandomPerturbation(net, epsilon, norm)(grey)
    assert found.distances.max() <= epsilon
    np.testing.assert_allclose(found.distances, epsilon, rtol=1e-6)
    moved = (found.images - grey).reshape(5, -1)
    if norm == "linf":
        np.testing.assert_allclose(np.abs(moved), epsilon, rtol=1e-5)
    # Images are perturbed independently: 192 numbers each, at five standard errors.
    correlations = np.corrcoef(moved)[np.triu_indices(5, 1)]
    assert np.abs(correlations).max() < 5 / np.sqrt(192)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_bounds_chunks_and_seeds(net, images, norm):
    whole = RandomPerturbation(net, 0.3, norm)(images)
    assert whole.images.min() >= 0 and whole.images.max() <= 1 and whole.distances.max() <= 0.3
    for size in (1, 3):
        np.testing.assert_array_equal(RandomPerturbation(net, 0.3, norm, batch_size=size)(images).images, whole.images)
    np.testing.assert_array_equal(RandomPerturbation(net, 0.3, norm)(images[:4]).images, whole.images[:4])
    assert not np.array_equal(RandomPerturbation(net, 0.3, norm, seed=1)(images).images, whole.images)


def test_needs_no_gradient(images):
    image = keras.Input((8, 8, 3))
    cut = keras.ops.cast(keras.ops.cast(keras.layers.GlobalAveragePooling2D()(image) * 255, "int32"), "float32")
    found = RandomPerturbation(keras.Model(image, cut), 0.2)(images, 0)
    assert found.zero_gradient is None
    np.testing.assert_array_equal(found.success, found.predictions != 0)


def test_wrong_arguments_are_named(net):
    with pytest.raises(ValueError, match="seed=-1"):
        RandomPerturbation(net, 0.1, seed=-1)
    with pytest.raises(ValueError, match="norm='l1' is not known. Did you mean 'l"):
        RandomPerturbation(net, 0.1, norm="l1")
