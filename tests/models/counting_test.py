"""Tests of keras_repvis.models.counting: closed forms for each kind of layer, graphs of all kinds, and refusals."""

import keras
import numpy as np
import pytest

from keras_repvis import models
from keras_repvis.layers import InvertedResidual, LayerScale

LAYERS = keras.layers


def single(layer, shape):
    image = keras.Input(shape)
    return keras.Model(image, layer(image))


# layer, input shape, multiply-adds in closed form: positions x kernel area x input channels of a group x filters
CASES = {
    "conv": (lambda: LAYERS.Conv2D(8, 3, padding="same"), (9, 7, 4), 9 * 7 * 9 * 4 * 8),
    "strided": (lambda: LAYERS.Conv2D(8, 3, strides=2, padding="same"), (9, 7, 4), 5 * 4 * 9 * 4 * 8),
    "valid": (lambda: LAYERS.Conv2D(8, (3, 5)), (9, 7, 4), 7 * 3 * 15 * 4 * 8),
    "grouped": (lambda: LAYERS.Conv2D(8, 3, groups=2, padding="same"), (9, 7, 4), 9 * 7 * 9 * 2 * 8),
    "dilated": (lambda: LAYERS.Conv2D(8, 3, dilation_rate=2), (9, 7, 4), 5 * 3 * 9 * 4 * 8),
    "transposed": (lambda: LAYERS.Conv2DTranspose(8, 3, strides=2, padding="same"), (9, 7, 4), 9 * 7 * 9 * 4 * 8),
    "depthwise": (lambda: LAYERS.DepthwiseConv2D(3, depth_multiplier=2, padding="same"), (9, 7, 4), 9 * 7 * 9 * 4 * 2),
    "separable": (
        lambda: LAYERS.SeparableConv2D(8, 3, depth_multiplier=2, padding="same"),
        (9, 7, 4),
        9 * 7 * (9 * 4 * 2 + 8 * 8),
    ),
    "conv1d": (lambda: LAYERS.Conv1D(8, 3, padding="causal"), (9, 4), 9 * 3 * 4 * 8),
    "conv3d": (lambda: LAYERS.Conv3D(8, 2), (5, 4, 3, 2), 4 * 3 * 2 * 8 * 2 * 8),
    "dense": (lambda: LAYERS.Dense(8), (4,), 4 * 8),
    "dense on a sequence": (lambda: LAYERS.Dense(8), (5, 4), 5 * 4 * 8),
    "norm": (lambda: LAYERS.BatchNormalization(), (9, 7, 4), 0),
    "scale": (lambda: LayerScale(), (9, 7, 4), 0),
    "pool": (lambda: LAYERS.MaxPooling2D(), (9, 7, 4), 0),
}


@pytest.mark.parametrize("case", CASES)
def test_closed_forms(case):
    make, shape, expected = CASES[case]
    model = single(make(), shape)
    cost = models.cost(model)
    assert cost.multiply_adds == expected
    assert cost.total == model.count_params() == sum(row.parameters for row in cost.rows)


def test_channels_first():
    model = single(LAYERS.Conv2D(8, 3, data_format="channels_first"), (4, 9, 7))
    assert models.cost(model).multiply_adds == 7 * 5 * 9 * 4 * 8


def test_count_equals_what_a_dense_matrix_does():
    """Multiply-adds of a valid convolution are the nonzero entries of its matrix, here taken from its Jacobian."""
    model = single(LAYERS.Conv2D(2, 2, groups=2, use_bias=False, kernel_initializer="ones"), (4, 3, 4))
    basis = np.eye(4 * 3 * 4, dtype="float32").reshape(-1, 4, 3, 4)
    assert models.cost(model).multiply_adds == np.count_nonzero(np.array(model(basis)))


def test_rows():
    model = models.MobileNetV2((32, 32, 3), width_multiplier=0.35, classes=10)
    cost = models.cost(model)
    rows = {row.name: row for row in cost.rows}
    assert rows["stem_conv"] == models.Row("stem_conv", "Conv2D", (16, 16, 16), 432, 16 * 16 * 432)
    assert list(rows) == [layer.name for layer in model.layers[1:]]
    assert sum(row.multiply_adds for row in cost.rows) == cost.multiply_adds


def test_frozen_weights_are_not_trainable():
    model = models.MobileNetV1((32, 32, 3), width_multiplier=0.25)
    total = models.cost(model).total
    model.trainable = False
    assert (models.cost(model).total, models.cost(model).trainable) == (total, 0)


@pytest.mark.parametrize("size", [32, 97, 224])
def test_any_size_for_static_and_dynamic_models(size):
    static, dynamic = (
        models.MobileNetV2(shape, width_multiplier=0.35) for shape in ((224, 224, 3), (None, None, 3))
    )
    assert models.cost(static, (size, size, 3)) == models.cost(dynamic, (size, size, 3))
    if size == 224:
        assert models.cost(static) == models.cost(static, (224, 224, 3))


def test_counting_leaves_the_model_alone():
    model = models.MobileNetV1((32, 32, 3), width_multiplier=0.25)
    models.cost(model, (64, 64, 3))
    assert model.get_layer("block_3_depthwise").output.shape == (None, 8, 8, 32)  # raises if called once more


def test_nested_models_blocks_and_shared_layers():
    backbone = keras.Sequential([keras.Input((8, 8, 16)), InvertedResidual(16, name="block")], name="backbone")
    shared = LAYERS.Dense(16, name="shared")
    image = keras.Input((8, 8, 16))
    model = keras.Model(image, shared(shared(backbone(image))))
    cost = models.cost(model)
    block = 64 * (16 * 96 + 9 * 96 + 96 * 16)
    assert cost.multiply_adds == block + 2 * 64 * 16 * 16
    assert cost.total == model.count_params() == sum(row.parameters for row in cost.rows)
    assert [row.name for row in cost.rows][:2] == ["backbone/block_expand", "backbone/block_expand_norm"]
    assert [row.parameters for row in cost.rows if row.name == "shared"] == [16 * 17, 0]


def test_several_inputs():
    first, second = keras.Input((4,)), keras.Input((None, 3))
    model = keras.Model([first, second], [LAYERS.Dense(2)(first), LAYERS.Dense(5)(second)])
    assert models.cost(model, [(4,), (7, 3)]).multiply_adds == 4 * 2 + 7 * 3 * 5


def test_a_layer_may_say_it_itself():
    @keras.saving.register_keras_serializable("cost_test")
    class Diagonal(LAYERS.Layer):
        def build(self, shape):
            self.scale = self.add_weight(shape=(shape[-1],))

        def call(self, inputs):
            return inputs * self.scale

        def multiply_adds(self, input_shape, output_shape):
            return input_shape[1] * output_shape[-1]

    assert models.cost(single(Diagonal(), (6, 4))).multiply_adds == 24


class Hidden(LAYERS.Dense):
    """A dense layer with a call of its own, of which nothing is known."""

    def call(self, inputs):
        return super().call(super().call(inputs))


class Contraction(keras.Model):
    """A subclassed model."""

    def __init__(self):
        super().__init__()
        self.dense = LAYERS.Dense(4)

    def call(self, inputs):
        return self.dense(inputs)


@pytest.mark.parametrize(
    "make, shape",
    [
        (lambda: LAYERS.LSTM(4), (6, 4)),
        (lambda: LAYERS.TimeDistributed(LAYERS.Dense(4)), (6, 4)),
        (lambda: LAYERS.EinsumDense("abc,cd->abd", output_shape=(None, 4)), (6, 4)),
        (lambda: Hidden(4), (4,)),
        (lambda: Contraction(), (4,)),
        (lambda: lambda x: x @ keras.ops.transpose(x, (0, 2, 1)), (6, 4)),
    ],
)
def test_what_it_does_not_know_it_refuses(make, shape):
    with pytest.raises(ValueError, match="multiply-adds are not known.*multiply_adds"):
        models.cost(single(make(), shape))


def test_bad_arguments_are_named():
    model = models.MobileNetV1((None, None, 3), width_multiplier=0.25)
    with pytest.raises(ValueError, match="input_shape=None.*give the shape"):
        models.cost(model)
    for shape in ((32, 32), 32, [(32, 32, 3), (32, 32, 3)], ()):
        with pytest.raises(ValueError, match="input_shape=.*expected the shape of one example"):
            models.cost(model, shape)
    with pytest.raises(ValueError, match="input_shape is not accepted: at 'stem_conv'"):
        models.cost(model, (32, 32, 4))
    with pytest.raises(ValueError, match="model=.*functional"):
        models.cost(Contraction())
