"""A reusable SavedModel told apart: its variables, what trains, its losses, and the shapes of its outputs."""

import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.zoo.reusable import Reusable


@pytest.fixture(scope="module", name="loaded")
def loaded_fixture(tmp_path_factory):
    """x -> scale * x + shift (+ 1 in training), with losses of scale, of both, and of neither."""
    saved = tf.train.Checkpoint()
    scale, shift, hidden = tf.Variable([2.0, 3.0]), tf.Variable(1.0), tf.Variable(0.0)

    @tf.function
    def call(x, training=False):
        return x * scale + shift + hidden + (1.0 if training else 0.0)

    for training in (True, False):
        call.get_concrete_function(tf.TensorSpec((None, None, 2)), training=training)
    setattr(saved, "__call__", call)
    saved.variables, saved.trainable_variables, saved.other = [shift, scale], [scale, shift], hidden
    losses = [lambda: tf.reduce_sum(scale), lambda: tf.reduce_sum(scale) * shift, lambda: tf.constant(7.0)]
    saved.regularization_losses = [tf.function(loss, input_signature=[]) for loss in losses]
    directory = tmp_path_factory.mktemp("saved")
    tf.saved_model.save(saved, str(directory), signatures={})
    return tf.saved_model.load(str(directory))


@pytest.fixture(name="reusable")
def reusable_fixture(loaded):
    return Reusable(loaded, "me/model/1")


def test_variables_in_the_order_of_the_saved_model_then_those_it_does_not_list(loaded, reusable):
    assert [variable.numpy().tolist() for variable in reusable.variables] == [1.0, [2.0, 3.0], 0.0]
    assert reusable.trainable == {0, 1}
    assert reusable.variables[1] is loaded.variables[1]


def test_every_loss_is_kept_once(reusable):
    found = {place: [float(loss()) for loss in losses] for place, losses in reusable.regularization_losses.items()}
    # That of scale belongs to it; that of both and that of neither to the first variable that trains.
    assert found == {1: [5.0], 0: [5.0, 7.0]}


@pytest.mark.parametrize("training, expected", [(False, [3.0, 4.0]), (True, [4.0, 5.0])])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_call(reusable, training, expected, dtype):
    found = reusable(np.ones((2, 3, 2), dtype), training=training)
    assert found.dtype == "float32"
    np.testing.assert_array_equal(found, np.broadcast_to(expected, (2, 3, 2)))


@pytest.mark.parametrize(
    "shape, expected",
    [
        ((None, None, 2), (None, None, 2)),
        ((None, 5, 2), (None, 5, 2)),
        ((4, None, 2), (4, None, 2)),
        ((4, 5, 2), (4, 5, 2)),
    ],
)
def test_output_shapes(reusable, shape, expected):
    spec = reusable.output_specs(tf.TensorSpec(shape))
    assert spec == tf.TensorSpec(expected)


def test_another_structure_is_refused_with_what_would_be_accepted(reusable):
    with pytest.raises(ValueError, match="(?s)Expected.*TensorSpec"):
        reusable({"a": np.ones((1, 1, 2), "float32")}, training=False)
