"""The learner against NumPy on networks small enough to write out: both objectives, and whole steps of Adam."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import models, training

GENERATOR = np.random.default_rng(0)
SIZE = 6


def generator():
    """tanh(W x + w) at each pixel, for images in [-1, 1]."""
    return keras.Sequential(
        [
            keras.Input((None, None, 2)),
            keras.layers.Rescaling(2.0, -1.0),
            keras.layers.Conv2D(2, 1, activation="tanh", bias_initializer="random_normal"),
            keras.layers.Rescaling(0.5, 0.5),
        ]
    )


def discriminator(channels=2):
    """V tanh(U x + u) + v at each pixel."""
    return keras.Sequential(
        [
            keras.Input((None, None, channels)),
            keras.layers.Rescaling(2.0, -1.0),
            keras.layers.Conv2D(3, 1, activation="tanh"),
            keras.layers.Conv2D(1, 1),
        ]
    )


def learner(guessers=False, **options):
    keras.utils.set_random_seed(1)
    if guessers:
        options |= {"guesser_a": discriminator(4), "guesser_b": discriminator(4)}
    return training.CycleGAN(generator(), generator(), discriminator(), discriminator(), **{"pool_size": 0, **options})


def batch(count=2, seed=None):
    random = GENERATOR if seed is None else np.random.default_rng(seed)
    return tuple(random.random((2, count, SIZE, SIZE, 2)).astype("float32"))


def weights(model):
    """Float64 arrays of the four networks, by name."""
    names = ("generator_ab", "generator_ba", "discriminator_a", "discriminator_b")
    return {name: [w.astype("float64") for w in getattr(model, name).get_weights()] for name in names}


def draw(w, x):
    """A generator, on images in [-1, 1]."""
    return np.tanh(x @ w[0][0, 0] + w[1])


def judge(w, x):
    return np.tanh(x @ w[0][0, 0] + w[1]) @ w[2][0, 0] + w[3]


ADVERSARIAL = {
    "least_squares": lambda t, s: np.mean((s - t) ** 2),
    "vanilla": lambda t, s: np.mean(np.log1p(np.exp(s)) - t * s),
    "wasserstein": lambda t, s: np.mean(s if t == 0 else -s),
}


def parts(w, a, b, objective="least_squares"):
    """Every part of both objectives, after the formulas of the paper, on images in [-1, 1]."""
    a, b = 2.0 * a.astype("float64") - 1, 2.0 * b.astype("float64") - 1
    adversarial, away = ADVERSARIAL[objective], lambda x, y: np.mean(np.abs(x - y))
    fake_b, fake_a = draw(w["generator_ab"], a), draw(w["generator_ba"], b)
    return {
        "adversarial_ab": adversarial(1, judge(w["discriminator_b"], fake_b)),
        "adversarial_ba": adversarial(1, judge(w["discriminator_a"], fake_a)),
        "cycle_a_error": away(draw(w["generator_ba"], fake_b), a),
        "cycle_b_error": away(draw(w["generator_ab"], fake_a), b),
        "identity_a_error": away(draw(w["generator_ba"], a), a),
        "identity_b_error": away(draw(w["generator_ab"], b), b),
        "discriminator_a": (
            adversarial(1, judge(w["discriminator_a"], a)) + adversarial(0, judge(w["discriminator_a"], fake_a))
        ) / 2,
        "discriminator_b": (
            adversarial(1, judge(w["discriminator_b"], b)) + adversarial(0, judge(w["discriminator_b"], fake_b))
        ) / 2,
    }


def objectives(found, cycle=(10, 10), identity=0.5):
    """L_G and L_D; the identity of an image of A counts with the weight of the cycle of A."""
    generators = found["adversarial_ab"] + found["adversarial_ba"]
    generators += cycle[0] * found["cycle_a_error"] + cycle[1] * found["cycle_b_error"]
    generators += identity * (cycle[0] * found["identity_a_error"] + cycle[1] * found["identity_b_error"])
    return generators, found["discriminator_a"] + found["discriminator_b"]


@pytest.mark.parametrize("objective", ADVERSARIAL)
def test_objectives_are_those_of_the_formulas(objective):
    model = learner(objective=objective, cycle_weights=(10, 4), gradient_penalty_weight=0)
    model.compile()
    a, b = batch(3)
    expected = parts(weights(model), a, b, objective)
    totals = objectives(expected, (10, 4))
    logs = model.evaluate(a, b, batch_size=3, verbose=0, return_dict=True)
    for name, value in expected.items():
        assert logs[name] == pytest.approx(value, rel=1e-5), name
    assert logs["generator_objective"] == pytest.approx(totals[0], rel=1e-5)
    assert logs["discriminator_objective"] == pytest.approx(totals[1], rel=1e-5)
    trained = model.train_on_batch(a, b, return_dict=True)
    for name, value in expected.items():
        assert trained[name] == pytest.approx(value, rel=1e-5), name


def test_three_steps_of_adam_are_those_of_numpy():
    """Gradients by central differences; the generators' step comes first and touches nothing the second one sees."""
    rate, beta, epsilon = 0.01, 0.5, 1e-4
    model = learner(cycle_weights=(10, 5))
    model.compile(*(keras.optimizers.Adam(rate, beta_1=beta, epsilon=epsilon) for _ in range(2)))
    mine = weights(model)
    moments = {name: [(0.0, 0.0)] * len(arrays) for name, arrays in mine.items()}
    for step in range(1, 4):
        a, b = batch(1)
        gradients = {}
        for name, arrays in mine.items():
            which = 1 if name.startswith("discriminator") else 0
            gradients[name] = [
                difference(lambda: objectives(parts(mine, a, b), (10, 5))[which], array) for array in arrays
            ]
        for name, arrays in mine.items():
            for index, (array, gradient) in enumerate(zip(arrays, gradients[name])):
                first, second = moments[name][index]
                first = beta * first + (1 - beta) * gradient
                second = 0.999 * second + 0.001 * gradient**2
                moments[name][index] = first, second
                corrected = rate * np.sqrt(1 - 0.999**step) / (1 - beta**step)
                array -= corrected * first / (np.sqrt(second) + epsilon)
        model.train_on_batch(a, b)
        for name, arrays in weights(model).items():
            for found, expected in zip(arrays, mine[name]):
                np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5, err_msg=f"{name}, step {step}")


def difference(function, array, width=1e-5):
    gradient = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        here = array[index]
        array[index] = here + width
        above = function()
        array[index] = here - width
        gradient[index] = (above - function()) / (2 * width)
        array[index] = here
    return gradient


@pytest.mark.parametrize(("still", "moves"), [("discriminator", "generator"), ("generator", "discriminator")])
def test_each_step_moves_its_own_networks_only(still, moves):
    model = learner(guessers=True, guess_weight=1.0)
    rates = {still: 0.0, moves: 0.1}
    model.compile(keras.optimizers.SGD(rates["generator"]), keras.optimizers.SGD(rates["discriminator"]))
    before = {name: getattr(model, name).get_weights() for name in networks(model)}
    model.train_on_batch(*batch())
    for name, arrays in before.items():
        side = "generator" if name.startswith("generator") else "discriminator"
        for old, new in zip(arrays, getattr(model, name).get_weights()):
            assert np.array_equal(old, new) == (side == still), name


def networks(model):
    kinds = (("generator", ("ab", "ba")), ("discriminator", "ab"), ("guesser", "ab"))
    return [f"{kind}_{side}" for kind, sides in kinds
            for side in sides if getattr(model, f"{kind}_{side}") is not None]


def test_the_defaults_are_the_papers():
    model = learner(pool_size=50)
    model.compile()
    for optimizer in (model.generator_optimizer, model.discriminator_optimizer):
        config = optimizer.get_config()
        found = [float(config[name]) for name in ("learning_rate", "beta_1", "beta_2", "epsilon")]
        assert found == pytest.approx([2e-4, 0.5, 0.999, 1e-8])
    assert (model.cycle_weights, model.identity_weight, model.pool_size) == ((10.0, 10.0), 0.5, 50)
    assert model.objective == "least_squares" and model.noise == model.guess_weight == 0


def test_discriminators_see_what_the_pools_give(monkeypatch):
    """With pools of one image each and coins that always fall on heads, the images of the step before."""
    monkeypatch.setattr(keras.random, "uniform", lambda shape, **options: tf.fill(shape, 0.75))
    model = learner(pool_size=1)
    model.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1), run_eagerly=True)
    earlier = batch(1)
    drawn = {
        name: draw(weights(model)[f"generator_{name}"], 2.0 * images - 1) for name, images in zip(("ab", "ba"), earlier)
    }
    model.train_on_batch(*earlier)
    a, b = batch(1)
    w = weights(model)
    model.reset_metrics()
    logs = model.train_on_batch(a, b, return_dict=True)
    for side, images, name in (("a", a, "ba"), ("b", b, "ab")):
        scores = judge(w[f"discriminator_{side}"], 2.0 * images - 1), judge(w[f"discriminator_{side}"], drawn[name])
        expected = (np.mean((scores[0] - 1) ** 2) + np.mean(scores[1] ** 2)) / 2
        assert logs[f"discriminator_{side}"] == pytest.approx(expected, rel=1e-5)
        assert logs[f"told_apart_{side}"] == pytest.approx(np.mean(scores[0] > scores[1]))
        assert logs[f"discriminator_{side}"] != pytest.approx(parts(w, a, b)[f"discriminator_{side}"], rel=1e-4)


@pytest.mark.parametrize(
    ("options", "generators", "discriminators"),
    [
        ({}, 6, 6),
        ({"identity_weight": 0}, 4, 6),
        ({"identity_weight": 0, "cycle_weights": (0, 0)}, 2, 6),
        ({"cycle_weights": (10, 0)}, 4, 6),  # Without the cycle of B, and without its identity, which has its weight.
        ({"pool_size": 0}, 6, 4),
        ({"pool_size": 0, "identity_weight": 0}, 4, 4),
    ],
)
def test_what_is_not_needed_is_not_computed(options, generators, discriminators):
    model = learner(**{"pool_size": 2, **options})
    model.compile()
    count = {"generator": 0, "discriminator": 0}

    def counting(kind, call):
        def counted(*arguments, **keywords):
            count[kind] += 1
            return call(*arguments, **keywords)

        return counted

    for kind, sides in (("generator", ("ab", "ba")), ("discriminator", ("a", "b"))):
        for side in sides:
            network = getattr(model, f"{kind}_{side}")
            network.call = counting(kind, network.call)
    model.build((None, SIZE, SIZE, 2))
    tf.function(lambda *images: model.train_step(images)).get_concrete_function(*batch(1))
    assert (count["generator"], count["discriminator"]) == (generators, discriminators)


def test_a_step_is_traced_once(monkeypatch):
    traces = []
    step = training.CycleGAN.train_step
    monkeypatch.setattr(training.CycleGAN, "train_step", lambda self, data: traces.append(1) or step(self, data))
    model = learner(pool_size=50, noise=0.1)
    model.build((None, SIZE, SIZE, 2))
    model.compile()
    model.fit(*batch(60), batch_size=1, verbose=0)
    assert len(traces) == 1 and int(model.pool_a.stored) == 50


def test_fit_in_user_code_from_images_of_a_size_that_no_network_says():
    model = learner(pool_size=3)
    model.compile()
    pairs = tf.data.Dataset.from_tensor_slices(batch(4)).batch(2)
    history = model.fit(pairs, epochs=2, validation_data=pairs, verbose=0).history
    names = {*model.part_weights, "generator_objective", "discriminator_objective"}
    names |= {f"{kind}_{way}" for kind in ("contrast", "diversity") for way in ("ab", "ba")}
    names |= {"told_apart_a", "told_apart_b"}
    assert set(history) == names | {f"val_{name}" for name in names}
    assert np.all(np.isfinite(list(history.values())))
    assert model.pool_a.images.shape == (3, SIZE, SIZE, 2)


def test_can_be_built_by_hand_once_more():
    model = learner(pool_size=3)
    model.build((None, SIZE, SIZE, 2))
    images = model.pool_a.images
    model.build((None, SIZE, SIZE, 2))
    assert model.pool_a.images is images and images.shape == (3, SIZE, SIZE, 2)


def test_training_logs_the_rate_and_saves_the_pools(tmp_path):
    model = learner(pool_size=3)
    model.compile()
    history = training.fit(model, Pairs(), 2, run=tmp_path, progress=False)
    assert history[-1]["learning_rate"] == pytest.approx(2e-4)
    described = training.LearnerState(model).describe()
    assert [tuple(one["shape"]) for one in described if "images" in one["name"]] == [(3, SIZE, SIZE, 2)] * 2
    assert sum("momentum" in one["name"] for one in described) == 12  # Of the weights of four networks.


class Pairs:
    """A stream of pairs of random images, as `data.UnpairedStream` delivers them."""

    batch_size, steps_per_epoch, skipped = 2, 3, []

    def splits_evenly(self, shards):
        return self.batch_size % shards == 0

    def steps(self, shards=1):
        return self.steps_per_epoch

    def dataset(self, epochs=1, epoch=0, step=0, shards=1, shard=None):
        numbers = tf.data.Dataset.range(epoch * 3 + step, (epoch + epochs) * 3)
        pairs = [batch(2, seed) for seed in range(100)]
        images = [tf.constant(np.stack(side)) for side in zip(*pairs)]
        size = 2 // shards
        pieces = range(shards) if shard is None else shard

        def deliver(number):
            return tf.data.Dataset.from_tensor_slices(
                tuple(tf.stack([side[number, size * k : size * (k + 1)] for k in pieces]) for side in images)
            )

        return numbers.flat_map(deliver)


def test_comes_back_from_a_keras_file_and_goes_on_alike(tmp_path):
    model = learner(pool_size=2, guessers=True, guess_weight=2.0, cycle_weights=(10, 4), objective="vanilla")
    model.build((None, SIZE, SIZE, 2))
    model.compile(keras.optimizers.Adam(0.01, beta_1=0.3), keras.optimizers.SGD(0.02, momentum=0.5))
    for seed in range(3):
        model.train_on_batch(*batch(1, seed))
    model.save(tmp_path / "learner.keras")
    again = keras.saving.load_model(tmp_path / "learner.keras")
    json.dumps(model.get_config())
    for name in ("cycle_weights", "guess_weight", "objective", "pool_size", "seed", "identity_weight", "noise"):
        assert getattr(again, name) == getattr(model, name)
    assert again.generator_optimizer.get_config() == model.generator_optimizer.get_config()
    assert again.discriminator_optimizer.get_config() == model.discriminator_optimizer.get_config()
    for one, other in zip(model.weights, again.weights, strict=True):
        if "seed" not in one.path:
            np.testing.assert_array_equal(other, one, err_msg=one.path)
    for mine, theirs in zip(
        (model.generator_optimizer, model.discriminator_optimizer),
        (again.generator_optimizer, again.discriminator_optimizer),
    ):
        for one, other in zip(mine.variables, theirs.variables, strict=True):
            np.testing.assert_array_equal(other, one, err_msg=one.path)
    a, b = batch(1, 9)
    np.testing.assert_array_equal(again(a), model(a))
    first, second = (one.evaluate(a, b, verbose=0, return_dict=True) for one in (model, again))
    assert first == second


def test_domains_may_have_different_channels():
    def network(channels, drawn, kind=models.ResNetGenerator):
        return kind((16, 16, channels), output_channels=drawn, blocks=1, filters=2)

    def patches(channels):
        return models.PatchDiscriminator((16, 16, channels), layers=1, filters=2)

    model = training.CycleGAN(network(3, 1), network(1, 3), patches(3), patches(1), identity_weight=0, pool_size=2)
    model.compile()
    a, b = np.random.default_rng(0).random((4, 16, 16, 3)), np.random.default_rng(1).random((4, 16, 16, 1))
    model.fit(a.astype("float32"), b.astype("float32"), batch_size=2, verbose=0)
    assert model.pool_a.images.shape[-1] == 3 and model.pool_b.images.shape[-1] == 1
    assert model(a.astype("float32")).shape == (4, 16, 16, 1)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_computes_losses_in_float32(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        networks = [models.ResNetGenerator((16, 16, 2), blocks=1, filters=4) for _ in range(2)]
        networks += [models.PatchDiscriminator((16, 16, 2), layers=1, filters=4) for _ in range(2)]
    finally:
        keras.config.set_dtype_policy(before)
    assert networks[0].layers[4].compute_dtype == policy.removeprefix("mixed_")
    model = training.CycleGAN(*networks, pool_size=2, noise=0.1)
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(2e-4), initial_scale=128.0)
    model.compile(optimizer if policy == "mixed_float16" else None)
    a, b = np.random.default_rng(0).random((2, 2, 16, 16, 2)).astype("float32")
    before = [w.copy() for w in model.generator_ab.get_weights()]
    played, objectives = model._play(a, b, training=True)
    assert all(objective.dtype == "float32" for objective in objectives) and played[0].drawn.dtype == "float32"
    logs = model.train_on_batch(a, b, return_dict=True)
    assert np.all(np.isfinite(list(logs.values())))
    assert any(not np.array_equal(old, new) for old, new in zip(before, model.generator_ab.get_weights()))


def test_collapse_is_seen_in_the_metrics():
    model = learner()
    model.compile()
    a, b = batch(4)
    healthy = model.evaluate(a, b, verbose=0, return_dict=True)
    assert 0.05 < healthy["contrast_ab"] < 2 and 0.05 < healthy["diversity_ab"] < 2
    kernel, bias = model.generator_ab.get_weights()
    model.generator_ab.set_weights([0 * kernel, bias])
    flat = model.evaluate(a, b, verbose=0, return_dict=True)
    assert flat["contrast_ab"] < 1e-3 and flat["diversity_ab"] < 1e-3
    assert flat["contrast_ba"] == pytest.approx(healthy["contrast_ba"])
    expected = draw(weights(model)["generator_ba"], 2.0 * b - 1).reshape(-1, 2).var(axis=0).sum()
    expected /= (2.0 * a - 1).reshape(-1, 2).var(axis=0).sum()
    assert healthy["contrast_ba"] == pytest.approx(np.sqrt(expected), rel=1e-4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: learner(objective="hinge"), "objective='hinge' is not known"),
        (lambda: learner(cycle_weights=10), "cycle_weights=10 is not accepted: expected two numbers"),
        (lambda: learner(cycle_weights=(10, -1)), "cycle_weights=-1 is not accepted"),
        (lambda: learner(identity_weight=-0.5), "identity_weight=-0.5"),
        (lambda: learner(noise=-0.1), "noise=-0.1"),
        (lambda: learner(guess_weight=1.0), "guesser_a=None is not accepted: expected a keras.Model that is built"),
        (lambda: learner(pool_size=1.5), "pool_size=1.5"),
        (lambda: learner(seed=-1), "seed=-1"),
        (
            lambda: training.CycleGAN(generator(), generator(), discriminator(), discriminator(3)),
            "discriminator_b takes 3 channels, expected 2: generator_ab translates images of 2 channels to images of 2",
        ),
        (lambda: learner(guess_weight=1.0, guesser_a=discriminator(2), guesser_b=discriminator(4)),
         "guesser_a takes 2 channels, expected 4"),
        (
            lambda: training.CycleGAN(
                models.ResNetGenerator((16, 16, 3), 1, 1, 2), models.ResNetGenerator((16, 16, 1), 3, 1, 2),
                discriminator(3), discriminator(1),
            ),
            "identity_weight=0.5 is not accepted for domains of 3 and 1 channels.*expected 0",
        ),
        (lambda: learner(pool_size=2).build((None, None, None, 2)), "pool_size=2 needs images of one known size"),
        (lambda: learner().compile(*[keras.optimizers.Adam()] * 2), "are one object: expected two"),
        (lambda: learner().compile(keras.optimizers.Adam(use_ema=True)), "use_ema=True of generator_optimizer"),
        (lambda: learner().train_step(batch()[0]), "expected .images of A, images of B."),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
