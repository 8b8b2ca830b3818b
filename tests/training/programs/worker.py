"""One run of the learner, as one process alone or as one of several workers: worker.py STRATEGY RUN OUTPUT [OPTIONS].

OPTIONS is a JSON object: {"rate", "noise", "batch_norm"} of the learner, and "kill": {"worker", "step"} for a worker
that kills itself after so many steps, "stop": the same for one that sends itself SIGTERM.
Writes OUTPUT-<worker>.json with the history, the hash of the state and whether it waited for the first worker, which
comes late, and OUTPUT-<worker>.npz with the weights.
"""

import importlib.util
import json
import os
import pathlib
import signal
import sys
import time

import keras
import numpy as np

from keras_repvis import training
from keras_repvis.training import replicas
from keras_repvis_tools import program


class Signal(keras.callbacks.Callback):
    """Sends a signal to its own process after some steps."""

    def __init__(self, number, step):
        super().__init__()
        self.number, self.left = number, step

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), self.number)


def main(argv):
    name, run, output = argv[1:4]
    options = json.loads(argv[4]) if len(argv) > 4 else {}
    path = pathlib.Path(__file__).with_name("learner.py")
    spec = importlib.util.spec_from_file_location("learner", path)
    learner = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(learner)

    strategy = training.strategy(name)
    worker = replicas.worker_index(strategy)
    callbacks = []
    for key, number in (("kill", signal.SIGKILL), ("stop", signal.SIGTERM)):
        wish = options.pop(key, None)
        if wish and wish["worker"] == worker:
            callbacks.append(Signal(number, wish["step"]))
    model, history, digests = learner.train(run, strategy, callbacks, **options)
    np.savez(f"{output}-{worker}.npz", *model.get_weights())
    arrived = pathlib.Path(f"{output}-first-arrived")
    if worker == 0:
        time.sleep(2 * (name == "multi_worker"))  # The others are here long before.
        arrived.touch()
    training.wait_for_workers(strategy)
    result = {"history": history, "digests": digests, "waited": arrived.exists()}
    pathlib.Path(f"{output}-{worker}.json").write_text(json.dumps(result))


if __name__ == "__main__":
    program.run(main, sys.argv)
