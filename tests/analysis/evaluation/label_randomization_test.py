"""Permuted labels, and maps of a model that knows them by heart."""

import keras
import numpy as np
import pytest

from keras_repvis import data, training
from keras_repvis.analysis import attribution
from keras_repvis.analysis.evaluation import PermutedLabels, measure_label_randomization


@pytest.fixture(scope="module")
def source():
    return data.Source("repvis_digits", "train[:150]")


def test_labels_are_permuted_once_and_all_else_stays(source):
    permuted = PermutedLabels(source, seed=1)
    assert sorted(permuted.labels) == sorted(source.labels) and (permuted.labels != source.labels).mean() > 0.5
    np.testing.assert_array_equal(permuted.labels, PermutedLabels(source, seed=1).labels)
    assert (permuted.labels != PermutedLabels(source, seed=2).labels).any()
    assert (permuted.num_examples, permuted.image_shape) == (150, (8, 8, 1))
    streams = [data.Stream(one, 50, seed=3) for one in (source, permuted)]
    for epoch in (0, 1):
        (images, labels), (same, others) = (next(iter(stream.dataset(epoch=epoch))) for stream in streams)
        np.testing.assert_array_equal(images, same)
        order = streams[0].order(epoch)[:50]
        np.testing.assert_array_equal(labels, source.labels[order])
        np.testing.assert_array_equal(others, permuted.labels[order])
    with pytest.raises(AttributeError):
        permuted.nothing_of_the_kind


TRAINED = []


def train(source):
    keras.utils.set_random_seed(0)
    layers = keras.layers
    hidden = [layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dense(128, activation="relu")]
    model = keras.Sequential([keras.Input((8, 8, 1)), *hidden, layers.Dense(10)])
    model.compile(keras.optimizers.Adam(3e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    training.fit(model, data.Stream(source, batch_size=50), epochs=60, progress=False)
    TRAINED.append(model)
    return model


def test_maps_of_learning_and_of_learning_by_heart(source):
    images = source.load(np.arange(100, 150)) / np.float32(255)
    found = measure_label_randomization(attribution.Gradient, train, source, images)
    # Both have learned their labels, or the comparison would say nothing.
    assert found.accuracies[0] > 0.99 and found.accuracies[1] > 0.95
    # Gradients pass: the maps are not those of the other model, and more alike than chance at most by a little.
    assert found.similarities["spearman"].mean() < 0.6
    again = iter(TRAINED)
    constant = measure_label_randomization(Ink, lambda _: next(again), source, images)
    np.testing.assert_allclose(constant.similarities["spearman"], 1)
    assert constant.chance["spearman"].mean() < 0.3
    assert [row["maps of true labels and"] for row in found.rows()] == ["permuted labels", "random map"]
    assert "accuracy on the labels trained on: true 1.000, permuted" in str(found)


class Ink(attribution.Method):
    """A method that shows the image, whatever the model."""

    def _explain(self, query):
        return query.images[..., 0], query.diagnostics(query.outputs())


def test_one_model_for_both_is_refused(source):
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
    with pytest.raises(ValueError, match="the same model twice"):
        measure_label_randomization(attribution.Gradient, lambda _: model, source, np.ones((2, 8, 8, 1), "float32"))
