"""What replicas must share (batch statistics), and what they must not (random draws)."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import training

MOMENTUM = 0.75


def strategy_of(name):
    return training.strategy(name, 2)


def batches():
    """Three global batches of 8, whose halves have other means and variances."""
    generator = np.random.default_rng(0)
    drawn = generator.normal(size=(3, 8, 3)) * np.repeat([1, 3], 4)[:, None] + np.repeat([0.5, -1.0], 4)[:, None]
    return drawn.astype("float32")


def run(strategy, function, batch):
    """Call a function on each replica's share of a batch; return the list of the results."""

    def share(context):
        return tf.constant(np.split(batch, strategy.num_replicas_in_sync)[context.replica_id_in_sync_group])

    shares = strategy.experimental_distribute_values_from_function(share)
    results = tf.function(lambda x: strategy.run(function, args=(x,)), autograph=False)(shares)
    return [result.numpy() for result in strategy.experimental_local_results(results)]


def normalised(how, strategy):
    """Normalise the batches in training; return the outputs of the last, and each replica's statistics."""
    with strategy.scope():
        inner = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization(momentum=MOMENTUM, epsilon=0.0)])
        model = keras.Sequential([keras.Input((3,)), inner])
    assert training.set_batch_norm(model, how) is model
    for batch in batches():
        outputs = run(strategy, lambda x: model(x, training=True), batch)
    layer = inner.layers[0]
    copies = zip(*(strategy.experimental_local_results(v.value) for v in (layer.moving_mean, layer.moving_variance)))
    return outputs, [(mean.numpy(), variance.numpy()) for mean, variance in copies]


def numpy_statistics(shares):
    """Moving mean and variance over the steps of one replica, from the formula."""
    mean, variance = np.zeros(3), np.ones(3)
    for share in shares:
        mean = MOMENTUM * mean + (1 - MOMENTUM) * share.mean(axis=0)
        variance = MOMENTUM * variance + (1 - MOMENTUM) * share.var(axis=0)
    return mean, variance


def numpy_outputs(share):
    return (share - share.mean(axis=0)) / share.std(axis=0)


@pytest.mark.parametrize("how", ["synchronized", "mean", "per_replica"])
def test_batch_statistics_equal_their_closed_form(how):
    outputs, (first, second) = normalised(how, strategy_of("mirrored"))
    own = [numpy_statistics([np.split(batch, 2)[replica] for batch in batches()]) for replica in (0, 1)]
    expected = {
        "synchronized": [numpy_statistics(batches())] * 2,
        "mean": [np.mean(own, axis=0)] * 2,
        "per_replica": own,
    }[how]
    np.testing.assert_allclose([first, second], expected, rtol=1e-5, atol=1e-6)
    assert np.array_equal(first, second) == (how != "per_replica")
    last = batches()[-1]
    whole = numpy_outputs(last) if how == "synchronized" else np.concatenate([*map(numpy_outputs, np.split(last, 2))])
    np.testing.assert_allclose(np.concatenate(outputs), whole, rtol=1e-4, atol=1e-5)


def test_the_three_differ_on_these_batches():
    own = [numpy_statistics([np.split(batch, 2)[replica] for batch in batches()]) for replica in (0, 1)]
    together = numpy_statistics(batches())
    assert np.abs(np.subtract(*own)).min() > 0.1
    assert np.abs(np.mean(own, axis=0)[1] - together[1]).min() > 0.1


def test_one_device_needs_none_of_it():
    expected = numpy_statistics(batches())
    for how in ("synchronized", "mean", "per_replica"):
        _, (found,) = normalised(how, strategy_of("one_device"))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def make_network():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            keras.layers.Conv2D(4, 3, use_bias=False),
            keras.layers.BatchNormalization(momentum=0.8),
            keras.layers.ReLU(),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3),
        ]
    )


def test_with_synchronised_statistics_two_replicas_train_like_one_device():
    generator = np.random.default_rng(0)
    # Means that differ between the halves of a batch, so that a replica's own statistics are wrong.
    images = (generator.normal(size=(32, 6, 6, 2)) + np.arange(32)[:, None, None, None] % 8).astype("float32")
    labels = generator.integers(3, size=32)
    weights = []
    for name in ("one_device", "mirrored"):
        with strategy_of(name).scope():
            model = training.set_batch_norm(make_network(), "synchronized")
            model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(images, labels, batch_size=8, shuffle=False, epochs=2, verbose=0)
        weights.append(model.get_weights())
    for one, two in zip(*weights, strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-4, atol=1e-5)


def test_a_choice_can_be_changed():
    model = make_network()
    norm = model.layers[1]
    for how in ("synchronized", "mean"):
        training.set_batch_norm(model, how)
        assert norm.synchronized == (how == "synchronized")


def test_batch_norm_that_cannot_be_set_is_named():
    with pytest.raises(ValueError, match="how='men' is not known. Did you mean 'mean'"):
        training.set_batch_norm(make_network(), "men")
    unbuilt = keras.Sequential([keras.layers.BatchNormalization()], name="later")
    with pytest.raises(ValueError, match="model='later' is not built"):
        training.set_batch_norm(unbuilt, "mean")


class Noisy(keras.Model):
    """Random draws at any depth."""

    def __init__(self):
        super().__init__()
        self.network = keras.Sequential([keras.Input((1000,)), keras.layers.Dropout(0.25, seed=11)])
        self.noise = keras.random.SeedGenerator(12, name="noise")
        self.more = [keras.random.SeedGenerator(2**31 - 1)]
        self.built = True

    def call(self, inputs, training=False):
        return self.network(inputs, training=training)

    def states(self, strategy):
        """Each generator's (seed, count of draws) on each replica."""
        generators = [self.network.layers[0].seed_generator, self.noise, *self.more]
        return [
            [copy.numpy().tolist() for copy in strategy.experimental_local_results(generator.state.value)]
            for generator in generators
        ]


def noisy(strategy, spread=True):
    with strategy.scope():
        model = Noisy()
    if spread:
        training.spread_seeds(model, strategy)
    return model


def masks(model, strategy):
    """Which units each replica keeps, the same number of examples on each."""
    ones = np.ones((8 * strategy.num_replicas_in_sync, 1000), "float32")
    return [outputs > 0 for outputs in run(strategy, lambda x: model(x, training=True), ones)]


def test_replicas_drop_other_units_and_the_first_what_one_device_drops():
    alone, together = strategy_of("one_device"), strategy_of("mirrored")
    (expected,) = masks(noisy(alone), alone)
    first, second = masks(noisy(together), together)
    np.testing.assert_array_equal(first, expected)
    # n = 8000 independent units: equal with probability 0.25^2 + 0.75^2, kept with 0.75; five standard deviations.
    n = expected.size
    for mask, probability in ((first == second, 0.625), (first, 0.75), (second, 0.75)):
        assert abs(np.mean(mask) - probability) < 5 * np.sqrt(probability * (1 - probability) / n)
    same, again = masks(noisy(together, spread=False), together)
    np.testing.assert_array_equal(same, again)  # What it is for.


def test_seeds_follow_from_the_first_replicas():
    strategy = strategy_of("mirrored")
    model = noisy(strategy, spread=False)
    masks(model, strategy)
    training.spread_seeds(model, strategy)
    shift = 0x9E3779B1
    expected = [
        [[seed, count], [(seed + shift) % 2**31, count]] for seed, count in ((11, 1), (12, 0), (2**31 - 1, 0))
    ]
    assert model.states(strategy) == expected
    training.spread_seeds(model, strategy)
    assert model.states(strategy) == expected  # A second time changes nothing.

    before = masks(model, strategy)
    for generator in (model.network.layers[0].seed_generator, model.noise, *model.more):
        generator.state.assign(generator.state.numpy())  # All replicas restored from what the first has.
    model.network.layers[0].seed_generator.state.assign([11, 1])
    training.spread_seeds(model, strategy, again=True)
    assert model.states(strategy) == expected
    for one, two in zip(masks(model, strategy), before, strict=True):
        np.testing.assert_array_equal(one, two)


def test_one_device_keeps_its_seeds():
    strategy = strategy_of("one_device")
    assert noisy(strategy).states(strategy) == [[[11, 0]], [[12, 0]], [[2**31 - 1, 0]]]


UNITS, STEPS, BATCH, RATE = 4096, 5, 8, 0.5


def trained_with_dropout(strategy, spread):
    """Minimise the mean over a batch of ones, half of them dropped, of sum_j w_j x_j; return the weights w."""
    with strategy.scope():
        model = keras.Sequential(
            [
                keras.Input((UNITS,)),
                keras.layers.Dropout(0.5, seed=5),
                keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"),
            ]
        )
        optimizer = training.GlobalGradientOptimizer(keras.optimizers.SGD(RATE))
        optimizer.build(model.trainable_variables)
    if spread:
        training.spread_seeds(model, strategy)
    kernel = model.trainable_variables[0]

    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model(x, training=True)) / strategy.num_replicas_in_sync
        optimizer.apply(tape.gradient(loss, [kernel.value]), [kernel])
        return loss

    for _ in range(STEPS):
        run(strategy, step, np.ones((BATCH, UNITS), "float32"))
    return kernel.numpy()[:, 0]


@pytest.mark.parametrize("name", ["one_device", "mirrored"])
def test_with_dropout_one_device_and_two_replicas_are_equal_in_distribution(name):
    weights = trained_with_dropout(strategy_of(name), spread=True)
    # Each of the n = 4096 weights is -rate times the sum over 5 steps of the mean of 8 draws of 0 or 2.
    mean, variance = -RATE * STEPS, RATE**2 * STEPS / BATCH
    assert abs(weights.mean() - mean) < 5 * np.sqrt(variance / UNITS)
    assert abs(weights.var() - variance) < 5 * variance * np.sqrt(2 / UNITS)


def test_without_spreading_two_replicas_have_more_variance():
    weights = trained_with_dropout(strategy_of("mirrored"), spread=False)
    variance = 2 * RATE**2 * STEPS / BATCH  # Each mask is there twice.
    assert abs(weights.var() - variance) < 5 * variance * np.sqrt(2 / UNITS)
