"""Folds into a linear operation what scales and shifts its channels right after it, on the graph.

Batch normalisation in inference, biases, layer scales: a chain of affine operations, each per channel (the last axis),
that follow a linear operation directly and feed nothing else. With s the product of the scales and b what the chain
makes of zero,

    z = s L(a, w) + b = L(a, w') + b,   w' = s w

so relevance passes the chain unchanged and the linear operation is taken with w' and b. The chain of the unfolded
network, `models.fold_batch_norm` of it, and any mixture of them then give the same relevance.
"""

import dataclasses

import tensorflow as tf

from keras_repvis.analysis.attribution.relevance_operations import SAME, to_float32

# They keep the last axis if it keeps its size: numbers stay in row-major order, or only positions move (dilations).
_KEEPING = SAME | frozenset("BatchToSpaceND ExpandDims Reshape Squeeze".split())


@dataclasses.dataclass
class Fold:
    """What follows a linear operation: z = scale L(a, w) + bias, both per channel or a single number; None for none."""

    scale: object = None
    bias: object = None


def fold(operation, path):
    """Return (the `Fold` of a linear operation, the list of affine operations that are in it).

    Args:
        operation: Linear operation with weights.
        path: `relevance_path.Path` that it is on.
    """
    found, chain = Fold(), []
    tensor = operation.outputs[0]
    while True:
        following = path.following(tensor)
        if len(following) != 1 or path.is_kept(tensor):
            return found, chain
        (after,) = following
        if after.type in _KEEPING and _last(after.outputs[0]) == _last(tensor) is not None:
            tensor = after.outputs[0]
            continue
        if path.read(after).kind != "affine":
            return found, chain
        scale, shift = affine(after, path)
        channels = _last(tensor)
        if not all(part is None or _per_channel(part, channels) for part in (scale, shift)):
            return found, chain
        if scale is not None and scale.shape.num_elements() != 1 and _channel_axis(operation, path) is None:
            return found, chain
        found = Fold(*_compose(found, _as_vector(scale), _as_vector(shift)))
        chain.append(after)
        tensor = after.outputs[0]


def affine(operation, path):
    """Return (scale, shift), float32 tensors or None for none, of an affine operation y = scale x + shift."""
    (signal,) = path.read(operation).signals
    others = [tensor for tensor in operation.inputs if tensor.ref() != signal.ref()]
    constant = to_float32(others[0]) if others else None
    first = operation.inputs[0].ref() == signal.ref()
    if operation.type == "Neg":
        return tf.constant(-1.0), None
    if operation.type == "Mul":
        return constant, None
    if operation.type in ("Div", "RealDiv"):
        return 1 / constant, None
    if operation.type == "Sub":
        return (None, -constant) if first else (tf.constant(-1.0), constant)
    if operation.type == "BiasAdd" and operation.get_attr("data_format") == b"NCHW":
        return None, tf.reshape(constant, [-1] + [1] * (operation.outputs[0].shape.rank - 2))
    return None, constant


def scaled_weights(operation, weights, scale, path):
    """Return w' = s w for weights as a linear operation takes them, and s per output channel."""
    if scale is None or scale.shape.rank == 0:
        return weights if scale is None else weights * scale
    if operation.type == "DepthwiseConv2dNative":
        return weights * tf.reshape(scale, tf.shape(weights)[2:])
    after = weights.shape.rank - 1 - _channel_axis(operation, path)
    return weights * tf.reshape(scale, [-1] + [1] * after)


def _compose(found, scale, shift):
    """Return (scale, bias) of `found` followed by one more affine operation."""
    total, bias = found.scale, found.bias
    if scale is not None:
        total = scale if total is None else total * scale
        bias = None if bias is None else bias * scale
    if shift is not None:
        bias = shift if bias is None else bias + shift
    return total, bias


def _channel_axis(operation, path):
    """Return which axis of the weights is the last one of the outputs, or None if none is."""
    kind, last = operation.type, operation.inputs[1].shape.rank - 1
    if kind in ("Conv2D", "Conv2DBackpropInput", "DepthwiseConv2dNative"):
        is_last = operation.get_attr("data_format") == b"NHWC"
        return (2 if kind == "Conv2DBackpropInput" else last) if is_last else None
    if path.read(operation).signals[0].ref() != operation.inputs[0].ref():
        return None
    if kind == "Einsum":
        terms, result = operation.get_attr("equation").decode().replace(" ", "").split("->")
        label = terms.split(",")[1].find(result[-1:])
        return label if result and label >= 0 and "." not in terms.split(",")[1] else None
    return last - 1 if operation.get_attr("transpose_b" if kind == "MatMul" else "adj_y") else last


def _per_channel(constant, channels):
    shape = constant.shape
    if shape.num_elements() == 1:
        return True
    return shape.rank is not None and channels is not None and shape.as_list() == [1] * (shape.rank - 1) + [channels]


def _as_vector(constant):
    if constant is None:
        return None
    return tf.reshape(constant, [] if constant.shape.num_elements() == 1 else [-1])


def _last(tensor):
    return tensor.shape[-1] if tensor.shape.rank else None

