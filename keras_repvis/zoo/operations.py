"""Which operations a SavedModel can run, read from its file before anything of it runs.

A SavedModel is a program, and TensorFlow is no sandbox: an operation in it may read or write any file. What runs, and
when, follows from where an operation stands: in what a signature fetches, in what loading runs (the initialisers of
resources, the init op, the restoring of variables), or in a function that the loaded object offers as an attribute.
"""

import hashlib
import os
import pathlib

from google.protobuf import message
from tensorflow.core.protobuf import saved_model_pb2

from keras_repvis.zoo import endpoints, safe_operations
from keras_repvis.zoo.reachability import Program

FILE = "saved_model.pb"
# Readers differ in which of several forms they take: one would be checked and another one run.
_OTHER_FORMS = ("saved_model.cpb", "saved_model.pbtxt")


class UnsafeOperationError(ValueError):
    """A SavedModel can run an operation that is not known to be safe; the message names it and where it stands."""


def check_operations(directory, allow=()):
    """Refuse a SavedModel that can do more than compute: read, write or print files, call Python, reach a network.

    Only `saved_model.pb` is read; nothing in it runs. Every operation that an endpoint or loading can reach must be in
    the table `keras_repvis.zoo.safe_operations` or allowed by name. TensorFlow's Saver, which reads and writes the
    files of the variables, may use the operations made for that; reached from anywhere else they are refused.

    Args:
        directory: Path of the SavedModel.
        allow: Collection of names of further operations to accept, for instance ("ReadFile",). Default none.

    Returns:
        Dict of endpoint -> frozenset of names of operations, as `endpoint_operations` gives it.

    Raises:
        UnsafeOperationError: If an operation is refused; the message names the file, the endpoint and the operation.
        ValueError: If `allow` is not a collection of names, or `saved_model.pb` is missing, torn or not alone.

    Example:
        >>> import tempfile
        >>> import tensorflow as tf
        >>> from keras_repvis import zoo
        >>> module = tf.Module()
        >>> module.load = tf.function(tf.io.read_file, input_signature=[tf.TensorSpec((), tf.string)])
        >>> directory = tempfile.mkdtemp()
        >>> tf.saved_model.save(module, directory, signatures={})
        >>> zoo.check_operations(directory)
        Traceback (most recent call last):
        ...
        keras_repvis.zoo.operations.UnsafeOperationError: ...saved_model.pb: load runs ReadFile. ...
        >>> "ReadFile" in zoo.check_operations(directory, allow=["ReadFile"])["load"]
        True
    """
    allowed = safe_operations.SAFE | _names(allow)
    graphs = _read(directory)
    found = _merged(graphs)
    refused = [(name, operations - allowed) for name, operations in found.items()]
    for graph, program in graphs:
        saving, restoring = endpoints.of_saver(graph, program)
        refused.append(("saving the variables", saving - allowed - safe_operations.SAVING))
        refused.append(("restoring the variables", restoring - allowed - safe_operations.RESTORING))
    refused = [(name, operations) for name, operations in refused if operations]
    if refused:
        names = sorted(set().union(*(operations for _, operations in refused)))
        where = "; ".join(f"{name} runs {', '.join(sorted(operations))}" for name, operations in refused)
        raise UnsafeOperationError(
            f"{pathlib.Path(directory) / FILE}: {where}. Only operations that compute are accepted. Where you trust "
            f"this model, allow the others by name: allow_operations={names!r} or "
            f"--allow_operations={','.join(names)}."
        )
    return found


def endpoint_operations(directory):
    """Return the operations that each endpoint of a SavedModel can run, read from `saved_model.pb` alone.

    An endpoint is a signature; a function of the loaded object, by its path (`__call__`, `regularization_losses[0]`,
    `table._initialize`), of which those of resources run at loading; or what loading runs besides
    (`__saved_model_init_op`). A function that is called counts with its caller, and so do the branches of conditions,
    the bodies of loops, and gradients. TensorFlow's Saver is none of the model's endpoints and is left out.

    Args:
        directory: Path of the SavedModel.

    Returns:
        Dict of endpoint -> frozenset of names of operations.

    Raises:
        ValueError: If `saved_model.pb` is missing, torn or not alone.

    Example:
        >>> import tempfile
        >>> import tensorflow as tf
        >>> from keras_repvis import zoo
        >>> module = tf.Module()
        >>> module.double = tf.function(lambda x: x + x, input_signature=[tf.TensorSpec((), tf.float32)])
        >>> directory = tempfile.mkdtemp()
        >>> tf.saved_model.save(module, directory, signatures={})
        >>> sorted(zoo.endpoint_operations(directory)["double"])
        ['AddV2', 'Identity']
    """
    return _merged(_read(directory))


def digest(directory):
    """Return the SHA-256 of `saved_model.pb`; it must be there and the only form of the graph."""
    return hashlib.sha256(_content(pathlib.Path(directory))).hexdigest()


def _names(allow):
    listed = isinstance(allow, (tuple, list, set, frozenset))
    if not listed or not all(isinstance(name, str) for name in allow):
        raise ValueError(
            f"allow_operations={allow!r} is not accepted: expected a collection of names of operations, for instance "
            "['ReadFile']."
        )
    return frozenset(allow)


def _content(directory):
    for name in _OTHER_FORMS:
        if (directory / name).exists():
            raise ValueError(f"{directory / name}: is a form of graph that is not read here. Expected {FILE} alone.")
    try:
        return (directory / FILE).read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise ValueError(f"{directory / FILE}: is missing, so the directory is not a SavedModel.") from None


def _read(directory):
    """Return the pairs (`MetaGraphDef`, its `Program`) of the SavedModel in `directory`, at least one."""
    if not isinstance(directory, (str, os.PathLike)):
        raise ValueError(f"directory={directory!r} is not accepted: expected the path of a SavedModel.")
    directory = pathlib.Path(directory)
    try:
        graphs = saved_model_pb2.SavedModel.FromString(_content(directory)).meta_graphs
    except (message.DecodeError, RuntimeError):
        graphs = ()
    if not graphs:
        raise ValueError(f"{directory / FILE}: is torn, or not a SavedModel.")
    return [(graph, Program(graph.graph_def)) for graph in graphs]


def _merged(graphs):
    """Return endpoint -> operations; of several graphs, for instance one to train and one to serve, those of all."""
    merged = {}
    for graph, program in graphs:
        for name, found in endpoints.of_model(graph, program, sole=len(graphs) == 1).items():
            merged[name] = merged.get(name, frozenset()) | found
    return dict(sorted(merged.items()))
