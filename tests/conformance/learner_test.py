"""Every learner is right under replicas and goes on bit for bit, and a learner that is not is caught."""

import inspect

import keras
import pytest
import tensorflow as tf

from keras_repvis import training

NAMES = ("Classification", "CycleGAN", "two optimisers and a pool")


@pytest.fixture(scope="module")
def contract(load):
    return load("learner_contract")


@pytest.fixture(scope="module")
def makers(load):
    return load("learners").LEARNERS


def test_every_public_learner_has_a_case(makers):
    assert set(makers) == set(NAMES)
    public = {name: getattr(training, name) for name in training.__all__}
    learners = {name for name, value in public.items() if inspect.isclass(value) and issubclass(value, keras.Model)}
    assert learners <= set(makers)


@pytest.mark.parametrize("name", NAMES)
def test_one_device_equals_two_replicas(contract, makers, name):
    contract.one_device_equals_two_replicas(contract.LearnerCase(name, makers[name]))


@pytest.mark.parametrize("name", NAMES)
def test_keras_fit_equals_two_replicas(contract, makers, name):
    contract.keras_fit_equals_two_replicas(contract.LearnerCase(name, makers[name]))


@pytest.mark.parametrize("name", NAMES)
def test_goes_on_bit_for_bit(contract, makers, name, tmp_path):
    contract.goes_on_bit_for_bit(contract.LearnerCase(name, makers[name]), tmp_path)


class Linear(keras.Model):
    """A learner correct but for what a subclass breaks."""

    def __init__(self):
        super().__init__()
        self.network = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
        self.crossentropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.error = keras.metrics.Mean(name="error")
        self.built = True

    def call(self, images):
        return self.network(images)

    def loss_of(self, labels, logits):
        return self.crossentropy(labels, logits)  # Divided by the number of replicas: they are summed.

    def log(self, images, labels, logits):
        error = self.crossentropy(labels, logits) * tf.distribute.get_strategy().num_replicas_in_sync
        self.error.update_state(error, sample_weight=tf.shape(images)[0])
        return {"error": self.error.result()}

    def train_step(self, batch):
        images, labels = batch
        with tf.GradientTape() as tape:
            logits = self.network(self.disturb(images))
            loss = self.loss_of(labels, logits)
        self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        return self.log(images, labels, logits)

    def test_step(self, batch):
        images, labels = batch
        return self.log(images, labels, self.network(images))

    def disturb(self, images):
        return images


class BareMean(Linear):
    """Takes the mean over the replica's share only, so that two replicas take twice the step."""

    def loss_of(self, labels, logits):
        return tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True))


class NoMetric(Linear):
    """Logs a number of its own, which the replicas do not add up to."""

    def train_step(self, batch):
        return {**super().train_step(batch), "largest": tf.reduce_max(self.network(batch[0]))}


class ForgottenDraws(Linear):
    """Draws from a generator that is not its own."""

    def disturb(self, images):
        return images + 0.1 * keras.random.normal(tf.shape(images))


def case_of(contract, learner, optimizer="sgd"):
    def make(deterministic):
        model = learner()
        model.compile(optimizer)
        return model

    return contract.LearnerCase(learner.__name__, make)


def test_the_learner_that_the_broken_ones_break_passes(contract, tmp_path):
    case = case_of(contract, Linear)
    contract.one_device_equals_two_replicas(case)
    contract.keras_fit_equals_two_replicas(case)
    contract.goes_on_bit_for_bit(case, tmp_path)


def test_a_bare_mean_is_caught(contract):
    for check in (contract.one_device_equals_two_replicas, contract.keras_fit_equals_two_replicas):
        with pytest.raises(AssertionError):
            check(case_of(contract, BareMean))


def test_logs_that_are_no_metrics_are_caught(contract):
    with pytest.raises(AssertionError):
        contract.one_device_equals_two_replicas(case_of(contract, NoMetric))


def test_draws_from_a_generator_that_is_not_saved_are_caught(contract, tmp_path):
    with pytest.raises(AssertionError):
        contract.goes_on_bit_for_bit(case_of(contract, ForgottenDraws), tmp_path)
