"""Calls a model with each batch normalisation computed within the layer before it, from the weights as they are now.

With y = W x + b and its normalisation gamma (y - mu) / s + beta, s = sqrt(var + epsilon), what the normalisation
returns is computed from x at once,

    (gamma/s W) x + gamma/s (b - mu) + beta,

the same numbers but for rounding, and their derivatives with respect to x too. A convolution is followed by one
addition that way, which TensorFlow computes with it in one pass over memory, and the rectifier after it too.

No copy of the model is made: while it is called, the output of a normalisation is exchanged. So models of every kind
are folded, nested and subclassed ones too, and training them further changes what is computed, as for a plain call.
"""

import keras
import tensorflow as tf

from keras_repvis.analysis import recording
from keras_repvis.models import folding


def call(model, inputs):
    """Return model(inputs, training=False), folded where that is possible; while a `tf.function` is traced.

    Folded are convolutions and dense layers of Keras, without activation, in float32, whose output goes to a batch
    normalisation of Keras. If it goes elsewhere too, it is computed for that in addition.

    Args:
        model: Built `keras.Model`.
        inputs: What it takes, tensors.

    Returns:
        What it returns.
    """
    linear = {}  # id of an output: call. They live as long as the graph, so an id is unique.

    def note(call):
        # The identity returns what another layer has put out.
        if call.leaf and len(call.arguments) == 1 and tf.is_tensor(call.outputs):
            linear.setdefault(id(call.outputs), call)
        return call.outputs

    def fold(call):
        source = linear.get(id(call.arguments[0])) if call.arguments else None
        if source is not None and _folds(source, call):
            return _fold(source.operation, call.operation, source.arguments[0])
        return None

    return recording.record(model, inputs, change=note, instead=fold)[0]


def _folds(source, call):
    """Return whether a call is of a batch normalisation in inference that can be folded into the call `source`."""
    layer, norm = source.operation, call.operation
    return (
        isinstance(norm, keras.layers.BatchNormalization)
        and all(_is_plain(one) for one in (layer, norm))
        and len(call.arguments) == 1
        and not call.options.get("training")
        and call.options.get("mask") is None
        and folding.is_foldable(layer, norm, source.outputs.shape.rank)
        and norm.axis % source.outputs.shape.rank == source.outputs.shape.rank - 1
    )


def _is_plain(layer):
    """Return whether a layer is Keras' own, not of a class derived from it, in float32, and its weights are its own."""
    policy = layer.dtype_policy
    in_float32 = policy.compute_dtype == policy.variable_dtype == "float32"
    return in_float32 and type(layer).__module__.split(".")[0] == "keras" and not getattr(layer, "lora_enabled", False)


def _fold(layer, norm, inputs):
    *kernels, bias = folding.folded_weights(layer, norm, "float32")
    separable = hasattr(layer, "pointwise_kernel")
    variables = [layer.depthwise_kernel, layer.pointwise_kernel] if separable else [layer.kernel]
    if layer.use_bias:
        variables.append(layer.bias)
        kernels.append(bias)
    with keras.StatelessScope(state_mapping=list(zip(variables, kernels))):
        outputs = layer.call(inputs)
    return outputs if layer.use_bias else tf.nn.bias_add(outputs, bias)
