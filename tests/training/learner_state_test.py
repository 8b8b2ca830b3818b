"""Everything that a learner's next steps depend on is found, once, in one order, and set again."""

import collections
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import training

Pair = collections.namedtuple("Pair", "teacher student")


class Memory(keras.layers.Layer):
    """A layer with a queue that Keras does not know of."""

    def __init__(self):
        super().__init__()
        self.queue = tf.Variable([0.5, 0.5], trainable=False, name="queue")

    def call(self, inputs):
        return inputs


class Learner(keras.Model):
    """Holds each kind of state in each kind of place."""

    def __init__(self):
        super().__init__(name="learner")
        inner = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3), keras.layers.Dropout(0.5), Memory()])
        self.network = keras.Sequential([keras.Input((2,)), inner, keras.layers.BatchNormalization()])
        self.same_network = self.network
        self.noise = keras.random.SeedGenerator(3)
        self.error = keras.metrics.Mean(name="error")
        self.pool = tf.Variable([1, 2], name="pool")
        self.pools = [tf.Variable([3.0], name="first_pool"), {"not": "looked into"}]
        self.ages = {"one": tf.Variable(4, name="age")}
        self._centre = tf.Variable([5.0], name="centre")
        self.temperature = keras.Variable(0.1, name="temperature")
        self.built = True

    def compile(self, build=True):
        super().compile(keras.optimizers.SGD(0.1, name="main"))
        self._hidden = keras.optimizers.Adam(name="hidden")
        self.listed = [keras.optimizers.SGD(name="listed"), None]
        self.named = {"a": keras.optimizers.SGD(name="named")}
        self.pair = Pair(keras.optimizers.SGD(name="teacher"), keras.optimizers.SGD(name="student"))
        self.tuple = (keras.optimizers.SGD(name="tupled"), self.optimizer)
        for optimizer in self.all() if build else ():
            optimizer.build(self.network.trainable_variables)

    def all(self):
        return [self.optimizer, self._hidden, self.listed[0], self.named["a"], *self.pair, self.tuple[0]]

    def call(self, inputs, training=False):
        return self.network(inputs, training=training)


OPTIMISERS = ["main", "hidden", "listed", "named", "teacher", "student", "tupled"]


def compiled():
    learner = Learner()
    learner.compile()
    return learner


@pytest.fixture(scope="module")
def learner():
    return compiled()


def last_names(state):
    return [description["name"].split("/")[-1].removesuffix(":0") for description in state.describe()]


def test_everything_is_found(learner):
    names = last_names(training.LearnerState(learner))
    expected = collections.Counter(
        {
            # Two networks' weights, counted once though they are held twice.
            **dict.fromkeys(("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance", "temperature"), 1),
            "seed_generator_state": 2,
            "total": 2,  # Of the loss and of the error.
            "count": 2,
            **dict.fromkeys(("pool", "first_pool", "age", "centre", "queue"), 1),
            "iteration": len(OPTIMISERS),
            "learning_rate": len(OPTIMISERS),
        }
    )
    found = collections.Counter(name for name in names if "momentum" not in name and "velocity" not in name)
    assert found == expected
    assert sum("velocity" in name for name in names) == 4  # Adam's, for kernel, bias, gamma and beta.


def test_others_come_last_and_nothing_twice(learner):
    other = keras.Variable(1.0, name="other")
    pair = training.LearnerState(learner, [other, learner.temperature, learner.pool, other])
    assert last_names(pair) == [*last_names(training.LearnerState(learner)), "other"]
    natives = [variable.value if isinstance(variable, keras.Variable) else variable for variable in pair.variables]
    assert len({id(native) for native in natives}) == len(natives)


def test_the_order_is_the_same_in_a_learner_made_anew(learner):
    def plain(state):  # Keras numbers the layers of one process.
        names = [re.sub(r"_\d+", "", name) for name in last_names(state)]
        return [(name, tuple(one["shape"]), one["dtype"]) for name, one in zip(names, state.describe())]

    assert plain(training.LearnerState(compiled())) == plain(training.LearnerState(learner))


@pytest.mark.parametrize("name", ["one_device", "mirrored"])
def test_what_is_read_can_be_assigned(name):
    strategy = training.strategy(name, 2)
    with strategy.scope():
        learner = compiled()
    state = training.LearnerState(learner)
    generator = np.random.default_rng(0)
    arrays = [np.asarray(generator.integers(1, 100, value.shape), value.dtype) for value in state.read()]
    state.assign(arrays)
    for found, wanted in zip(state.read(), arrays, strict=True):
        np.testing.assert_array_equal(found, wanted)
        assert found.dtype == wanted.dtype
    by_name = dict(zip(last_names(state), arrays))
    own, alike = learner.network.layers[0].layers[2].queue, learner.temperature.value
    for replica, copy in enumerate(strategy.experimental_local_results(own)):
        np.testing.assert_array_equal(copy.numpy(), by_name["queue"].reshape(-1, 2)[replica])
    for copy in strategy.experimental_local_results(alike):
        np.testing.assert_array_equal(copy.numpy(), by_name["temperature"])
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        state.assign(arrays[:-1])


def test_a_description_says_name_shape_and_type(learner):
    by_name = {one["name"]: one for one in training.LearnerState(learner).describe()}
    assert by_name["pool:0"] == {"name": "pool:0", "shape": [2], "dtype": "int32"}
    assert by_name["main/iteration"] == {"name": "main/iteration", "shape": [], "dtype": "int64"}


def test_assigning_metrics_leaves_the_rest():
    learner = compiled()
    learner.error.update_state([2.0, 4.0])
    state = training.LearnerState(learner)
    before = state.read()
    state.assign_metrics([value + 1 for value in before])
    changed = [name for name, old, new in zip(last_names(state), before, state.read()) if not np.array_equal(old, new)]
    assert changed == ["total", "count"] * 2
    assert float(learner.error.result()) == pytest.approx((6 + 1) / (2 + 1))


def test_what_is_not_built_is_named():
    learner = Learner()
    learner.compile(build=False)
    with pytest.raises(ValueError, match="the optimiser 'main' of 'learner' is not built"):
        training.LearnerState(learner)
    with pytest.raises(ValueError, match="is not built: call it on a batch"):
        training.LearnerState(keras.Sequential([keras.layers.Dense(1)], name="bare"))


def test_every_optimiser_is_wrapped_once_where_it_is():
    learner = compiled()
    bare = learner.all()
    wrapped = training.wrap_optimizers(learner)
    assert sorted(wrapper.inner_optimizer.name for wrapper in wrapped) == sorted(OPTIMISERS)
    assert [wrapper.inner_optimizer for wrapper in learner.all()] == bare
    assert {type(wrapper) for wrapper in wrapped} == {training.GlobalGradientOptimizer}
    assert learner.tuple[1] is learner.optimizer
    assert learner.pair.student.inner_optimizer.name == "student"
    assert learner.listed[1] is None
    assert training.wrap_optimizers(learner) == wrapped
    assert learner.all() == [wrapper for bare_one in bare for wrapper in wrapped if wrapper.inner_optimizer is bare_one]


def dense_model(strategy):
    keras.utils.set_random_seed(2)
    with strategy.scope():
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
        model.compile(keras.optimizers.Adam(0.1), "mse")
    return model


@pytest.mark.parametrize("name", ["one_device", "mirrored"])
def test_built_slots_are_kept_and_training_goes_on_with_them(name):
    inputs, targets = np.random.default_rng(1).normal(size=(2, 16, 2)).astype("float32")

    def fit(model):
        model.fit(inputs, targets, batch_size=8, shuffle=False, verbose=0)

    strategy = training.strategy(name, 2)
    plain, model = dense_model(strategy), dense_model(strategy)
    fit(plain)
    fit(model)
    slots = [variable.numpy() for variable in model.optimizer.variables]
    (wrapper,) = training.wrap_optimizers(model)
    assert wrapper is model.optimizer
    for one, two in zip(wrapper.inner_optimizer.variables, slots, strict=True):
        np.testing.assert_array_equal(one.numpy(), two)
    copies = strategy.experimental_local_results(wrapper._non_finite_steps.value)
    assert len(copies) == strategy.num_replicas_in_sync
    fit(plain)
    fit(model)
    for one, two in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)


def test_a_loss_scale_of_keras_becomes_the_wrappers():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    inner = keras.optimizers.SGD(0.1)
    scaled = keras.optimizers.LossScaleOptimizer(inner, initial_scale=8.0, dynamic_growth_steps=2)
    model.compile(scaled, "mse")
    scaled.build(model.trainable_variables)
    for _ in range(3):
        scaled.apply([keras.ops.zeros_like(variable) for variable in model.trainable_variables])
    (wrapper,) = training.wrap_optimizers(model)
    assert model.optimizer is wrapper
    assert wrapper.inner_optimizer is inner
    assert (wrapper.loss_scale, wrapper.dynamic_growth_steps) == (8.0, 2)
    assert (float(wrapper.dynamic_scale), int(wrapper.step_counter)) == (16.0, 1)
