"""Starts processes that have imported TensorFlow already: children of this one, which has computed nothing.

Reads one JSON object a line and answers with one:

    {"call": [module or file, function, arguments], "output": path, "closed": boolean}  ->  {"process": id}
    {"wait": id, "seconds": how long}                                                    ->  {"status": exit status}

A child calls the function with the arguments, a dict; its stdout and stderr go to <path>.out and <path>.err, or with
"closed" its stderr to a pipe that nobody reads. It ends as a program would: with the code of `sys.exit`, or 1 after an
error. A child that takes longer is killed.
"""

import importlib
import importlib.util
import json
import os
import signal
import sys
import time
import traceback

from absl import flags

_TOOL = "keras_repvis_tools.train"


def load(name):
    """Import a module by its name, or by the path of its file."""
    if not name.endswith(".py"):
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location("program", name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_tool(module, arguments):
    """Run a command-line program: `run` of its module, with arguments as after its name."""
    if module != _TOOL:
        # Imported below for the children that run it; each program has its flags to itself.
        for owner, defined in flags.FLAGS.flags_by_module_dict().items():
            for flag in list(defined) if owner.startswith(_TOOL) else ():
                delattr(flags.FLAGS, flag.name)
    sys.argv = [module.rpartition(".")[2], *arguments]
    load(module).run()


def redirect(output, closed):
    """Send stdout and stderr of this process to files."""
    out = os.open(f"{output}.out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    err = os.open(f"{output}.err", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    if closed:
        reading, err = os.pipe()
        os.close(reading)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)


def call(name, function, arguments):
    """Call the function and return the exit code that a process of its own would have."""
    try:
        getattr(sys.modules[__name__] if name == "children" else load(name), function)(**arguments)
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException as error:
        traceback.print_exc()
        code = 130 if isinstance(error, KeyboardInterrupt) else 1
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = 120  # As of Python, when it cannot flush at its exit.
    return code


def wait(process, seconds):
    """Return the exit status of a child, of one that is killed by a signal its negative number."""
    end = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.kill(process, signal.SIGKILL)
        time.sleep(0.01)


def serve():
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            print(json.dumps({"status": wait(request["wait"], request["seconds"])}), flush=True)
            continue
        process = os.fork()
        if process == 0:
            redirect(request["output"], request["closed"])
            os._exit(call(*request["call"]))
        print(json.dumps({"process": process}), flush=True)


if __name__ == "__main__":
    # What the children would import, each for itself.
    for room in ("keras_repvis.data", "keras_repvis.models", "keras_repvis.report", "keras_repvis.training"):
        module = importlib.import_module(room)
        for public in dir(module):
            getattr(module, public)
    importlib.import_module(_TOOL)
    importlib.import_module("tensorflow_datasets")
    serve()
