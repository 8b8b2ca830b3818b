"""The pool against a Python one with the same draws; how it fills; its coin; its state, replicas and compilation."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import training
from keras_repvis.training.image_pool import ImagePool

DRAWS = np.random.default_rng(0)


class PythonPool:
    """One image after the other, with the draws given."""

    def __init__(self, size):
        self.size, self.images = size, []

    def query(self, image, swap, place):
        if len(self.images) < self.size:
            self.images.append(image)
            return image
        if swap:
            image, self.images[place] = self.images[place], image
        return image


def images(numbers):
    """Images of one value each, by which they are told apart."""
    return np.ones((len(numbers), 2, 3, 1), "float32") * np.reshape(np.asarray(numbers, "float32"), (-1, 1, 1, 1))


def values(tensor):
    return np.asarray(tensor)[:, 0, 0, 0].tolist()


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(("size", "batch"), [(5, 1), (5, 3), (3, 8), (1, 4), (50, 7)])
def test_equals_a_pool_of_one_image_after_the_other(size, batch, compiled):
    pool, reference = ImagePool(size), PythonPool(size)
    pool.build((None, 2, 3, 1))
    exchange = tf.function(pool.exchange) if compiled else pool.exchange
    for start in range(1, 20 * batch, batch):
        numbers = np.arange(start, start + batch)
        swap, places = DRAWS.random(batch) > 0.5, DRAWS.integers(0, size, batch)
        expected = [reference.query(*each) for each in zip(numbers, swap, places)]
        found = exchange(images(numbers), tf.constant(swap), tf.constant(places, "int32"))
        assert values(found) == expected
        assert values(pool.images)[: len(reference.images)] == reference.images
        assert int(pool.stored) == len(reference.images)


def test_the_first_images_come_back_as_they_are_and_fill_the_pool():
    pool = ImagePool(50, seed=1)
    for start in range(1, 51, 5):
        batch = images(range(start, start + 5))
        np.testing.assert_array_equal(pool(batch), batch)
    assert values(pool.images) == list(range(1, 51)) and int(pool.stored) == 50


def test_afterwards_every_second_image_is_new_and_every_place_comes_equally_often():
    size, count = 10, 20_000
    pool = ImagePool(size, seed=2)
    pool(images(range(1, size + 1)))
    call = tf.function(pool)
    new, stayed = 0, []
    for start in range(size + 1, count, 100):
        batch = np.arange(start, start + 100)
        before = dict(zip(values(pool.images), range(size)))
        found = values(call(images(batch)))
        new += int(np.sum(np.asarray(found) == batch))
        stayed += [before[value] for value in found if value in before]
    total = len(range(size + 1, count, 100)) * 100
    assert abs(new - total / 2) < 5 * np.sqrt(total / 4)
    counts = np.bincount(stayed, minlength=size)
    expected = counts.sum() / size
    assert np.all(np.abs(counts - expected) < 5 * np.sqrt(expected))


def test_never_holds_more_than_its_size_and_nothing_twice():
    pool = ImagePool(4, seed=3)
    for start in range(1, 100, 3):
        pool(images(range(start, start + 3)))
        held = values(pool.images)
        assert len(held) == 4 and len(set(held)) == min(4, start + 2) + (start < 2)  # The rest is the zero it began as.
        assert int(pool.stored) <= 4


def test_of_size_zero_it_is_not_there():
    pool = ImagePool(0)
    batch = images([1, 2])
    np.testing.assert_array_equal(pool(batch), batch)
    assert [weight.path for weight in pool.weights if "seed" not in weight.path] == []


def test_no_gradient_passes():
    pool = ImagePool(2)
    with tf.GradientTape() as tape:
        batch = tf.constant(images([1, 2]))
        tape.watch(batch)
        value = tf.reduce_sum(pool(batch))
    assert tape.gradient(value, batch) is None


def test_the_same_seed_gives_the_same_images_and_another_one_others():
    def run(seed):
        pool = ImagePool(3, seed)
        return [values(pool(images(range(start, start + 4)))) for start in range(1, 60, 4)]

    assert run(5) == run(5) != run(6)


def test_goes_on_from_its_state():
    """Images, how many there are, and the state of the draws are variables: a checkpoint holds them."""
    def model():
        inputs = keras.Input((2, 3, 1))
        return keras.Model(inputs, ImagePool(3, seed=4)(inputs))

    first, second = model(), model()
    for start in range(1, 20, 4):
        first(images(range(start, start + 4)))
    training.LearnerState(second).assign(training.LearnerState(first).read())
    for start in range(20, 60, 4):
        batch = images(range(start, start + 4))
        np.testing.assert_array_equal(second(batch), first(batch))


def test_configuration_makes_the_same_pool():
    config = ImagePool(7, seed=3, name="fakes", dtype="float32").get_config()
    again = ImagePool.from_config(config)
    assert again.get_config() == config and (again.size, again.seed, again.name) == (7, 3, "fakes")


def test_every_replica_has_a_pool_of_its_own():
    strategy = training.strategy("mirrored", 2)
    with strategy.scope():
        pool = ImagePool(2, seed=0)
        pool.build((None, 2, 3, 1))
    batches = iter(strategy.distribute_datasets_from_function(
        lambda context: tf.data.Dataset.from_tensor_slices(images(range(1, 13)).reshape(6, 2, 2, 3, 1))
    ))
    call = tf.function(lambda batch: strategy.run(pool, args=(batch,)))
    seen = [[], []]
    for _ in range(3):
        found = strategy.experimental_local_results(call(next(batches)))
        for number, each in enumerate(found):
            seen[number] += values(each)
    assert seen[0][:2] == [1, 2] and seen[1][:2] == [3, 4]
    held = [values(copy) for copy in strategy.experimental_local_results(pool.images.value)]
    # What a replica gives and holds has come to it.
    for number, own in enumerate(({1, 2, 5, 6, 9, 10}, {3, 4, 7, 8, 11, 12})):
        assert set(held[number]) | set(seen[number]) <= own


def test_xla_compiles_it_once():
    pool = ImagePool(20, seed=0)
    pool.build((None, 2, 3, 1))
    traces = []

    @tf.function(jit_compile=True)
    def call(batch):
        traces.append(1)
        return pool(batch)

    for number in range(1, 41):
        call(tf.constant(images([number])))
    # The text of the compiled program would name the places, were they constants in it.
    before = call.experimental_get_compiler_ir(tf.constant(images([1])))("hlo")
    pool.stored.assign(3)
    assert call.experimental_get_compiler_ir(tf.constant(images([1])))("hlo") == before
    assert len(traces) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ImagePool(-1), "size=-1 is not accepted: expected an integer >= 0"),
        (lambda: ImagePool(2.5), "size=2.5"),
        (lambda: ImagePool(2, seed=-1), "seed=-1"),
        (lambda: ImagePool(2).build((None, None, None, 3)), r"pool_size=2 needs images of one known size, not \(None"),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
