"""A run killed at any moment, in the middle of saving too, ends with the bits of the run that was left alone."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

PROGRAMS = pathlib.Path(__file__).with_name("programs")
KILLS = 25  # Of each kind.


class Server:
    """A process that trains the learner in children of its own: TensorFlow is imported once."""

    def __init__(self):
        environment = {**os.environ, "TF_NUM_INTRAOP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        self.process = subprocess.Popen(
            [sys.executable, PROGRAMS / "fork_server.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert self.answer() == {"ready": True}

    def answer(self):
        line = self.process.stdout.readline()
        assert line, "the server died"
        return json.loads(line)

    def train(self, run, **request):
        self.process.stdin.write(json.dumps({"run": str(run), **request}) + "\n")
        self.process.stdin.flush()
        return self.answer()


@pytest.fixture(scope="module")
def server():
    server = Server()
    yield server
    server.process.stdin.close()
    server.process.wait()


@pytest.fixture(scope="module")
def alone(server, tmp_path_factory):
    """The run that was left alone, saving after every step."""
    finished = server.train(tmp_path_factory.mktemp("alone"), save_steps=1, count=1)
    assert finished["status"] == 0
    return finished


def test_repeats_itself_and_saving_changes_nothing(server, alone, tmp_path):
    again = server.train(tmp_path, save_steps=7)
    assert again["digests"] == alone["digests"] and again["history"] == alone["history"]


def test_does_not_notice_that_it_was_killed_at_random_moments(server, alone, tmp_path):
    random = np.random.default_rng(0)
    completed = kill_and_go_on(server, alone, tmp_path, lambda: {"kill_after": random.uniform(0.0, alone["seconds"])})
    assert completed >= 2


def test_does_not_notice_that_it_was_killed_while_saving(server, alone, tmp_path):
    random = np.random.default_rng(1)
    assert alone["operations"] > 1000  # 40 checkpoints.
    # A run of 40 steps is killed twice or so before its end.
    last = alone["operations"] // 2
    completed = kill_and_go_on(server, alone, tmp_path, lambda: {"kill_at": int(random.integers(1, last))})
    assert completed >= 2


def kill_and_go_on(server, alone, directory, moment):
    """Kill a run `KILLS` times, going on after each; whenever it comes to its end, compare and start another one."""
    kills = completed = 0
    while kills < KILLS:
        answer = server.train(directory / str(completed), save_steps=1, **moment())
        if answer["status"] == -9:
            kills += 1
            continue
        assert answer["status"] == 0, answer
        assert answer["digests"] == alone["digests"]
        assert answer["history"] == alone["history"]
        completed += 1
    answer = server.train(directory / str(completed), save_steps=1)
    assert (answer["status"], answer["digests"]) == (0, alone["digests"])
    return completed + 1
