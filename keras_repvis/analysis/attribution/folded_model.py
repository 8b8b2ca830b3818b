"""Calls a model with each batch normalisation computed within the layer before it, from the weights as they are now.

With y = W x + b and its normalisation gamma (y - mu) / s + beta, s = sqrt(var + epsilon), what the normalisation
returns is computed from x at once,

    (gamma/s W) x + gamma/s (b - mu) + beta,

the same numbers but for rounding, and their derivatives with respect to x too. A convolution is followed by one
addition that way, which TensorFlow computes with it in one pass over memory, and the rectifier after it too.

No copy of the model is made: while it is called, a normalisation computes something else. So models of every kind are
folded, nested and subclassed ones too, and training them further changes what is computed, as for a plain call.
"""

import dataclasses

import keras
import tensorflow as tf

from keras_repvis.analysis import recording
from keras_repvis.models import folding


def call(model, inputs):
    """Return model(inputs, training=False), folded where that is possible; while a `tf.function` is traced.

    Folded are convolutions and dense layers of Keras itself, in float32, without activation, groups or adapters, whose
    output goes to a batch normalisation of Keras over the last axis. If it goes elsewhere too, it is computed for that
    in addition.

    Args:
        model: Built `keras.Model`.
        inputs: What it takes, tensors.

    Returns:
        What it returns.
    """
    begun, sources = {}, {}  # By the id of a call, and of its outputs; recording keeps both alive.
    graph = tf.compat.v1.get_default_graph()

    def begin(call):
        # In a graph within, maybe of the user's, all stays as it is.
        if tf.compat.v1.get_default_graph() is not graph:
            return None
        if _is_linear(call):
            begun[id(call)] = _Source(call.operation, call.arguments[0])
        source = sources.get(id(call.arguments[0])) if _is_inference(call) else None
        return source and source.fold(call.operation)

    def end(call):
        if id(call) in begun:
            sources[id(call.outputs)] = begun[id(call)]
        return call.outputs

    return recording.record(model, inputs, change=end, instead=begin)[0]


def _is_linear(call):
    """Return whether a call is of a layer that a normalisation may be folded into."""
    layer = call.operation
    if not isinstance(layer, folding.LINEAR) or not _is_plain(layer) or len(call.arguments) != 1:
        return False
    in_groups = getattr(layer, "groups", 1) > 1  # Keras hides them in a function of its own.
    adapted = getattr(layer, "lora_enabled", False) or not all(
        isinstance(kernel, keras.Variable) for kernel in _kernels(layer)
    )
    return not in_groups and not adapted and call.arguments[0].dtype == "float32"


def _is_inference(call):
    """Return whether a call is of a batch normalisation that takes its moving statistics."""
    norm = call.operation
    if not isinstance(norm, keras.layers.BatchNormalization) or not _is_plain(norm):
        return False
    return len(call.arguments) == 1 and not call.options.get("training")


def _is_plain(layer):
    """Return whether a layer is Keras' own, not of a class derived from it nor changed, and computes in float32."""
    in_float32 = layer.compute_dtype == layer.variable_dtype == "float32"
    return in_float32 and type(layer).__module__.split(".")[0] == "keras" and "call" not in vars(layer)


def _kernels(layer):
    return [layer.depthwise_kernel, layer.pointwise_kernel] if hasattr(layer, "pointwise_kernel") else [layer.kernel]


@dataclasses.dataclass
class _Source:
    """A layer, what it is called with, and its weights at that time: a wrapper may exchange them for the call."""

    layer: object
    inputs: tf.Tensor

    def __post_init__(self):
        self.weights = [(weight, tf.convert_to_tensor(weight)) for weight in self.layer.weights]

    def fold(self, norm):
        """Return what `norm` returns for what the layer returned, computed from the inputs; None if it cannot be."""
        rank = self.inputs.shape.rank
        if not folding.is_foldable(self.layer, norm, rank) or norm.axis % rank != rank - 1:
            return None
        with keras.StatelessScope(state_mapping=self.weights, initialize_variables=False):
            *folded, bias = folding.folded_weights(self.layer, norm, "float32")
        variables = _kernels(self.layer)
        if self.layer.use_bias:
            variables, folded = [*variables, self.layer.bias], [*folded, bias]
        with keras.StatelessScope(state_mapping=list(zip(variables, folded)), initialize_variables=False):
            outputs = self.layer.call(self.inputs)
        return outputs if self.layer.use_bias else tf.nn.bias_add(outputs, bias)
