"""Finds the ReLU-like units of any Keras model and records what they put out.

A unit is ReLU-like if its output is positive exactly where its input is: ReLU, ReLU6, their leaky and smooth
relatives, h-swish. The number of positive activations is then the same before and after it. Units are found in
functional, sequential, nested and subclassed models, as layers, as the `activation` of another layer, and as
`keras.ops` in a functional graph. What a subclassed `call` computes without a layer cannot be seen.
"""

import contextlib

import keras
import tensorflow as tf

from keras_repvis import checks

_FUNCTIONS = frozenset(
    ("relu", "relu6", "leaky_relu", "elu", "selu", "celu", "silu", "hard_silu", "gelu", "prelu", "mish")
)
_LAYERS = (keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.PReLU, keras.layers.ELU)
_OPERATIONS = frozenset(("Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Celu", "Silu", "HardSilu", "Gelu"))


def find(model):
    """Return the ReLU-like units of `model` as a dict from name to operation, in the order of the model.

    Units of nested models and composite layers are named `outer/inner`.

    Args:
        model: `keras.Model`.

    Returns:
        Dict of `str` to `keras.Operation`.

    Raises:
        ValueError: If there is none, since a share of positive activations then means nothing.
    """
    units = dict(_walk(model, ""))
    if not units:
        raise ValueError(
            f"model {model.name!r} has no ReLU-like layer: expected one of ReLU, LeakyReLU, PReLU, ELU, or a layer "
            f"whose activation is one of {', '.join(sorted(_FUNCTIONS))}."
        )
    return units


def recorder(model, units, reduce):
    """Return a compiled function from images to a dict of name to `reduce(output)` of every call of every unit.

    Args:
        model: `keras.Model`, run with `training=False`.
        units: Dict of name to operation, from `find`.
        reduce: Function of one output tensor, applied inside the graph so that whole feature maps need not be kept.

    Returns:
        Function of a batch of images. A unit that is called more than once appears as `name`, `name#2`, ...
    """

    @tf.function(reduce_retracing=True)
    def record(images):
        with _recording(units) as outputs:
            model(images, training=False)
        return {name: reduce(output) for name, output in outputs.items()}

    return record


def batches(images, batch_size):
    """Yield batches of float32 images from an array or from an iterable of batches (or of (images, ...) tuples)."""
    checks.number("batch_size", batch_size, low=1, integer=True)
    met = False
    for batch in _slices(images, batch_size) if hasattr(images, "shape") else images:
        met = True
        yield tf.cast(batch[0] if isinstance(batch, (tuple, list)) else batch, tf.float32)
    if not met:
        raise ValueError("images is empty: expected at least one image.")


def _slices(images, batch_size):
    return (images[start : start + batch_size] for start in range(0, len(images), batch_size))


def after_expansion(model, layer):
    """Return the ReLU that follows the 1x1 convolution `layer`, as a dict for `recorder`, and where it cuts.

    Args:
        model: Functional `keras.Model`.
        layer: A layer of `model`.

    Returns:
        Pair of a one-item dict of name to operation, and the upper cut of the ReLU or None.

    Raises:
        ValueError: If `layer` is not a 1x1 convolution that leads to a ReLU through at most one normalisation.
    """
    if not isinstance(layer, keras.layers.Conv2D) or tuple(layer.kernel_size) != (1, 1) or layer.groups != 1:
        raise ValueError(f"layer={layer.name!r} is not a 1x1 convolution: expected a Conv2D with kernel_size 1.")
    unit = layer
    if _function(layer) not in ("relu", "relu6"):
        unit = _successor(model, layer)
        if isinstance(unit, keras.layers.BatchNormalization):
            unit = _successor(model, unit)
    if isinstance(unit, keras.layers.ReLU) and not unit.negative_slope and not unit.threshold:
        return {unit.name: unit}, None if unit.max_value is None else float(unit.max_value)
    if unit is not None and _function(unit) in ("relu", "relu6"):
        return {unit.name: unit}, 6.0 if _function(unit) == "relu6" else None
    raise ValueError(
        f"layer={layer.name!r} does not lead to a ReLU: expected the convolution, at most one BatchNormalization, and "
        "ReLU or ReLU6, in a functional model."
    )


def _successor(model, layer):
    followers = [operation for operation in model.operations if getattr(operation, "input", None) is layer.output]
    return followers[0] if len(followers) == 1 else None


def _walk(layer, prefix):
    parts = layer.operations if hasattr(layer, "operations") else layer._flatten_layers(False, False)
    for part in parts:
        name = prefix + part.name
        if _is_unit(part):
            yield name, part
        elif isinstance(part, keras.layers.Layer):
            yield from _walk(part, name + "/")


def _is_unit(operation):
    if not isinstance(operation, keras.layers.Layer):
        return type(operation).__name__ in _OPERATIONS
    return isinstance(operation, _LAYERS) or _function(operation) in _FUNCTIONS


def _function(operation):
    return getattr(getattr(operation, "activation", None), "__name__", None)


@contextlib.contextmanager
def _recording(units):
    """While active, collect the output of every call of `units`, symbolic ones of a trace included."""
    outputs = {}

    def watch(name, call):
        def recorded(*args, **kwargs):
            output = call(*args, **kwargs)
            calls = sum(key.partition("#")[0] == name for key in outputs)
            outputs[f"{name}#{calls + 1}" if calls else name] = output
            return output

        return recorded

    # Set past Keras' attribute tracking: a hook is no part of the layer.
    for name, unit in units.items():
        unit.__dict__["call"] = watch(name, unit.call)
    try:
        yield outputs
    finally:
        for unit in units.values():
            del unit.__dict__["call"]
