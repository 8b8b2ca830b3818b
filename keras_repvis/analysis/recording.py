"""What each layer of a model puts out during one call, through nested models, subclassed ones and shared layers."""

import contextlib
import dataclasses
import threading

import keras

# Both are replaced while a model is recorded; one thread records at a time, and only its calls are noted.
_LOCK = threading.RLock()


@dataclasses.dataclass
class Call:
    """One call of one layer or operation.

    Attributes:
        path: String, the names of the layers around it and its own, joined by "/"; from the second call of a layer on
            followed by "#2", "#3" and so on.
        operation: The `keras.layers.Layer` or `keras.Operation`.
        outputs: What it returned.
        leaf: Whether no other layer was called within.
        arguments: Tuple of what it computes with by position; a layer's in its own type.
        options: Dict of what it computes with by name; a layer's with `training` and masks where it takes them.
    """

    path: str
    operation: object
    outputs: object = None
    leaf: bool = True
    arguments: tuple = ()
    options: dict = dataclasses.field(default_factory=dict)


def record(model, inputs, training=False, change=None, instead=None):
    """Call `model` and note the call of every layer and operation within.

    The model is not changed, nor is anything computed twice. Inside a `tf.function` the outputs are tensors of its
    graph, so gradients reach them. A layer's call that is hidden in a loop of TensorFlow (`tf.while_loop`), or an
    operation that a subclassed model's `call` takes from `keras.ops` directly, is not seen.

    Args:
        model: `keras.Model`.
        inputs: What it takes.
        training: Whether to call it in training mode. Default False.
        change: Function from a finished `Call` to the outputs that the model goes on with in place of `call.outputs`,
            which keeps what the layer itself returned; or None.
        instead: Function from the `Call` of a layer that is about to compute to what it computes, the layer itself
            being spared it, and what is noted as its outputs; or to None, and it does. Or None.

    Returns:
        The pair (outputs of the model, list of `Call` in the order in which the calls began).

    Raises:
        ValueError: If the model has no weights yet, because it was never called.
    """
    if not model.built:
        # Building it would change the user's model, and call every layer once more.
        raise ValueError(f"model={model.name!r} is not built: call it on a batch once.")
    calls, open_calls, counts = [], [], {}

    def around(owner, original):
        def noted(operation, *arguments, **options):
            if operation is model or threading.get_ident() != thread:
                return original(operation, *arguments, **options)
            if _is_open(operation, open_calls):
                return compute(open_calls[-1], owner, original, arguments, options)
            call = Call(_path(operation, open_calls, counts), operation, arguments=arguments, options=options)
            if open_calls:
                open_calls[-1].leaf = False
            calls.append(call)
            open_calls.append(call)
            try:
                call.outputs = original(operation, *arguments, **options)
            finally:
                open_calls.pop()
            return call.outputs if change is None else change(call)

        return noted

    def compute(call, owner, original, arguments, options):
        if owner is keras.Operation:  # Called by `Layer.__call__`, which has settled types, masks and training.
            call.arguments, call.options = arguments, options
            answer = None if instead is None else instead(call)
            if answer is not None:
                return answer
        return original(call.operation, *arguments, **options)

    thread = threading.get_ident()
    with _LOCK, contextlib.ExitStack() as stack:
        for owner in (keras.Layer, keras.Operation):
            original = owner.__call__
            stack.callback(setattr, owner, "__call__", original)
            owner.__call__ = around(owner, original)
        outputs = model(inputs, training=training)
    return outputs, calls


def _is_open(operation, open_calls):
    """Return whether this is the call that is noted already: a class may hand it on to its parent class."""
    return bool(open_calls) and open_calls[-1].operation is operation


def _path(operation, open_calls, counts):
    owner = open_calls[-1].path + "/" if open_calls else ""
    path = owner + operation.name
    counts[path] = counts.get(path, 0) + 1
    return path if counts[path] == 1 else f"{path}#{counts[path]}"
