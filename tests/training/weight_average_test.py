"""The moving average of the weights against its formula, and what does not move it."""

import keras
import numpy as np
import pytest

from keras_repvis import training


def make_model(strategy=None, optimizer=None, policy="float32"):
    with (strategy or training.strategy("one_device")).scope():
        model = keras.Sequential(
            [keras.Input((2,)), keras.layers.Dense(3, dtype=policy), keras.layers.BatchNormalization(dtype=policy)]
        )
        if optimizer is not None:
            model.compile(optimizer)
            model.optimizer.build(model.trainable_variables)
    return model


def set_weights(model, seed):
    generator = np.random.default_rng(seed)
    values = [generator.normal(size=value.shape).astype("float32") for value in model.get_weights()]
    model.set_weights(values)
    return values


def averaged(average, model):
    with average.applied():
        return model.get_weights()


def numpy_average(start, weights, decay, warmup):
    values = [value.astype("float64") for value in start]
    for t, present in enumerate(weights, 1):
        d = min(decay, (1 + t) / (10 + t)) if warmup else decay
        values = [d * old + (1 - d) * new for old, new in zip(values, present)]
    return values


@pytest.mark.parametrize("warmup", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9999])  # With 0.5, warm-up ends at t = 8.
def test_equals_the_formula(decay, warmup):
    model = make_model()
    start = set_weights(model, 0)
    average = training.WeightAverage(decay, warmup).attach(model)
    weights = []
    for seed in range(1, 13):
        weights.append(set_weights(model, seed))
        average.update()
    for one, two in zip(averaged(average, model), numpy_average(start, weights, decay, warmup), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("policy", ["copy", "average"])
def test_batch_statistics_have_a_policy_of_their_own(policy):
    model = make_model()
    start = set_weights(model, 0)
    average = training.WeightAverage(0.75, warmup=False, batch_norm=policy).attach(model)
    last = set_weights(model, 1)
    average.update()
    expected = numpy_average(start, [last], 0.75, warmup=False)
    if policy == "copy":
        expected[-2:] = last[-2:]
    assert model.weights[-1].name == "moving_variance"
    for one, two in zip(averaged(average, model), expected, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)


def step(optimizer, value=1.0):
    optimizer.apply([value * keras.ops.ones_like(variable) for variable in optimizer.inner_variables])


def snapshot(average):
    return [variable.numpy() for variable in average.variables]


def assert_same(mine, theirs):
    for one, two in zip(mine, theirs, strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_step_left_out_or_only_accumulated_does_not_move_it():
    model = make_model(
        optimizer=training.GlobalGradientOptimizer(keras.optimizers.SGD(1.0), accumulation_steps=2)
    )
    step(model.optimizer)
    step(model.optimizer)  # It does not begin with the first update.
    start = model.get_weights()
    average = training.WeightAverage(0.5, warmup=True).attach(model)
    before = snapshot(average)
    for value in (np.nan, 1.0):
        step(model.optimizer, value)
        average.update()
        assert_same(snapshot(average), before)
    step(model.optimizer)
    average.update()
    expected = numpy_average(start, [model.get_weights()], 0.5, warmup=True)
    for one, two in zip(averaged(average, model), expected, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)
    before = snapshot(average)
    step(model.optimizer, np.nan)
    # A forward pass that is not finite may have spoilt the batch statistics all the same.
    model.layers[-1].moving_mean.assign(np.full(3, np.nan))
    average.update()
    assert_same(snapshot(average), before)


def test_any_of_several_optimisers_moves_it():
    model = make_model()
    for name, layer in (("first", model.layers[0]), ("second", model.layers[1])):
        optimizer = training.GlobalGradientOptimizer(keras.optimizers.SGD(1.0))
        optimizer.build(layer.trainable_variables)
        setattr(model, name, optimizer)
    average = training.WeightAverage(0.5).attach(model)
    before = snapshot(average)
    step(model.first, np.nan)
    step(model.second, np.nan)
    average.update()
    assert_same(snapshot(average), before)
    step(model.first, np.nan)
    step(model.second)
    average.update()
    assert average.variables[-2].numpy() == 1
    assert any((one != two).any() for one, two in zip(snapshot(average)[:-2], before))


@pytest.mark.parametrize("name", ["one_device", "mirrored"])
def test_applied_restores_every_replicas_weights_exactly(name):
    strategy = training.strategy(name, 2)
    model = make_model(strategy)
    start = set_weights(model, 0)
    average = training.WeightAverage(0.75, warmup=False).attach(model)
    last = set_weights(model, 1)
    average.update()
    copies = [copy for variable in model.weights for copy in strategy.experimental_local_results(variable.value)]
    copies[-1].assign([7.0, 8.0, 9.0])  # Statistics that have drifted.
    before = [copy.numpy() for copy in copies]
    expected = numpy_average(start, [last], 0.75, warmup=False)

    def check():
        replicas = strategy.num_replicas_in_sync
        for number, copy in enumerate(copies):
            np.testing.assert_allclose(copy.numpy(), expected[number // replicas], rtol=1e-5, atol=1e-6)

    with average.applied():
        check()
    assert_same([copy.numpy() for copy in copies], before)
    with pytest.raises(KeyError), average.applied():
        check()
        raise KeyError
    assert_same([copy.numpy() for copy in copies], before)
    average.copy_to_model()
    check()


def test_two_replicas_training_average_like_one_device():
    inputs, targets = np.random.default_rng(3).normal(size=(2, 16, 3)).astype("float32")
    results = []
    for name in ("one_device", "mirrored"):
        keras.utils.set_random_seed(1)
        model = make_model(training.strategy(name, 2))
        training.set_batch_norm(model, "synchronized")
        model.compile(training.GlobalGradientOptimizer(keras.optimizers.SGD(0.1)), "mse")
        average = training.WeightAverage(0.5, warmup=False).attach(model)

        class Update(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                average.update()

        model.fit(inputs[:, :2], targets, batch_size=8, shuffle=False, epochs=2, verbose=0, callbacks=[Update()])
        results.append(averaged(average, model))
        assert average.variables[-2].numpy() == 4
    for one, two in zip(*results, strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("policy", ["bfloat16", "mixed_bfloat16", "float16"])
def test_small_steps_are_not_lost_in_half_precision(policy):
    model = make_model(policy=policy)
    kernel = model.layers[0].kernel
    kernel.assign(np.ones((2, 3)))
    average = training.WeightAverage(0.999, warmup=False).attach(model)
    kernel.assign(np.full((2, 3), 2.0))
    for _ in range(200):
        average.update()
    expected = 2 - 0.999**200
    np.testing.assert_allclose(average.variables[0].numpy(), expected, rtol=1e-5)
    with average.applied():
        np.testing.assert_allclose(kernel.numpy().astype("float32"), expected, rtol=2**-8)
    np.testing.assert_array_equal(kernel.numpy().astype("float32"), 2)


def test_its_variables_are_its_state():
    """So that a checkpoint of them goes on alike."""
    model = make_model()
    set_weights(model, 0)
    first = training.WeightAverage(0.5).attach(model)
    set_weights(model, 1)
    first.update()
    second = training.WeightAverage(0.5).attach(model)
    for mine, theirs in zip(second.variables, first.variables, strict=True):
        mine.assign(theirs)
    set_weights(model, 2)
    first.update()
    second.update()
    assert_same(snapshot(first), snapshot(second))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"decay": 1.0}, "decay=1.0"), ({"decay": -0.1}, "decay=-0.1"), ({"batch_norm": "copied"}, "Did you mean 'copy'")],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        training.WeightAverage(**arguments)


def test_a_model_without_weights_is_refused():
    with pytest.raises(ValueError, match="model='empty' is not built"):
        training.WeightAverage().attach(keras.Sequential([keras.layers.Dense(1)], name="empty"))
