"""A run killed in the middle of saving ends with the bits of the run that was left alone."""

import numpy as np
import pytest


@pytest.mark.parametrize("kills", [8, pytest.param(25, marks=pytest.mark.slow)])
def test_does_not_notice_that_it_was_killed_while_saving(alone, kill_and_go_on, kills):
    random = np.random.default_rng(1)
    assert alone["operations"] > 1000  # 40 checkpoints.
    # A run of 40 steps is killed twice or so before its end.
    last = alone["operations"] // 2
    assert kill_and_go_on(kills, lambda seconds: {"kill_at": int(random.integers(1, last))}) >= 2
