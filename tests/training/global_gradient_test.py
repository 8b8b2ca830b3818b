"""The optimiser acts on the finite, whole gradient of the global batch, on one device and on two replicas alike."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import training

ONE, TWO = 1, 2
MATRIX, BIAS = np.array([[1.0, -2.0], [0.5, 3.0]], "float32"), np.array([0.25, -1.0], "float32")


def strategy_of(replicas):
    return training.strategy("one_device" if replicas == ONE else "mirrored", 2)


class Bench:
    """Two weights and an optimiser under a strategy. A step takes one list of gradients a replica."""

    def __init__(self, replicas, make, dtype="float32", **options):
        self.strategy = strategy_of(replicas)
        with self.strategy.scope():
            self.weights = [
                keras.Variable(value, name=name, dtype=dtype, **options)
                for name, value in (("matrix", MATRIX), ("bias", BIAS))
            ]
            self.optimizer = make()
            self.optimizer.build(self.weights)
        self._run = tf.function(self._run_once, autograph=False)

    def step(self, *shares):
        self._run(
            self.strategy.experimental_distribute_values_from_function(lambda context: to_tensors(shares, context))
        )

    def run(self, steps):
        """Take steps of the same gradients, cut into one share a replica; return the weights."""
        for gradients in steps:
            self.step(*shares_of(gradients, self.strategy.num_replicas_in_sync))
        return self.values()

    def values(self):
        return [weight.numpy() for weight in self.weights]

    def state(self, skip=()):
        """Every replica's copy of the weights and of the optimiser's variables."""
        kept = [variable for variable in self.optimizer.variables if variable.name not in skip]
        parts = (self.strategy.experimental_local_results(variable.value) for variable in [*self.weights, *kept])
        return [part.numpy() for copies in parts for part in copies]

    def _run_once(self, gradients):
        self.strategy.run(self._apply, args=(gradients,))

    def _apply(self, gradients):
        self.optimizer.apply(gradients, self.weights)


def to_tensors(shares, context):
    return [tf.constant(gradient) for gradient in shares[context.replica_id_in_sync_group]]


def shares_of(gradients, replicas):
    """Unequal shares, exact in binary, that add up to the gradients; the second points elsewhere."""
    if replicas == ONE:
        return [gradients]
    return [[3 * gradient + 1 for gradient in gradients], [-2 * gradient - 1 for gradient in gradients]]


def some_gradients(steps, seed=0):
    generator = np.random.default_rng(seed)
    # Multiples of 1/16, so that sums over replicas and batches are exact.
    return [
        [(generator.integers(-32, 33, shape) / 16).astype("float32") for shape in ((2, 2), (2,))] for _ in range(steps)
    ]


def wrapped(make, **options):
    return lambda: training.GlobalGradientOptimizer(make(), **options)


def assert_equal(mine, theirs):
    for one, two in zip(mine, theirs, strict=True):
        np.testing.assert_array_equal(one, two)


def assert_close(mine, theirs, rtol=1e-6, atol=1e-6):
    for one, two in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(one, two, rtol=rtol, atol=atol)


@pytest.mark.parametrize("clipping", [{"clipnorm": 0.5}, {"global_clipnorm": 0.5}, {"clipvalue": 0.25}])
def test_clips_the_gradient_of_the_global_batch_which_keras_does_not(clipping):
    def make():
        return keras.optimizers.SGD(0.5, momentum=0.9, **clipping)

    steps = some_gradients(3)
    alone = Bench(ONE, make).run(steps)
    assert_close(Bench(TWO, wrapped(make)).run(steps), alone)
    assert_close(Bench(ONE, wrapped(make)).run(steps), alone)
    plain = Bench(TWO, make).run(steps)
    assert max(np.abs(one - two).max() for one, two in zip(plain, alone)) > 0.1


def numpy_sgd(weights, micro_batches, accumulation, rate, momentum, norm):
    """Nesterov momentum on averaged gradients, clipped by their global norm; those that are not finite are left out."""
    weights = [weight.astype("float64") for weight in weights]
    velocities, window = [np.zeros_like(weight) for weight in weights], []
    for gradients in micro_batches:
        if not all(np.isfinite(gradient).all() for gradient in gradients):
            continue
        window.append(gradients)
        if len(window) < accumulation:
            continue
        means = [np.mean(column, axis=0, dtype="float64") for column in zip(*window)]
        size = np.sqrt(sum(np.sum(mean**2) for mean in means))
        for weight, velocity, mean in zip(weights, velocities, means):
            step = rate * mean * min(1, norm / size)
            velocity[:] = momentum * velocity - step
            weight += momentum * velocity - step
        window = []
    return weights


@pytest.mark.parametrize("replicas", [ONE, TWO])
@pytest.mark.parametrize("accumulation", [1, 3])
def test_equals_a_numpy_implementation(replicas, accumulation):
    steps = some_gradients(9, seed=1)
    steps[3][0][0, 1] = np.nan
    steps[7][1][1] = -np.inf

    def make():
        return keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True, global_clipnorm=1.5)

    bench = Bench(replicas, wrapped(make, accumulation_steps=accumulation))
    assert_close(bench.run(steps), numpy_sgd((MATRIX, BIAS), steps, accumulation, 0.1, 0.9, 1.5))
    assert bench.optimizer.non_finite_steps == 2
    assert int(bench.optimizer.iterations.numpy()) == 7 // accumulation


@pytest.mark.parametrize("odd", [np.nan, np.inf, "inf - inf"])
def test_a_gradient_that_is_not_finite_on_one_replica_leaves_the_step_out_on_both(odd):
    bench = Bench(TWO, wrapped(lambda: keras.optimizers.Adam(0.1, weight_decay=0.1, use_ema=True)))
    bench.run(some_gradients(2))
    bookkeeping = ("non_finite", "non_finite_steps", "left_out_steps")
    before = bench.state(skip=bookkeeping)
    first, second = some_gradients(2)
    if odd == "inf - inf":  # Only the sum is not a number.
        first[1][0], second[1][0] = np.inf, -np.inf
    else:
        second[1][0] = odd
    bench.step(first, second)
    assert_equal(bench.state(skip=bookkeeping), before)
    assert bench.optimizer.non_finite_steps == 1
    assert bench.optimizer.non_finite_gradients == ["bias"]
    first, second = some_gradients(2)
    first[0][1, 1] = second[1][1] = np.nan
    bench.step(first, second)
    assert_equal(bench.state(skip=bookkeeping), before)
    assert bench.optimizer.non_finite_steps == 2
    assert bench.optimizer.non_finite_gradients == ["matrix", "bias"]
    assert int(bench.optimizer.iterations.numpy()) == 2


def trained(replicas, make_layer, make_optimizer, inputs, targets, batch):
    """Fit a layer to its targets by their mean squared error; return its weights and the number of updates."""
    strategy = strategy_of(replicas)
    with strategy.scope():
        layer = make_layer()
        layer.build((None, *inputs.shape[1:]))
        optimizer = make_optimizer()
        optimizer.build(layer.trainable_variables)

    def step(x, y):
        with tf.GradientTape() as tape:
            loss = optimizer.scale_loss(tf.reduce_mean((layer(x) - y) ** 2) / replicas)
        optimizer.apply(tape.gradient(loss, [variable.value for variable in layer.trainable_variables]))

    run = tf.function(lambda pair: strategy.run(step, args=pair), autograph=False)
    dataset = tf.data.Dataset.from_tensor_slices((inputs, targets)).batch(batch)
    for pair in strategy.experimental_distribute_dataset(dataset):
        run(pair)
    return layer.get_weights(), int(optimizer.iterations.numpy())


@pytest.mark.parametrize("replicas", [ONE, TWO])
@pytest.mark.parametrize("make", [lambda: keras.optimizers.SGD(0.1, momentum=0.9), lambda: keras.optimizers.Adam(0.1)])
def test_accumulating_k_batches_equals_one_batch_k_times_as_large(replicas, make):
    generator = np.random.default_rng(2)
    inputs, targets = generator.normal(size=(2, 48, 2)).astype("float32")
    layer = functools.partial(keras.layers.Dense, 2, kernel_initializer="ones")
    small, updates = trained(replicas, layer, wrapped(make, accumulation_steps=3), inputs, targets, 4)
    large, steps = trained(replicas, layer, make, inputs, targets, 12)
    assert updates == steps == 4
    assert_close(small, large, rtol=1e-5)


@pytest.mark.parametrize("replicas", [ONE, TWO])
def test_sparse_gradients_of_an_embedding_are_summed_before_they_are_clipped(replicas):
    generator = np.random.default_rng(3)
    words = generator.integers(5, size=(24, 3))  # Some repeat, within and between replicas; word 5 is never there.
    targets = generator.normal(size=(24, 3, 2)).astype("float32")
    layer = functools.partial(keras.layers.Embedding, 6, 2, embeddings_initializer="ones")
    make = wrapped(lambda: keras.optimizers.SGD(1.0, momentum=0.9, clipnorm=0.05), loss_scale=2.0)
    (found,), _ = trained(replicas, layer, make, words, targets, 8)

    table, velocity = np.ones((6, 2)), np.zeros((6, 2))
    for rows, wanted in zip(np.split(words, 3), np.split(targets, 3)):
        gradient = np.zeros((6, 2))
        np.add.at(gradient, rows, 2 * (table[rows] - wanted) / wanted.size)
        velocity = 0.9 * velocity - gradient * min(1, 0.05 / np.linalg.norm(gradient))
        table += velocity
    np.testing.assert_allclose(found, table, rtol=1e-6)


def test_an_accumulated_window_moves_nothing_before_its_end():
    bench = Bench(TWO, wrapped(lambda: keras.optimizers.SGD(1.0), accumulation_steps=2))
    first, second = some_gradients(2)
    assert_equal(bench.run([first]), [MATRIX, BIAS])
    assert int(bench.optimizer.iterations.numpy()) == 0
    assert_equal(bench.run([second]), [MATRIX - (first[0] + second[0]) / 2, BIAS - (first[1] + second[1]) / 2])
    assert int(bench.optimizer.iterations.numpy()) == 1


@pytest.mark.parametrize("replicas", [ONE, TWO])
def test_the_loss_scale_halves_on_overflow_grows_after_good_steps_and_stays_at_least_one(replicas):
    bench = Bench(replicas, wrapped(lambda: keras.optimizers.SGD(0.5), loss_scale=4, growth_steps=2))
    good = some_gradients(1)[0]
    odd = [good[0], np.array([np.inf, 0], "float32")]
    scales, counts = [], []
    for gradients in (good, good, good, odd, good, odd, odd, odd, odd, good, good):
        bench.run([gradients])
        scales.append(float(bench.optimizer.dynamic_scale.numpy()))
        counts.append(bench.optimizer.non_finite_steps)
    #                good good good odd good odd odd odd odd good good
    assert scales == [4, 8, 8, 4, 4, 2, 1, 1, 1, 1, 2]
    assert counts == [0, 0, 0, 0, 0, 0, 0, 1, 2, 2, 2]
    assert int(bench.optimizer.iterations.numpy()) == 6


def test_the_loss_scale_never_becomes_infinite():
    """From there halving would not bring it back."""
    bench = Bench(ONE, wrapped(lambda: keras.optimizers.SGD(0.0), loss_scale=2.0**125, growth_steps=1))
    bench.run(some_gradients(4))
    assert np.isfinite(float(bench.optimizer.dynamic_scale.numpy()))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_gradients_are_divided_by_the_scale_exactly(dtype):
    scale = 2.0**17  # More than float16 holds.
    bench = Bench(ONE, wrapped(lambda: keras.optimizers.SGD(1.0), loss_scale=scale), dtype=dtype)
    assert float(bench.optimizer.scale_loss(keras.ops.convert_to_tensor(0.75))) == 0.75 * scale
    wide = tf.as_dtype(dtype).as_numpy_dtype
    gradients = [np.full((2, 2), 2.0**15, wide), np.array([2.0**13, -(2.0**14)], wide)]
    bench.step(gradients)
    assert_equal(bench.values(), [MATRIX - 0.25, BIAS - np.array([0.0625, -0.125])])


def test_without_a_loss_scale_the_loss_stays():
    optimizer = training.GlobalGradientOptimizer(keras.optimizers.SGD(1.0))
    assert optimizer.scale_loss(0.75) == 0.75


@pytest.mark.parametrize("replicas", [ONE, TWO])
def test_moving_average_decay_and_constraint_of_the_optimiser_work_on_the_global_gradient(replicas):
    def make():
        return keras.optimizers.SGD(0.1, weight_decay=0.1, use_ema=True, ema_momentum=0.5)

    steps = some_gradients(4)
    alone = Bench(ONE, make)
    for weight in alone.weights:
        weight.constraint = keras.constraints.NonNeg()
    bench = Bench(replicas, wrapped(make))
    for weight in bench.weights:
        weight.constraint = keras.constraints.NonNeg()
    assert_close(bench.run(steps), alone.run(steps))


def test_a_gradient_too_small_for_float16_survives_with_the_scale():
    moved = {}
    for scale in (None, 2.0**20):
        layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", dtype="mixed_float16")
        layer.build((None, 1))
        optimizer = training.GlobalGradientOptimizer(keras.optimizers.SGD(1.0), loss_scale=scale)
        optimizer.build(layer.trainable_variables)
        with tf.GradientTape() as tape:
            loss = optimizer.scale_loss(1e-9 * keras.ops.sum(keras.ops.cast(layer(np.ones((1, 1))), "float32")))
        optimizer.apply(tape.gradient(loss, [layer.kernel.value]))
        moved[scale] = float(layer.kernel.numpy()[0, 0])
    assert moved[None] == 0
    assert moved[2.0**20] == pytest.approx(-1e-9, rel=1e-3)


def small_network(policy="float32"):
    keras.utils.set_random_seed(5)
    return keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(16, activation="relu", dtype=policy),
            keras.layers.Dense(3, dtype=policy),
            keras.layers.Activation("linear", dtype="float32"),
        ]
    )


def three_classes(examples):
    generator = np.random.default_rng(4)
    labels = generator.integers(3, size=examples)
    return (2 * np.eye(3, 4)[labels] + generator.normal(size=(examples, 4)) / 4).astype("float32"), labels


def test_a_float16_network_trains_like_a_float32_one_once_its_scale_is_found():
    inputs, labels = three_classes(256)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    half = small_network("mixed_float16")
    half.compile(training.GlobalGradientOptimizer(keras.optimizers.SGD(0.2), loss_scale=2.0**22), loss)
    assert isinstance(half.optimizer.inner_optimizer, keras.optimizers.SGD)  # Keras puts no second scale around it.
    half.fit(inputs, labels, batch_size=8, shuffle=False, verbose=0)
    left_out = half.optimizer.left_out_steps
    assert 2 <= left_out <= 10
    assert float(half.optimizer.dynamic_scale.numpy()) == 2.0 ** (22 - left_out)
    assert half.optimizer.non_finite_steps == 0
    assert int(half.optimizer.iterations.numpy()) == 32 - left_out

    single = small_network()
    single.compile(keras.optimizers.SGD(0.2), loss)
    single.fit(inputs[8 * left_out :], labels[8 * left_out :], batch_size=8, shuffle=False, verbose=0)
    assert_close(half.get_weights(), single.get_weights(), rtol=0, atol=2e-3)  # A step errs by about 2^-11 of itself.
    assert np.mean(np.argmax(half.predict(inputs, verbose=0), axis=-1) == labels) > 0.95


@pytest.mark.parametrize("replicas", [ONE, TWO])
def test_a_gradient_of_none_leaves_its_weight(replicas):
    bench = Bench(replicas, wrapped(lambda: keras.optimizers.Adam(0.1)))
    bench._apply = lambda gradients: bench.optimizer.apply([None, gradients[1]], bench.weights)
    with pytest.warns(UserWarning, match="Gradients do not exist for variables.*matrix"):
        matrix, bias = bench.run(some_gradients(1))
    np.testing.assert_array_equal(matrix, MATRIX)
    assert np.abs(bias - BIAS).min() > 0.05


@pytest.mark.parametrize("replicas", [ONE, TWO])
def test_subsets_of_the_variables_in_any_order(replicas):
    def make():
        return keras.optimizers.SGD(1.0, momentum=0.5)

    def step(gradients):
        matrix, bias = bench.weights
        bench.optimizer.apply([gradients[1]], [bias])
        bench.optimizer.apply([2 * gradients[1], gradients[0]], iter([bias, matrix]))

    bench = Bench(replicas, wrapped(make))
    bench._apply = step
    gradients = some_gradients(1)[0]
    assert_close(bench.run([gradients]), [MATRIX - gradients[0], BIAS - gradients[1] * (1 + 0.5 + 2)])
    gradients[1][0] = np.nan
    bench.run([gradients])
    assert bench.optimizer.non_finite_steps == 2
    assert bench.optimizer.non_finite_gradients == ["bias"]


def test_several_optimisers_in_one_step_do_not_mind_each_other():
    strategy = strategy_of(TWO)
    with strategy.scope():
        matrix, bias = keras.Variable(MATRIX, name="matrix"), keras.Variable(BIAS, name="bias")
        first = training.GlobalGradientOptimizer(keras.optimizers.SGD(1.0))
        second = training.GlobalGradientOptimizer(keras.optimizers.SGD(1.0), accumulation_steps=2)
        first.build([matrix])
        second.build([bias])

    def step(factor):
        first.apply([factor * tf.ones((2, 2))], [matrix])
        second.apply([tf.ones(2)], [bias])

    run = tf.function(lambda factor: strategy.run(step, args=(factor,)), autograph=False)
    run(tf.constant(1.0))
    run(tf.constant(np.nan))
    np.testing.assert_array_equal(matrix.numpy(), MATRIX - 2)
    np.testing.assert_array_equal(bias.numpy(), BIAS - 2)
    assert (first.non_finite_steps, second.non_finite_steps) == (1, 0)
    assert (first.non_finite_gradients, second.non_finite_gradients) == (["matrix"], [])


def test_the_configuration_survives_a_round_trip():
    rate = keras.optimizers.schedules.ExponentialDecay(0.5, 10, 0.5)
    optimizer = training.GlobalGradientOptimizer(
        keras.optimizers.Adam(rate, global_clipnorm=2.0),
        accumulation_steps=3,
        loss_scale=8.0,
        growth_steps=5,
        name="mine",
    )
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    assert copy.get_config() == optimizer.get_config()
    assert type(copy) is training.GlobalGradientOptimizer
    assert (copy.accumulation_steps, copy.loss_scale, copy.dynamic_growth_steps, copy.name) == (3, 8.0, 5, "mine")
    assert copy.inner_optimizer.global_clipnorm == 2.0
    assert float(copy.inner_optimizer._learning_rate(10)) == 0.25


def test_a_saved_model_goes_on_in_the_middle_of_a_window(tmp_path):
    inputs, labels = three_classes(40)
    with strategy_of(TWO).scope():
        model = small_network()
        model.compile(
            training.GlobalGradientOptimizer(
                keras.optimizers.Adam(0.1), accumulation_steps=2, loss_scale=8.0, growth_steps=2
            ),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
    model.fit(inputs, labels, batch_size=8, shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_equal(*[[variable.numpy() for variable in each.optimizer.variables] for each in (loaded, model)])
    assert int(loaded.optimizer._accumulated_steps.numpy()) == 1
    assert float(loaded.optimizer.dynamic_scale.numpy()) == 16
    assert np.abs(loaded.optimizer._accumulated[0].numpy()).max() > 0
    before = model.get_weights()
    for each in (model, loaded):
        each.fit(inputs[:8], labels[:8], batch_size=8, shuffle=False, verbose=0)
    assert_close(loaded.get_weights(), model.get_weights(), rtol=1e-5)
    assert np.abs(model.get_weights()[0] - before[0]).max() > 0.01


@pytest.mark.parametrize(
    "inner", [None, "adam", keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD()), keras.optimizers.SGD]
)
def test_what_is_no_bare_optimiser_is_refused(inner):
    with pytest.raises(TypeError, match="inner_optimizer=.*expected a Keras optimiser"):
        training.GlobalGradientOptimizer(inner)


def test_a_wrapped_optimiser_is_not_wrapped_again():
    with pytest.raises(TypeError, match="inner_optimizer"):
        training.GlobalGradientOptimizer(training.GlobalGradientOptimizer(keras.optimizers.SGD()))


@pytest.mark.parametrize(
    ("inner", "options", "message"),
    [
        ({}, {"accumulation_steps": 0}, "accumulation_steps=0"),
        ({}, {"accumulation_steps": 1.5}, "accumulation_steps=1.5"),
        ({}, {"loss_scale": 0.5}, "loss_scale=0.5"),
        ({}, {"growth_steps": 0}, "growth_steps=0"),
        ({"gradient_accumulation_steps": 2}, {}, "gradient_accumulation_steps=2.*give accumulation_steps"),
        ({"loss_scale_factor": 128.0}, {}, "loss_scale_factor=128.0.*give loss_scale"),
    ],
)
def test_wrong_arguments_are_named(inner, options, message):
    with pytest.raises(ValueError, match=message):
        training.GlobalGradientOptimizer(keras.optimizers.SGD(**inner), **options)


def test_wrong_calls_are_named():
    weight, other = keras.Variable([1.0]), keras.Variable([1.0])
    optimizer = training.GlobalGradientOptimizer(keras.optimizers.SGD(1.0), accumulation_steps=2)
    with pytest.raises(ValueError, match="trainable_variables=None.*not built"):
        optimizer.apply([tf.ones(1)])
    optimizer.build([weight])
    with pytest.raises(ValueError, match="2 gradients for 1 variables"):
        optimizer.apply([tf.ones(1)] * 2)
    with pytest.raises(ValueError, match="Unknown variable"):
        optimizer.apply([tf.ones(1)], [other])
    with pytest.raises(ValueError, match="No gradients provided"):
        optimizer.apply([None])
    with strategy_of(TWO).scope(), pytest.raises(ValueError, match="replica's context"):
        optimizer.apply([tf.ones(1)])
    optimizer.apply([], [])
    assert float(weight[0]) == 1.0


def test_overwriting_weights_with_their_average_is_refused_under_replicas():
    def make():
        inner = keras.optimizers.SGD(0.1, use_ema=True, ema_overwrite_frequency=2)
        return training.GlobalGradientOptimizer(inner)

    Bench(ONE, make)
    with pytest.raises(ValueError, match="ema_overwrite_frequency=2 of sgd.* does not work under replicas"):
        Bench(TWO, make)
