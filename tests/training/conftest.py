"""Two small streams, and a process that trains the learner of programs/ in children of its own and kills them."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

PROGRAMS = pathlib.Path(__file__).with_name("programs")


class Server:
    """A process that trains a learner of programs/ in children of its own: TensorFlow is imported once."""

    def __init__(self, learner):
        environment = {**os.environ, "TF_NUM_INTRAOP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        self.process = subprocess.Popen(
            [sys.executable, PROGRAMS / "fork_server.py", learner],
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
def server(request):
    server = Server(getattr(request.module, "LEARNER", "learner.py"))
    yield server
    server.process.stdin.close()
    server.process.wait()


@pytest.fixture(scope="module")
def alone(server, tmp_path_factory):
    """The run that was left alone, saving after every step."""
    finished = server.train(tmp_path_factory.mktemp("alone"), save_steps=1, count=1)
    assert finished["status"] == 0
    return finished


@pytest.fixture
def kill_and_go_on(server, alone, tmp_path):
    """A function that kills a run so many times and goes on after each.

    Its second argument chooses the moment, given the seconds that a run takes that nobody kills. Whenever the run
    comes to its end, it is compared with the one left alone, and another is started. Returns how many came to their
    end.
    """

    def killed(kills_wanted, moment):
        kills = completed = 0
        whole, seconds = True, alone["seconds"]
        while kills < kills_wanted:
            answer = server.train(tmp_path / str(completed), save_steps=1, **moment(seconds))
            if answer["status"] == -9:
                kills, whole = kills + 1, False
                continue
            compare(answer)
            if whole:  # The machine has less to do than before: later moments would all come too late.
                seconds = min(seconds, answer["seconds"])
            whole = True
            completed += 1
        compare(server.train(tmp_path / str(completed), save_steps=1))
        return completed + 1

    def compare(answer):
        assert answer["status"] == 0, answer
        assert answer["digests"] == alone["digests"]
        assert answer["history"] == alone["history"]

    return killed


@pytest.fixture(scope="module")
def eagerly():
    """Functions of TensorFlow run as Python: for a handful of steps quicker than to compile them for each learner."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def stream():
    """3 steps an epoch."""
    from keras_repvis import data

    return data.Stream(data.Source("repvis_digits", "train[:48]"), 16, seed=1)


@pytest.fixture(scope="module")
def validation():
    """8, 8 and 4 examples."""
    from keras_repvis import data

    source = data.Source("repvis_digits", "train[60:80]")
    return data.Stream(source, 8, shuffle=False, drop_remainder=False)
