"""Sends relevance from the outputs of a traced model back to a layer or the image, operation by operation.

Operations are taken in reverse order of execution. Each gets the relevance of its outputs, the sum of what its
consumers sent, and sends on the relevance of its inputs:

    linear, pooling  by the rule for it; a linear operation together with the scales and shifts folded into it
    sum              as a linear operation with weights 1 (-1 for what is subtracted)
    affine           unchanged; a shift that is not folded may take a share, see `Rules.shift`
    move             as a gradient: to where the numbers came from; a maximum sends all to the winner
    activation       unchanged
    gate             all to the signal, nothing to the gate

What depends on the image but not on the layer where propagation stops takes its part too; it is not seen there.
All of this is computed in float32, whatever the model computes in.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from keras_repvis.analysis.attribution import graph, relevance_folding, relevance_rules
from keras_repvis.analysis.attribution.relevance_operations import SAME, WEIGHTED, repeat, to_float32
from keras_repvis.analysis.unsupported import UnsupportedModelError


@dataclasses.dataclass(frozen=True)
class Rules:
    """How each kind of operation shares out relevance.

    Attributes:
        linear: Function (operation, whether it is the first with weights, `relevance_rules.Linear`, relevance of its
            outputs) that returns the relevance of its inputs.
        pooling: Function (operation, `Linear`, relevance), for averages and sums.
        sum: Function (operation, `Linear`, relevance), for additions; inputs (summands, ...).
        shift: Function (x, c, relevance) for y = x + c that follows no linear operation and does not belong to the
            preprocessing of the image; returns the relevance of x. None for unchanged.
        folding: Whether scales and shifts after a linear operation are folded into it.
        bias: Whether the rules are given biases.
    """

    linear: Callable
    pooling: Callable
    sum: Callable
    shift: Callable | None = None
    folding: bool = True
    bias: bool = True


def propagate(relevances, start, path, rules):
    """Return the relevance of `start`, float32 of its shape.

    Args:
        relevances: List of pairs (tensor, its relevance), from where propagation starts.
        start: Tensor where it stops.
        path: `relevance_path.Path` from the image to the tensors of `relevances`.
        rules: `Rules`.

    Raises:
        UnsupportedModelError: If an operation in between has no rule, or no relevance reaches `start`.
    """
    found, beneath = {}, graph.forward(start)
    folds, folded = path.folds() if rules.folding else ({}, set())
    step = _Step(path, rules, folds, folded)
    for tensor, relevance in relevances:
        _add(found, tensor, relevance)
    for operation in reversed(path.operations):
        keys = [output.ref() for output in operation.outputs]
        arrived = {index: found[key] for index, key in enumerate(keys) if key in found}
        if not arrived or operation not in beneath:
            continue
        for tensor, relevance in step.back(operation, arrived):
            if tensor.ref() == start.ref() or tensor.op in beneath:
                _add(found, tensor, relevance)
    if start.ref() not in found:
        raise UnsupportedModelError(f"model={path.name!r}: no relevance reaches {start.name} from the score.")
    return found[start.ref()]


def _add(found, tensor, relevance):
    key = tensor.ref()
    found[key] = found[key] + relevance if key in found else relevance


class _Step:
    """One step back through one operation."""

    def __init__(self, path, rules, folds, folded):
        self._path = path
        self._rules = rules
        self._folds = folds
        self._folded = folded

    def back(self, operation, arrived):
        """Return a list of pairs (tensor among the inputs, its relevance) from {index of an output: relevance}."""
        reading = self._path.read(operation)
        if reading.kind == "move":
            return _moved(operation, reading.signals, arrived)
        relevance = arrived[0]
        if reading.kind == "linear":
            return [(reading.signals[0], self._linear(operation, relevance))]
        if reading.kind == "pooling":
            return [(reading.signals[0], self._rules.pooling(operation, self._pooling(operation), relevance))]
        if reading.kind == "sum":
            return self._sum(operation, relevance)
        if reading.kind == "affine":
            relevance = self._affine(operation, relevance)
        (signal,) = reading.signals
        return [(signal, narrow(relevance, signal))]

    def _linear(self, operation, relevance):
        (data,) = self._path.read(operation).signals
        taken = [tensor.ref() == data.ref() for tensor in operation.inputs].index(True)
        (other,) = set(WEIGHTED[operation.type]) - {taken}
        fold, weights = self._folds.get(operation, relevance_folding.Fold()), to_float32(operation.inputs[other])

        def apply(inputs, weights):
            given = list(operation.inputs)
            given[taken], given[other] = inputs, weights
            return repeat(operation, given)[0]

        linear = relevance_rules.Linear(
            inputs=to_float32(data),
            weights=relevance_folding.scaled_weights(operation, weights, fold.scale, self._path),
            bias=fold.bias if self._rules.bias else None,
            apply=apply,
            nonnegative=self._path.nonnegative(data),
            bounds=lambda: self._path.bounds(data),
            presence=lambda: self._path.presence(data),
        )
        return self._rules.linear(operation, self._path.is_first(operation), linear, relevance)

    def _pooling(self, operation):
        def apply(inputs, weight):
            return repeat(operation, [inputs, *operation.inputs[1:]])[0] * weight

        data = operation.inputs[0]
        return relevance_rules.Linear(
            inputs=to_float32(data),
            weights=tf.constant(1.0),
            bias=None,
            apply=apply,
            nonnegative=self._path.nonnegative(data),
            presence=lambda: self._path.presence(data),
        )

    def _sum(self, operation, relevance):
        signs = [1.0, -1.0] if operation.type == "Sub" else [1.0] * len(operation.inputs)
        shape = tf.shape(operation.outputs[0])
        summands = [to_float32(tensor) for tensor in operation.inputs]
        contributions = tf.stack([sign * tf.broadcast_to(one, shape) for sign, one in zip(signs, summands)])
        linear = relevance_rules.Linear(
            inputs=contributions,
            weights=tf.constant(1.0),
            bias=None,
            apply=lambda inputs, weight: tf.reduce_sum(inputs, axis=0) * weight,
            nonnegative=operation.type != "Sub" and all(map(self._path.nonnegative, operation.inputs)),
        )
        shares = tf.unstack(self._rules.sum(operation, linear, relevance))
        return [
            (tensor, narrow(share, tensor))
            for tensor, share in zip(operation.inputs, shares)
            if self._path.depends(tensor)
        ]

    def _affine(self, operation, relevance):
        if self._rules.shift is None or operation in self._folded or self._path.is_preprocessing(operation):
            return relevance
        scale, shift = relevance_folding.affine(operation, self._path)
        if shift is None:
            return relevance
        (signal,) = self._path.read(operation).signals
        contribution = to_float32(signal) if scale is None else scale * to_float32(signal)
        return self._rules.shift(contribution, shift, relevance)


def narrow(relevance, tensor):
    """Return the relevance of a tensor from that of the tensor stretched to a larger shape: sums over the copies."""
    if relevance.shape.is_fully_defined() and relevance.shape == tensor.shape:
        return relevance
    if tensor.shape.rank == relevance.shape.rank and all(size != 1 for size in tensor.shape[1:]):
        # Only the batch may be unknown, and it is not stretched.
        return relevance
    small = tf.zeros_like(tensor, dtype="float32")
    return tf.gradients(tf.broadcast_to(small, tf.shape(relevance)), small, grad_ys=relevance)[0]


def _moved(operation, signals, arrived):
    if operation.type in SAME:
        return [(operation.inputs[index], relevance) for index, relevance in arrived.items()]
    carrying = {tensor.ref() for tensor in signals}
    again = [tf.identity(to_float32(one)) if one.ref() in carrying else one for one in operation.inputs]
    taken = [index for index, tensor in enumerate(operation.inputs) if tensor.ref() in carrying]
    outputs = repeat(operation, again)
    moved = tf.gradients(
        [outputs[index] for index in arrived], [again[index] for index in taken], grad_ys=list(arrived.values())
    )
    pairs = [(operation.inputs[index], relevance) for index, relevance in zip(taken, moved)]
    return [(tensor, tf.convert_to_tensor(relevance)) for tensor, relevance in pairs if relevance is not None]
