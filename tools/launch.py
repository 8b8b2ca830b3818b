"""Start the worker processes of a multi-worker run on this machine, to try it out, and stop all when one dies.

Examples:
  repvis-launch --workers=2 repvis-train --strategy=multi_worker --dataset=repvis_digits --run_dir=runs/two
  repvis-launch --workers=4 --threads_per_worker=1 -- python my_training.py --epochs=3

What follows the launcher's own flags is the command; it runs once a worker. TF_CONFIG tells each worker its place in a
cluster of free ports on 127.0.0.1, as tf.distribute.MultiWorkerMirroredStrategy expects. Standard output is that of
worker 0; everything else that the workers write goes to stderr, with [worker 1] before each line.

When a worker fails, the others get SIGTERM, so that they can save, and SIGKILL if they stay; the exit code is that of
the worker that failed first, or 128 + the number of the signal that killed it. Ctrl-C and SIGTERM are passed on once; a
second Ctrl-C kills. When the launcher itself is killed, its workers are stopped in the same way. Linux and macOS.
"""

import json
import os
import shutil
import socket
import sys

from absl import app, flags

from keras_repvis import checks
from keras_repvis_tools import local_workers, program

_WORKERS = flags.DEFINE_integer("workers", 2, "Number of worker processes.", lower_bound=1)
_GRACE = flags.DEFINE_float("grace_seconds", 10.0, "Seconds that workers have to leave before they are killed.")
_THREADS = flags.DEFINE_integer(
    "threads_per_worker",
    0,
    "Threads for each worker's computations (OMP_NUM_THREADS, TF_NUM_INTRAOP_THREADS); 0 leaves the environment as it "
    "is, and TensorFlow then takes all cores in every worker.",
    lower_bound=0,
)
_DAY = 86400


def split(argv):
    """Return `argv` with "--" before the command, so that no flag of the command is taken for one of the launcher."""
    position = 1
    while position < len(argv) and argv[position].startswith("-") and argv[position] != "--":
        name = argv[position].lstrip("-")
        # "--workers 2" is two words.
        position += 2 if name in flags.FLAGS and not flags.FLAGS[name].boolean else 1
    command = argv[position:]
    return [*argv[:position], "--", *command[command[:1] == ["--"]:]]


def environments(workers, threads):
    """Return one dict of environment variables a worker, with its place in a cluster of free local ports."""
    addresses = [f"127.0.0.1:{port}" for port in _free_ports(workers)]
    limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS") if threads}
    tasks = [{"type": "worker", "index": index} for index in range(workers)]
    places = [json.dumps({"cluster": {"worker": addresses}, "task": task}) for task in tasks]
    return [{**os.environ, **limits, "TF_CONFIG": place} for place in places]


def main(argv):
    command = argv[1:]
    checks.number("grace_seconds", _GRACE.value, low=0, high=_DAY)
    if not command:
        raise app.UsageError("expected a command after the flags, for instance repvis-train --strategy=multi_worker.")
    if not hasattr(os, "killpg"):
        raise ValueError("repvis-launch needs the process groups of Linux or macOS; start the workers by hand here.")
    if "TF_CONFIG" in os.environ:
        raise ValueError(
            f"TF_CONFIG={os.environ['TF_CONFIG']!r} is set already: this process belongs to a cluster. "
            "Unset it to start another one."
        )
    executable = _find(command[0])
    places = environments(_WORKERS.value, _THREADS.value)
    return local_workers.run([executable, *command[1:]], places, _GRACE.value)


def run():
    program.run(main, split(sys.argv))


def _find(name):
    # The programs of an environment that is not activated lie beside its Python.
    places = os.pathsep.join([os.environ.get("PATH", os.defpath), os.path.dirname(sys.executable)])
    found = shutil.which(name, path=places)
    if found is None:
        raise ValueError(f"command {name!r} is not known: expected a program on the PATH, or the path of one.")
    return found


def _free_ports(count):
    # All are held at once, so that no two are the same; the workers take them over a moment after they are let go.
    sockets = []
    try:
        for _ in range(count):
            sockets.append(socket.socket())
            sockets[-1].bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    except OSError as error:
        raise ValueError(f"workers={count} is not possible: no more free ports on 127.0.0.1 ({error}).") from error
    finally:
        for each in sockets:
            each.close()


if __name__ == "__main__":
    run()
