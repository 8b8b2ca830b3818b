"""A CycleGAN killed at any moment ends with the bits of the run that was left alone: pools, both optimisers, draws."""

import numpy as np

LEARNER = "cyclegan_learner.py"


def test_holds_both_optimisers_the_pools_and_what_they_draw(alone):
    names = [name.split(" ", 1)[1] for name in alone["digests"]]
    assert sum(name.endswith("/images") for name in names) == 2 and sum(name.endswith("/stored") for name in names) == 2
    assert sum("seed_generator_state" in name for name in names) == 5  # Pools, noise and coins, dropout of both.
    assert sum("iteration" in name for name in names) == 4  # Of each optimiser and of what is wrapped around it.
    assert sum("velocity" in name for name in names) == 24  # Two kernels and two biases of each of six networks.


def test_does_not_notice_that_it_was_killed_at_random_moments(kill_and_go_on):
    random = np.random.default_rng(0)
    kill_and_go_on(5, lambda seconds: {"kill_after": random.uniform(0.5, 1.0) * seconds})
