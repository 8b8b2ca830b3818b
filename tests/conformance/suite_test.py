"""The suite itself: good parts of Keras pass every check, and each kind of broken part is caught by its check."""

import keras
import numpy as np
import pytest
import tensorflow as tf


class Base(keras.layers.Layer):
    """A scale for each channel, correct but for what a subclass breaks."""

    def __init__(self, gain=1.0, **kwargs):
        super().__init__(**kwargs)
        self.gain = gain

    def build(self, input_shape):
        self.scale = self.add_weight(name="scale", shape=(input_shape[-1],), initializer="ones")

    def call(self, inputs):
        return inputs * keras.ops.cast(self.scale, inputs.dtype) * self.gain

    def get_config(self):
        return {**super().get_config(), "gain": self.gain}


@keras.saving.register_keras_serializable("repvis_suite")
class ForgetsAnArgument(Base):
    def get_config(self):
        return keras.layers.Layer.get_config(self)


class IsNotRegistered(Base):
    pass


@keras.saving.register_keras_serializable("repvis_suite")
class DrawsItsWeightsAnew(Base):
    """Keeps its numbers outside the weights, so that no file holds them."""

    def build(self, input_shape):
        self.scale = tf.random.uniform((input_shape[-1],))


@keras.saving.register_keras_serializable("repvis_suite")
class FixesTheBatch(Base):
    def call(self, inputs):
        return keras.ops.reshape(super().call(inputs), (4, *inputs.shape[1:]))


@keras.saving.register_keras_serializable("repvis_suite")
class NeedsAKnownSize(Base):
    def call(self, inputs):
        return super().call(inputs) / float(inputs.shape[1])


@keras.saving.register_keras_serializable("repvis_suite")
class LeavesTheGraph(Base):
    """Its answer in a compiled function is the one of the trace."""

    def call(self, inputs):
        return super().call(inputs) + (0.0 if tf.executing_eagerly() else 0.1)


@keras.saving.register_keras_serializable("repvis_suite")
class StaysInFloat32(Base):
    def call(self, inputs):
        return keras.ops.cast(inputs, "float32") * self.scale


@keras.saving.register_keras_serializable("repvis_suite")
class OverflowsInFloat16(Base):
    def call(self, inputs):
        return super().call(inputs * 1e5) / 1e5


@keras.saving.register_keras_serializable("repvis_suite")
class HidesItsWeight(Base):
    def call(self, inputs):
        return inputs * keras.ops.cast(keras.ops.stop_gradient(self.scale), inputs.dtype)


@keras.saving.register_keras_serializable("repvis_suite")
class DividesByZero(Base):
    """Zero at zero, with a gradient that is not a number."""

    def call(self, inputs):
        return super().call(inputs) + keras.ops.sqrt(inputs - inputs)


BROKEN_LAYERS = (
    (ForgetsAnArgument, "config"),
    (IsNotRegistered, "keras_file"),
    (DrawsItsWeightsAnew, "weight_count"),
    (DrawsItsWeightsAnew, "keras_file"),
    (FixesTheBatch, "short_batch"),
    (FixesTheBatch, "saved_model"),
    (NeedsAKnownSize, "any_size"),
    (LeavesTheGraph, "compiled_function"),
    (LeavesTheGraph, "saved_model"),
    (StaysInFloat32, "mixed_precision"),
    (OverflowsInFloat16, "mixed_precision"),
    (HidesItsWeight, "training_step"),
    (DividesByZero, "training_step"),
)


@keras.saving.register_keras_serializable("repvis_suite")
class Squared(keras.losses.Loss):
    """Mean of squares, correct but for what a subclass breaks."""

    def __init__(self, gain=1.0, reduction="sum_over_batch_size", name="squared"):
        super().__init__(reduction=reduction, name=name)
        self.gain = gain

    def call(self, y_true, y_pred):
        error = keras.ops.square(y_pred - keras.ops.cast(y_true, y_pred.dtype))
        return self.gain * keras.ops.mean(error, axis=list(range(1, len(y_pred.shape))))

    def get_config(self):
        return {**super().get_config(), "gain": self.gain}


@keras.saving.register_keras_serializable("repvis_suite")
class LossThatForgets(Squared):
    def get_config(self):
        return keras.losses.Loss.get_config(self)


class LossThatIsNotRegistered(Squared):
    pass


@keras.saving.register_keras_serializable("repvis_suite")
class LossOfTheWholeBatch(Squared):
    def call(self, y_true, y_pred):
        return self.gain * keras.ops.mean(keras.ops.square(y_pred - y_true))


@keras.saving.register_keras_serializable("repvis_suite")
class LossOfTheBatchMean(Squared):
    """Compares each example with the mean of the batch, which another replica does not see."""

    def call(self, y_true, y_pred):
        error = keras.ops.square(y_pred - keras.ops.mean(y_pred, axis=0, keepdims=True) - y_true)
        return self.gain * keras.ops.mean(error, axis=[1, 2, 3])


@keras.saving.register_keras_serializable("repvis_suite")
class LossThatNeedsAKnownSize(Squared):
    def call(self, y_true, y_pred):
        return super().call(y_true, y_pred) / float(y_pred.shape[1])


@keras.saving.register_keras_serializable("repvis_suite")
class LossThatOverflows(Squared):
    def __call__(self, y_true, y_pred, sample_weight=None):
        return keras.ops.mean((y_pred * 1e4 - y_true * 1e4) ** 2) / 1e8 * self.gain


@keras.saving.register_keras_serializable("repvis_suite")
class LossWithoutGradient(Squared):
    def call(self, y_true, y_pred):
        return super().call(y_true, keras.ops.round(y_pred))


BROKEN_LOSSES = (
    (LossThatForgets, "config"),
    (LossThatIsNotRegistered, "keras_file"),
    (LossOfTheWholeBatch, "short_batch"),
    (LossOfTheBatchMean, "two_replicas"),
    (LossThatNeedsAKnownSize, "compiled_function"),
    (LossThatOverflows, "mixed_precision"),
    (LossWithoutGradient, "training_step"),
)


@pytest.fixture
def make_case(suite):
    def make(part, room, weights=None, **arguments):
        return suite["cases"].Case(room, part.__name__, arguments, (6, 5, 4), weights, part=part)

    return make


def test_good_layers_pass(suite, make_case):
    norm = make_case(keras.layers.BatchNormalization, "layers", 4, momentum=0.9)
    convolution = make_case(keras.layers.Conv2D, "layers", 2, filters=3, kernel_size=3, padding="same")
    for check in suite["checks"]("layers"):
        suite["run_check"](check, norm)
        suite["run_check"](check, convolution)


def test_good_losses_pass(suite, make_case):
    squared = make_case(Squared, "losses", gain=2.0)
    for check in suite["checks"]("losses"):
        suite["run_check"](check, squared)


@pytest.mark.parametrize(("part", "check"), BROKEN_LAYERS, ids=lambda value: getattr(value, "__name__", value))
def test_broken_layers_are_caught(suite, make_case, part, check):
    with pytest.raises(Exception):  # noqa: B017 - whatever Keras or TensorFlow says of it
        suite["run_check"](check, make_case(part, "layers", 1, gain=2.0))


@pytest.mark.parametrize(("part", "check"), BROKEN_LOSSES, ids=lambda value: getattr(value, "__name__", value))
def test_broken_losses_are_caught(suite, make_case, part, check):
    with pytest.raises(Exception):  # noqa: B017
        suite["run_check"](check, make_case(part, "losses", gain=2.0))


def test_a_step_that_counts_each_replica_fully_is_caught(suite, make_case):
    """`tf.reduce_mean` in a train step doubles the step over two replicas."""

    class Learner(keras.Model):
        def train_step(self, data):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((self(data[0]) - data[1]) ** 2)
            self.optimizer.apply_gradients(zip(tape.gradient(loss, self.trainable_variables), self.trainable_variables))
            return {"loss": loss}

    def make():
        inputs = keras.Input((3,))
        model = Learner(inputs, keras.layers.Dense(1)(inputs))
        model.set_weights([np.ones((3, 1)), np.zeros(1)])
        return model

    contract = suite["contract"]
    images, targets = contract.batch_of((3,)), contract.batch_of((1,))
    with pytest.raises(AssertionError, match="differs by"):
        contract.assert_same_step(make, images, targets, "mse", [np.ones((3, 1)), np.zeros(1)])


def test_an_exemption_that_is_no_longer_needed_is_caught(suite, make_case):
    case = suite["cases"].Case("layers", "Base", {"gain": 2.0}, (6, 5, 4), 1, part=Base, exempt={"config": "a reason"})
    with pytest.raises(AssertionError, match="no longer needed"):
        suite["run_check"]("config", case)
