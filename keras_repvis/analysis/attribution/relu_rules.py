"""One network, three ReLU reversals: what goes back through a rectifier y = max(x, 0) for a signal p from above.

    gradient    p [x > 0]              Simonyan, Vedaldi and Zisserman 2014
    deconvnet   p [p > 0]              Zeiler and Fergus 2014
    guided      p [x > 0] [p > 0]      Springenberg et al. 2015

All else, pooling switches and transposed convolutions, is the same. ReLU6 is a rectifier whose gate closes at x >= 6
too. For a leaky ReLU of slope a the guided rule is p [p > 0] times its derivative, 1 or a. Smooth activations, and the
hard sigmoid inside a hard swish, are no rectifiers: they keep their gradient under all three rules.

The rules are set on the operations of the graph that TensorFlow has traced, so nested, subclassed, shared and
mixed-precision models need nothing special, and no layer is changed.
"""

import tensorflow as tf

from keras_repvis.analysis.attribution import graph
from keras_repvis.analysis.unsupported import UnsupportedModelError

RULES = ("gradient", "deconvnet", "guided")
_RECTIFIERS = ("Relu", "Relu6", "LeakyRelu")


def apply(rule, start, end, name):
    """Let every rectifier between two tensors of a graph propagate back by `rule`, in `tf.gradients` after this.

    Args:
        rule: "gradient", "deconvnet" or "guided".
        start: Symbolic tensor, where propagation ends.
        end: Symbolic tensor, where it begins.
        name: Name of the model, for errors.

    Raises:
        UnsupportedModelError: If there are none, or some may hide in a function; not for "gradient".
    """
    if rule == "gradient":
        return
    between = graph.between(start, end)
    graph.check_nothing_hides(between, name)
    rectifiers = [op for op in between if op.type in _RECTIFIERS and not _is_hard_sigmoid(op)]
    if not rectifiers:
        raise UnsupportedModelError(
            f"model={name!r} has no rectifier (ReLU, ReLU6 or leaky ReLU) on the way back: this would be its gradient."
        )
    for operation in rectifiers:
        graph.set_rule(operation, f"Repvis{rule.capitalize()}{operation.type}")


@tf.RegisterGradient("RepvisDeconvnetRelu")
@tf.RegisterGradient("RepvisDeconvnetRelu6")
@tf.RegisterGradient("RepvisDeconvnetLeakyRelu")
def _deconvnet(operation, signal):
    return tf.nn.relu(signal)


@tf.RegisterGradient("RepvisGuidedRelu")
def _guided_relu(operation, signal):
    return tf.raw_ops.ReluGrad(gradients=tf.nn.relu(signal), features=operation.outputs[0])


@tf.RegisterGradient("RepvisGuidedRelu6")
def _guided_relu6(operation, signal):
    return tf.raw_ops.Relu6Grad(gradients=tf.nn.relu(signal), features=operation.outputs[0])


@tf.RegisterGradient("RepvisGuidedLeakyRelu")
def _guided_leaky_relu(operation, signal):
    slope = operation.get_attr("alpha")
    return tf.raw_ops.LeakyReluGrad(gradients=tf.nn.relu(signal), features=operation.inputs[0], alpha=slope)


def _is_hard_sigmoid(operation):
    """Return whether this is the ReLU6 in relu6(x + 3) / 6."""
    added = operation.inputs[0].op
    shifted = added.type in ("Add", "AddV2") and any(_is_constant(x, 3.0) for x in added.inputs)
    scalings = [op for op in operation.outputs[0].consumers() if op.type in ("RealDiv", "Mul")]
    scaled = any(_is_constant(x, 6.0) or _is_constant(x, 1 / 6) for op in scalings for x in op.inputs)
    return operation.type == "Relu6" and shifted and scaled


def _is_constant(tensor, value):
    found = tf.get_static_value(tensor)
    return found is not None and found.size == 1 and abs(float(found) - value) < 1e-2
