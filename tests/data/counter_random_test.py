import numpy as np
import tensorflow as tf

from keras_repvis.data import counter_random

MASK = (1 << 64) - 1


def mix(state):
    state = (state + 0x9E3779B97F4A7C15) & MASK
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
    return state ^ (state >> 31)


def test_first_output_of_splitmix64_from_zero():
    """0xE220A8397B1DCDAF is the published first output for the seed 0."""
    assert mix(0) == 0xE220A8397B1DCDAF
    state = counter_random._mix(tf.constant(0, tf.uint64))
    assert int(state.numpy()) == 0xE220A8397B1DCDAF


def test_equals_the_same_formula_in_whole_numbers_of_python():
    found = counter_random.uniform(2**40 + 3, 7, tf.constant([0, 5, 123456789]), 4).numpy()
    for row, index in enumerate((0, 5, 123456789)):
        for draw in range(4):
            state = mix(mix(mix(mix(2**40 + 3) ^ 7) ^ index) ^ draw)
            assert found[row, draw] == np.float32((state >> 40) / 2**24)


def test_is_uniform_and_uncorrelated_across_every_counter():
    n = 100_000
    numbers = counter_random.uniform(3, 2, tf.range(n), 3).numpy()
    assert numbers.min() >= 0 and numbers.max() < 1
    counts = np.histogram(numbers[:, 0], 100, (0, 1))[0]
    chi_squared = ((counts - n / 100) ** 2 / (n / 100)).sum()
    assert abs(chi_squared - 99) < 5 * np.sqrt(2 * 99)
    others = [
        numbers[:, 1],
        np.roll(numbers[:, 0], 1),
        counter_random.uniform(3, 3, tf.range(n), 1).numpy()[:, 0],
        counter_random.uniform(4, 2, tf.range(n), 1).numpy()[:, 0],
    ]
    for other in others:
        assert abs(np.corrcoef(numbers[:, 0], other)[0, 1]) < 5 / np.sqrt(n)
