"""A run killed at any moment ends with the bits of the run that was left alone."""

import numpy as np
import pytest


def test_repeats_itself_and_saving_changes_nothing(server, alone, tmp_path):
    again = server.train(tmp_path, save_steps=7)
    assert again["digests"] == alone["digests"] and again["history"] == alone["history"]


@pytest.mark.parametrize("kills", [8, pytest.param(25, marks=pytest.mark.slow)])
def test_does_not_notice_that_it_was_killed_at_random_moments(kill_and_go_on, kills):
    random = np.random.default_rng(0)
    # Some are not killed before their end: how many depends on what else the machine does.
    kill_and_go_on(kills, lambda seconds: {"kill_after": random.uniform(0.0, seconds)})
