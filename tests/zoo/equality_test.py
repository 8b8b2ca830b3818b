"""What counts as the same model."""

import hashlib
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.zoo import equality

_SPEC = tf.TensorSpec((None, None, 10, 3), tf.float32)


def test_inputs_are_seeded_and_survive_an_image_file():
    inputs = equality.make_inputs(_SPEC)
    assert inputs.shape == (3, 64, 10, 3) and inputs.dtype == np.float32
    assert inputs.min() >= 0 and inputs.max() <= 1
    np.testing.assert_array_equal(inputs, equality.make_inputs(_SPEC))
    np.testing.assert_array_equal(np.round(inputs * 255).astype("uint8") / np.float32(255), inputs)


def test_given_inputs_are_checked():
    given = np.zeros((1, 5, 10, 3))
    assert equality.make_inputs(_SPEC, given).dtype == np.float32
    for wrong in (np.zeros((0, 5, 10, 3)), np.zeros((1, 5, 9, 3)), np.zeros((5, 10, 3))):
        with pytest.raises(ValueError, match="inputs have shape"):
            equality.make_inputs(_SPEC, wrong)


def test_the_difference_is_relative_to_the_largest_expected_value():
    expected = [np.array([[1.0, -8.0]]), np.array([3.0])]
    assert equality.relative_difference(expected, [np.array([[1.0, -8.0]]), np.array([5.0])]) == 0.25
    assert equality.relative_difference(expected, [np.array([[2.0, -80.0]]), np.array([3.0])]) == 9.0
    assert equality.relative_difference(expected, expected) == 0.0
    empty = [np.ones((0, 2))]
    assert equality.relative_difference([], []) == equality.relative_difference(empty, empty) == 0.0


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("side", [0, 1])
def test_a_nan_anywhere_is_no_difference_within_a_limit(place, side):
    pair = [[np.array([1.0, 2.0]), np.array([3.0, 4.0])] for _ in range(2)]
    pair[side][place] = np.array([np.nan, 1.0])
    assert np.isnan(equality.relative_difference(*pair))


@pytest.mark.parametrize("found", [[], [np.ones(2)], [np.ones(2), np.ones((2, 1))], [np.ones(2)] * 3])
def test_other_shapes_differ_infinitely(found):
    assert equality.relative_difference([np.ones(2), np.ones(2)], found) == np.inf


def test_outputs_beyond_rounding_are_refused():
    expected = [np.array([1.0, -100.0], "float32")]
    assert equality.check_outputs(expected, [np.array([1.0005, -100.0])], "file", 1e-5) == pytest.approx(5e-6, rel=1e-3)
    for found in ([np.array([1.002, -100.0])], [np.array([np.nan, -100.0])], [np.array([1.0])], []):
        with pytest.raises(ValueError, match="read back from file it answers differently"):
            equality.check_outputs(expected, found, "file", 1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_is_not_fit_to_publish(value):
    equality.check_finite([np.ones(2)], "net")
    with pytest.raises(ValueError, match="model='net'.*NaN or infinity"):
        equality.check_finite([np.ones(2), np.array([1, value])], "net")


def test_tolerance_is_that_of_the_coarsest_layer():
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, dtype="mixed_bfloat16")])
    plain = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    assert equality.tolerance(plain) == 1e-5
    assert equality.tolerance(keras.Sequential([keras.Input((4,)), inner])) == 3e-2


def test_weight_digests_are_those_of_their_bytes():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="dense")], name="net")
    model.layers[0].kernel.assign([[0, 1, 2], [3, 4, 5]])
    digests = equality.digest_weights(model)
    kernel = next(digest for path, digest in digests.items() if path.endswith("dense/kernel"))
    assert kernel == {
        "sha256": hashlib.sha256(np.arange(6, dtype="<f4").tobytes()).hexdigest(),
        "shape": [2, 3],
        "dtype": "float32",
        "trainable": True,
    }
    assert len(digests) == 2


def test_weights_of_one_path_are_told_apart():
    layers = [keras.layers.Dense(1, name="same") for _ in range(2)]
    for layer in layers:
        layer.build((None, 1))
    both = types.SimpleNamespace(weights=layers[0].weights + layers[1].weights)
    assert sorted(equality.digest_weights(both)) == ["same/bias", "same/bias#2", "same/kernel", "same/kernel#2"]


def test_changed_weights_are_counted():
    weights = [np.zeros(2, "float32"), np.ones(2, "float32")]
    equality.check_weights(weights, [tf.Variable(weight) for weight in weights], "file")
    with pytest.raises(ValueError, match="1 of its 2 weights differ in file"):
        equality.check_weights(weights, [weights[0], weights[0]], "file")
    with pytest.raises(ValueError, match="1 of its 2 weights differ in file"):
        equality.check_weights(weights, weights[:1], "file")
