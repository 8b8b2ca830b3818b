"""Sensitivity-n: exact for linear models, nothing for maps of chance."""

import keras
import numpy as np
import pytest

from keras_repvis.analysis.evaluation import SensitivityN

RNG = np.random.default_rng(0)
SIZE = (6, 5, 2)
WEIGHTS = RNG.normal(size=(*SIZE, 3)).astype("float32")
IMAGES = RNG.uniform(size=(4, *SIZE)).astype("float32")
CLASSES = [2, 0, 1, 1]


def linear(x):
    return keras.ops.einsum("bhwk,hwkc->bc", x, WEIGHTS) + 3.0


def contributions(images, baseline=0.0):
    """Gradient times difference from the baseline, summed over the channels."""
    return np.stack([(WEIGHTS[..., c] * (image - baseline)).sum(-1) for image, c in zip(images, CLASSES)])


@pytest.mark.parametrize("baseline", [0.0, np.array([0.2, 0.7])])
@pytest.mark.parametrize("batch_size", [3, 64])
def test_exact_decomposition_of_a_linear_model(baseline, batch_size):
    measure = SensitivityN(linear, sizes=[1, 3, 10, 29], sets=20, baseline=baseline, batch_size=batch_size)
    maps = contributions(IMAGES, baseline)
    result = measure(IMAGES, {"maps": maps, "thrice": 3 * maps, "turned": -maps}, CLASSES)
    np.testing.assert_allclose(result.correlations["maps"], 1, atol=1e-5)
    np.testing.assert_allclose(result.correlations["thrice"], 1, atol=1e-5)
    np.testing.assert_allclose(result.correlations["turned"], -1, atol=1e-5)


def test_sets_have_n_pixels_and_are_the_same_for_all_images():
    """f counts the pixels that are left."""
    count = lambda x: keras.ops.sum(x[..., :1], axis=(1, 2))  # noqa: E731
    measure = SensitivityN(count, sizes=[1, 7, 12], sets=4)
    found = measure._measure.measure(np.ones((3, *SIZE), "float32"), 0, np.ones((3, 1, 30), "float32"))
    np.testing.assert_array_equal(found["scores"], np.tile(30 - np.repeat([1, 7, 12], 4), (3, 1)))
    np.testing.assert_array_equal(found["sums"][..., 0], np.tile(np.repeat([1, 7, 12], 4), (3, 1)))
    # And they differ from one another.
    places = np.tile(np.arange(30, dtype="float32"), (3, 1, 1))
    sums = measure._measure.measure(np.ones((3, *SIZE), "float32"), 0, places)["sums"][..., 0]
    assert (sums[0] == sums[2]).all() and len(set(sums[0, 4:8])) > 2


def test_correlation_is_the_one_of_numpy_for_any_map():
    maps = RNG.normal(size=(4, *SIZE[:2]))
    measure = SensitivityN(linear, sizes=[4], sets=30, seed=5)
    found = measure._measure.measure(IMAGES, CLASSES, maps.reshape(4, 1, 30).astype("float32"))
    expected = [np.corrcoef(s, f - c)[0, 1] for s, f, c in zip(found["sums"][..., 0], found["score"], found["scores"])]
    result = measure(IMAGES, maps, CLASSES)
    np.testing.assert_allclose(result.correlations["maps"][:, 0], expected, rtol=1e-3, atol=1e-4)


def test_chance_is_near_zero_and_stands_beside():
    images = RNG.uniform(size=(100, *SIZE)).astype("float32")
    result = SensitivityN(linear, sizes=[5], sets=50)(images, RNG.normal(size=(100, *SIZE[:2])), targets=1)
    # 100 correlations, their mean by the same sets: a standard error of at most 1/sqrt(29).
    assert abs(result.correlations["maps"].mean()) < 0.2
    assert list(result.correlations) == ["maps", "random map", "centre"]
    assert "n = 5" in str(result)


def test_a_map_that_does_not_vary_has_no_correlation():
    result = SensitivityN(linear, sizes=[2], sets=5)(IMAGES, np.zeros((4, *SIZE[:2])), CLASSES)
    assert np.isnan(result.correlations["maps"]).all()
    assert str(result.rows()[0]["n = 2"]) == "undefined"


def test_sizes_by_default_and_what_does_not_fit():
    assert SensitivityN(linear).sizes_for(10, 10)[0] == 1 and SensitivityN(linear).sizes_for(10, 10)[-1] == 80
    assert SensitivityN(linear).sizes_for(224, 224)[-1] == round(0.8 * 224 * 224)
    with pytest.raises(ValueError, match="sizes="):
        SensitivityN(linear, sizes=[30])(IMAGES, np.ones((4, 6, 5)))
    with pytest.raises(ValueError, match="sets=1"):
        SensitivityN(linear, sets=1)
