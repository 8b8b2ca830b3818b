import keras
import numpy as np
import pytest
from keras import layers

from keras_repvis.analysis.information import relu_units

IMAGES = np.random.default_rng(0).normal(size=(5, 6, 4, 3)).astype("float32")


def _model():
    inputs = keras.Input((6, 4, 3))
    x = layers.ReLU(6.0, name="relu6")(layers.Conv2D(8, 1, name="conv")(inputs))
    x = layers.PReLU(name="learned")(keras.ops.silu(x))
    x = layers.Conv2D(4, 1, activation="sigmoid", name="gate")(layers.Conv2D(4, 1, activation="gelu", name="fused")(x))
    return keras.Model(inputs, layers.Activation("linear", name="identity")(x))


def test_finds_layers_fused_activations_and_operations_in_order():
    names = list(relu_units.find(_model()))
    assert names[0] == "relu6" and names[2:] == ["learned", "fused"]
    assert "silu" in names[1]


@pytest.mark.parametrize("name", sorted(relu_units._FUNCTIONS - {"prelu"}))
def test_units_are_positive_exactly_where_their_input_is(name):
    inputs = np.array([-9.0, -3.0, -1.0, -0.01, 0.0, 0.01, 1.0, 7.0], "float32")
    outputs = keras.ops.convert_to_numpy(getattr(keras.activations, name)(inputs))
    np.testing.assert_array_equal(outputs > 0, inputs > 0)


def test_recording_leaves_the_model_as_it_was():
    model = _model()
    before = model(IMAGES).numpy()
    units = relu_units.find(model)
    recorded = relu_units.recorder(model, units, lambda output: output)(IMAGES)
    assert list(recorded) == list(units)
    np.testing.assert_allclose(recorded["relu6"], np.clip(model.get_layer("conv")(IMAGES), 0, 6), atol=1e-6)
    assert all("call" not in vars(unit) for unit in units.values())
    np.testing.assert_array_equal(model(IMAGES).numpy(), before)


def test_a_failing_model_is_left_as_it_was():
    model = _model()
    units = relu_units.find(model)
    with pytest.raises(Exception, match="incompatible"):
        relu_units.recorder(model, units, lambda output: output)(IMAGES[..., :2])
    assert all("call" not in vars(unit) for unit in units.values())


def test_batches_of_arrays_and_of_iterables():
    assert [len(batch) for batch in relu_units.batches(IMAGES, 2)] == [2, 2, 1]
    assert [len(batch) for batch in relu_units.batches([IMAGES, (IMAGES[:3], None)], 2)] == [5, 3]
    with pytest.raises(ValueError, match="images is empty"):
        list(relu_units.batches([], 2))
