"""Runs a learner's training again and again in children of one process that has imported TensorFlow already.

Its argument is the file with the learner's `train`, beside this one.

Reads one JSON object a line: {"run": directory, "kill_after": seconds or null, "kill_at": number or null}. The child
is killed so many seconds after it began to train, or kills itself at an operation on files of that number, which are
those of saving. Answers with one JSON object a line: {"status": exit status, and of a child that finished: "history",
"digests", "operations", "seconds" of training}.
"""

import importlib.util
import json
import os
import pathlib
import select
import signal
import sys
import time

_OPERATIONS = ("mkdir", "open", "rename", "replace", "fsync", "unlink", "rmdir", "write")


def count_operations(kill_at):
    """Count the operations on files from now on, and die at number `kill_at`."""
    counted = [0]

    def counting(function):
        def counted_function(*arguments, **options):
            counted[0] += 1
            if counted[0] == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        return counted_function

    for name in _OPERATIONS:
        setattr(os, name, counting(getattr(os, name)))
    import builtins

    builtins.open = counting(builtins.open)
    import numpy

    numpy.lib.format.write_array = counting(numpy.lib.format.write_array)
    return counted


def child(learner, request, answer):
    import keras

    class Begin(keras.callbacks.Callback):
        operations, began = [0], 0.0

        def on_train_begin(self, logs=None):
            os.write(answer, b"begin\n")
            self.began = time.monotonic()
            if request.get("kill_at") or request.get("count"):
                self.operations = count_operations(request.get("kill_at"))

    begin = Begin()
    _, history, digests = learner.train(request["run"], callbacks=[begin], save_steps=request.get("save_steps", 3))
    result = {"history": history, "digests": digests, "operations": begin.operations[0]}
    os.write(answer, json.dumps({**result, "seconds": time.monotonic() - begin.began}).encode())
    os._exit(0)


def watch(process, reading, kill_after):
    """Wait for a child, kill it `kill_after` seconds after it began to train, and return (status, what it wrote)."""
    text, kill_time = b"", None
    while True:
        if select.select([reading], [], [], 0.001)[0]:
            piece = os.read(reading, 65536)
            if not piece:
                break
            text += piece
            if kill_after is not None and kill_time is None:
                kill_time = time.monotonic() + kill_after
        if kill_time is not None and time.monotonic() > kill_time:
            os.kill(process, signal.SIGKILL)
    return os.waitpid(process, 0)[1], text.decode().rpartition("\n")[2]


def serve():
    path = pathlib.Path(__file__).with_name(sys.argv[1])
    spec = importlib.util.spec_from_file_location("learner", path)
    learner = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(learner)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        reading, writing = os.pipe()
        process = os.fork()
        if process == 0:
            os.close(reading)
            try:
                child(learner, request, writing)
            except BaseException as error:  # A child must not come back into this loop.
                os.write(2, f"{type(error).__name__}: {error}\n".encode())
            os._exit(9)
        os.close(writing)
        status, text = watch(process, reading, request.get("kill_after"))
        os.close(reading)
        answer = {"status": os.waitstatus_to_exitcode(status)}
        print(json.dumps({**answer, **(json.loads(text) if text else {})}), flush=True)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    serve()
