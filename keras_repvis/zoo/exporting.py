"""Exports a `.keras` file as SavedModels in a process of its own.

TensorFlow numbers the functions and tensors a process has made, and the numbers end in the files: only a process that
has made nothing yet writes the same bytes for the same model. The process reads the model back from its file, so what
is exported is what the file holds.
"""

import contextlib
import importlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import zipfile

# What the process says when a class of the model lives where it cannot look.
_NOT_IMPORTABLE = 77


def export_file(path, directory, variants=(), calibration=None, custom_objects=None, signatures=()):
    """Export `path` to `directory`, in a new process where the model's classes can be imported, else in this one.

    Args:
        path: Path of a `.keras` file.
        directory: Path of the directory for the SavedModel and its variants; it holds the `check.npz` to compare with.
        variants: Sequence of names, see `keras_repvis.zoo.variants`.
        calibration: Path of an `.npy` file of examples for the variants that need them, or None.
        custom_objects: Mapping of names to classes that are not registered with Keras, or None.
        signatures: Sequence of names of signatures on whole numbers, see `keras_repvis.zoo.integer_images`.

    Returns:
        Dict {"signatures", "variants", "variants_refused", "process"}; "process" is "own" or "shared".

    Raises:
        ValueError: If the model cannot be exported.
        OSError: If the directory cannot be written.
    """
    job = {
        "path": str(path),
        "directory": str(directory),
        "variants": list(variants),
        "calibration": None if calibration is None else str(calibration),
        "signatures": list(signatures),
    }
    classes = _foreign_classes(path, custom_objects or {})
    if all(_importable(place) for place in classes.values()):
        result = _run({**job, "classes": classes, "search": sys.path})
        if result is not None:
            return {**result, "process": "own"}
    return {**_export(job, custom_objects or {}), "process": "shared"}


def main(job_file):
    """What the process does: run the job in a file, and write what came of it beside it."""
    job = json.loads(pathlib.Path(job_file).read_text(encoding="utf-8"))
    sys.path[:] = job["search"]
    try:
        custom_objects = {name: _find(place) for name, place in job["classes"].items()}
    except (ImportError, AttributeError):
        sys.exit(_NOT_IMPORTABLE)
    try:
        result = _export(job, {name: found for name, found in custom_objects.items() if ">" not in name})
    except (OSError, ValueError) as error:
        kind = "OSError" if isinstance(error, OSError) else "ValueError"
        result = {"error": str(error), "kind": kind}
    pathlib.Path(f"{job_file}.result").write_text(json.dumps(result), encoding="utf-8")


def _export(job, custom_objects):
    import keras
    import numpy as np
    import tensorflow as tf

    from keras_repvis.zoo import canonical, equality, export, variants

    directory = pathlib.Path(job["directory"])
    calibration = None if job["calibration"] is None else np.load(job["calibration"])
    try:
        with keras.saving.custom_object_scope(custom_objects):
            model = keras.saving.load_model(job["path"], compile=False, safe_mode=True)
            export.settle_generators(model)
            signatures = export.save(model, directory, job["signatures"])
            canonical.canonical_saved_model(directory)
            published, refused = {}, {}
            if job["variants"]:
                inputs, expected = equality.read_check(directory)
                published, refused = variants.write(
                    model, directory, job["variants"], inputs, expected, calibration, job["signatures"]
                )
    except tf.errors.OpError as error:
        # TensorFlow reports a full or read-only disk in classes of its own.
        raise OSError(f"{directory.parent}: {error.message}") from error
    return {"signatures": signatures, "variants": published, "variants_refused": refused}


def _run(job):
    """Return the result of `job` in a new process, or None if that cannot import the model's classes."""
    with tempfile.TemporaryDirectory(prefix="repvis_export_") as temporary:
        file = pathlib.Path(temporary, "job.json")
        file.write_text(json.dumps(job), encoding="utf-8")
        code, said = start_process(str(file))
        if code == _NOT_IMPORTABLE:
            return None
        try:
            result = json.loads(pathlib.Path(f"{file}.result").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ValueError(f"{job['path']} could not be exported, its process ended with {code}:\n{said}") from None
    if "error" in result:
        raise (OSError if result["kind"] == "OSError" else ValueError)(result["error"])
    return result


def start_process(job_file):
    """Run `main` on `job_file` in a new process; return its exit code and the end of what it said."""
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "0",  # Sets of names keep their order.
        "CUDA_VISIBLE_DEVICES": "-1",  # This process may hold the memory of the accelerators.
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "KERAS_BACKEND": "tensorflow",
    }
    command = [sys.executable, "-c", _PROGRAM, job_file, json.dumps(sys.path)]
    with tempfile.TemporaryFile() as said:
        pipes = {"stdin": subprocess.PIPE, "stdout": said, "stderr": said}
        with contextlib.ExitStack() as stack:
            process = stack.enter_context(subprocess.Popen(command, env=environment, **pipes))
            stack.callback(process.kill)  # Ctrl-C here ends it there too.
            code = process.wait()
        said.seek(max(0, said.tell() - 2000))
        return code, said.read().decode(errors="replace")


_PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[2])
from keras_repvis.zoo import exporting
exporting.end_with_parent()
exporting.main(sys.argv[1])
"""


def end_with_parent():
    """End this process as soon as the one that started it has ended: its end of the pipe to stdin closes."""

    def wait():
        sys.stdin.buffer.read()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _foreign_classes(path, custom_objects):
    """Return {name: [module, qualified name]} of the classes of the model in `path` that are not Keras' own."""
    import keras

    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    found = dict(custom_objects)
    for name in _registered_names(config):
        registered = keras.saving.get_registered_object(name)
        if registered is not None:
            found[name] = registered
    return {name: [value.__module__, value.__qualname__] for name, value in found.items()}


def _registered_names(config):
    if isinstance(config, dict):
        if isinstance(config.get("registered_name"), str):
            yield config["registered_name"]
        for value in config.values():
            yield from _registered_names(value)
    elif isinstance(config, list):
        for value in config:
            yield from _registered_names(value)


def _importable(place):
    return place[0] != "__main__" and "<" not in place[1]


def _find(place):
    found = importlib.import_module(place[0])
    for name in place[1].split("."):
        found = getattr(found, name)
    return found
