import keras
import numpy as np
import pytest
from keras import layers

from keras_repvis.analysis import information

IMAGES = np.random.default_rng(0).normal(size=(3, 5, 4, 3)).astype("float32")


def _model(activation, normalise, expanded=7):
    keras.utils.set_random_seed(4)
    inputs = keras.Input((5, 4, 3))
    x = layers.Conv2D(expanded, 1, name="expand", bias_initializer="random_normal")(inputs)
    if normalise:
        x = layers.BatchNormalization(name="norm", beta_initializer="random_normal")(x)
    x = activation(x)
    return keras.Model(inputs, layers.Conv2D(2, 1, name="project")(x))


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("max_value", [None, 0.5])
def test_agrees_with_the_checker_on_the_folded_kernel(normalise, max_value):
    model = _model(layers.ReLU(max_value=max_value), normalise)
    measured = information.ExpansionRecovery(model, "expand")(IMAGES, batch_size=2)
    expand = model.get_layer("expand")
    weights, biases = expand.kernel.numpy()[0, 0].T.astype("float64"), expand.bias.numpy().astype("float64")
    if normalise:
        norm = model.get_layer("norm")
        scale = 1 / np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
        weights, biases = weights * scale[:, None], biases * scale + norm.beta.numpy()
    expected = information.is_recoverable(weights, IMAGES, biases, max_value)
    assert measured.recoverable == expected.mean()
    assert 0 < measured.recoverable < 1
    assert (measured.positions, measured.expanded, measured.bottleneck) == (60, 7, 3)


def test_rank_decides_not_the_count():
    model = _model(layers.Activation("relu6"), normalise=False)
    expand = model.get_layer("expand")
    # All rows parallel: many units may be active, and two of three dimensions are still lost.
    expand.set_weights([np.ones((1, 1, 3, 7)), np.ones(7)])
    measured = information.ExpansionRecovery(model, "expand")(IMAGES)
    assert measured.enough_active > 0.3
    assert measured.recoverable == 0


def test_activation_inside_the_convolution():
    inputs = keras.Input((5, 4, 3))
    model = keras.Model(inputs, layers.Conv2D(40, 1, activation="relu", name="expand")(inputs))
    assert information.ExpansionRecovery(model, "expand")(IMAGES).recoverable == 1.0


@pytest.mark.parametrize("layer,message", [("expnd", "Did you mean 'expand'"), ("project", "does not lead to a ReLU")])
def test_wrong_layers_are_refused(layer, message):
    with pytest.raises(ValueError, match=message):
        information.ExpansionRecovery(_model(layers.ReLU(), True), layer)


def test_a_relu_that_leaks_or_a_wide_kernel_is_refused():
    with pytest.raises(ValueError, match="does not lead to a ReLU"):
        information.ExpansionRecovery(_model(layers.ReLU(negative_slope=0.1), True), "expand")
    model = keras.Sequential([keras.Input((5, 4, 3)), layers.Conv2D(4, 3, activation="relu", name="wide")])
    with pytest.raises(ValueError, match="not a 1x1 convolution"):
        information.ExpansionRecovery(model, "wide")
