"""The operations between two tensors of a graph that TensorFlow traced, and what each propagates back.

Rules of propagation are set on operations, not on layers: nested, subclassed, shared and mixed-precision models need
nothing special, and the user's model is not touched, as the graph belongs to the method that traced it.
"""

import tensorflow as tf

from keras_repvis.analysis.unsupported import UnsupportedModelError

# They call functions with operations of their own, which cannot be seen from here.
_HIDING = frozenset(
    "Case For If PartitionedCall RemoteCall StatefulPartitionedCall StatelessCase StatelessIf StatelessWhile "
    "SymbolicGradient While XlaLaunch".split()
)


def between(start, end):
    """Return the set of operations that depend on the tensor `start` and that the tensor `end` depends on."""
    return forward(start) & backward(end)


def check_nothing_hides(operations, name):
    """Raise an `UnsupportedModelError` if one of `operations` of the model `name` calls a function of its own."""
    hiding = sorted(operation.name for operation in operations if operation.type in _HIDING)
    if hiding:
        raise UnsupportedModelError(
            f"model={name!r} computes {hiding[0]} in a function of its own (a tf.function, a loop or a loaded "
            "SavedModel), where its operations cannot be seen."
        )


def set_rule(operation, rule):
    """Let `tf.gradients` propagate back through an operation by the function registered for the name `rule`."""
    operation._set_attr("_gradient_op_type", tf.compat.v1.AttrValue(s=rule.encode()))


def forward(tensor):
    """Return the set of operations that depend on `tensor`."""
    found, waiting = set(), list(tensor.consumers())
    while waiting:
        operation = waiting.pop()
        if operation not in found:
            found.add(operation)
            waiting += [consumer for output in operation.outputs for consumer in output.consumers()]
    return found


def backward(tensor):
    """Return the set of operations that `tensor` depends on."""
    found, waiting = set(), [tensor.op]
    while waiting:
        operation = waiting.pop()
        if operation not in found:
            found.add(operation)
            waiting += [source.op for source in operation.inputs]
    return found
