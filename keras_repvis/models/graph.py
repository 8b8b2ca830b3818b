"""Walks the graph of a functional model down to its elementary layers, through nested models and blocks."""

import inspect

import keras

from keras_repvis.layers.block import Block


def walk(model, inputs, call):
    """Apply `call` to each elementary operation of `model` in the order of execution and return the outputs.

    The graph is replayed on `inputs`, whatever they are: symbolic tensors, shapes in disguise, tokens. Nested
    functional and sequential models and this package's blocks are entered; all else is elementary. An operation that
    is called several times is met several times. A `training` given to a nested model is handed to everything within,
    as Keras does.

    Args:
        model: Functional or built sequential `keras.Model`.
        inputs: Structure that matches the model's inputs.
        call: Function of (operation, args, kwargs, owners) that returns the operation's outputs; `owners` is the tuple
            of names of the nested models that contain the operation, outermost first.

    Returns:
        Structure of the model's outputs, made of what `call` returned.

    Raises:
        ValueError: If `model` is not a functional model.
    """
    return _replay(functional(model), inputs, call, (), None)


def functional(model):
    """Return `model` as a functional one, or raise a `ValueError` that says why it cannot be walked."""
    if isinstance(model, keras.Sequential) and model.built and getattr(model, "inputs", None):
        return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    if not is_walkable(model):
        raise ValueError(
            f"model={model!r} is not accepted: expected a functional keras.Model, or a sequential one with a known "
            "input shape. A subclassed model hides its graph."
        )
    return model


def is_walkable(operation):
    """Return whether `operation` is a model whose graph says all that its call does."""
    if isinstance(operation, keras.Sequential):
        return bool(operation.built and getattr(operation, "inputs", None)) and _call_is_keras(operation)
    return isinstance(operation, keras.Model) and isinstance(operation, keras.Function) and _call_is_keras(operation)


def symbolic_inputs(model):
    """Return new symbolic tensors with the shapes, types and structure of the inputs of a functional `model`."""
    return keras.tree.map_structure(lambda x: keras.KerasTensor(x.shape, dtype=x.dtype), model.input)


def _call_is_keras(model):
    return type(model).call.__module__.split(".")[0] == "keras"


def _replay(model, inputs, call, owners, training):
    def step(operation, *args, **kwargs):
        if training is not None and _takes_training(operation):
            kwargs = {**kwargs, "training": training}
        return _enter(operation, args, kwargs, call, owners)

    return model._run_through_graph(inputs, operation_fn=lambda operation: operation, call_fn=step)


def _enter(operation, args, kwargs, call, owners):
    nested = is_walkable(operation)
    if not (nested or _is_plain_block(operation)):
        return call(operation, args, kwargs, owners)
    inputs = args[0] if args else kwargs["inputs"]
    training = kwargs.get("training")
    if nested:
        return _replay(functional(operation), inputs, call, (*owners, operation.name), training)
    outputs = inputs
    for layer in operation.branch:
        passed = {"training": training} if training is not None and _takes_training(layer) else {}
        outputs = _enter(layer, (outputs,), passed, call, owners)
    return outputs if operation.join is None else call(operation.join, ([inputs, outputs],), {}, owners)


def _is_plain_block(operation):
    return isinstance(operation, Block) and type(operation).call is Block.call


def _takes_training(operation):
    return "training" in inspect.signature(type(operation).call).parameters
