"""Where relevance starts: how much of the score f comes from each output of the model.

f must be a linear function of the outputs, f = sum_k m_k y_k: one of them, a mask over them, a difference of two. A
softmax is none; relevance starts at logits.
"""

import tensorflow as tf

from keras_repvis.analysis.unsupported import UnsupportedModelError

# Linear in all of their floating-point inputs together.
_LINEAR = frozenset(
    "AddN AddV2 Add Cast ConcatV2 ExpandDims GatherNd GatherV2 Identity Mean Neg Pack Reshape Slice Split SplitV "
    "Squeeze StridedSlice Sub Sum Transpose Unpack".split()
)
_SUMS = frozenset("Add AddN AddV2 Sub".split())


def slopes(score, outputs, name):
    """Return the list of pairs (output y of the model, m = df/dy as float32) of the outputs that f is made of.

    Args:
        score: f, a symbolic tensor (batch,).
        outputs: What the model puts out, a tensor or a structure of them.
        name: Name of the model, for errors.

    Raises:
        UnsupportedModelError: If f is not a linear function of the outputs, or an output is a softmax or sigmoid.
    """
    _check_logits(outputs, name)
    floating = {one.ref(): one for one in tf.nest.flatten(outputs) if tf.is_tensor(one) and one.dtype.is_floating}
    _check_linear(score, set(floating), name)
    tensors = list(floating.values())
    # Some outputs may be made of others.
    found = tf.gradients(score, tensors, stop_gradients=tensors)
    return [
        (tensor, tf.cast(tf.convert_to_tensor(slope), "float32"))
        for tensor, slope in zip(tensors, found)
        if slope is not None
    ]


def _check_logits(outputs, name):
    for output in filter(tf.is_tensor, tf.nest.flatten(outputs)):
        operation = output.op
        while operation.type in ("Cast", "Identity"):
            operation = operation.inputs[0].op
        if operation.type in ("LogSoftmax", "Sigmoid", "Softmax"):
            raise UnsupportedModelError(
                f"model={name!r} ends in {operation.name} ({operation.type}). Relevance starts at logits: give the "
                "model without it, set the activation of the last layer to 'linear', or leave the last layer out by "
                "keras.Model(model.input, logits)."
            )


def _check_linear(score, outputs, name):
    known = {}

    def depends(tensor):
        key = tensor.ref()
        if key not in known:
            known[key] = key in outputs or any(map(depends, tensor.op.inputs))
        return known[key]

    waiting = [score]
    while waiting:
        tensor = waiting.pop()
        if tensor.ref() in outputs:
            continue
        operation = tensor.op
        floating = [one for one in operation.inputs if one.dtype.is_floating]
        carrying = [one for one in floating if depends(one)]
        linear = operation.type in _LINEAR and (operation.type not in _SUMS or len(carrying) == len(floating))
        factors = operation.type == "Mul" and len(carrying) == 1
        ratio = operation.type == "RealDiv" and not depends(operation.inputs[1])
        if not carrying or not (linear or factors or ratio):
            raise UnsupportedModelError(
                f"model={name!r}: the score is not a linear function of the outputs, because of {operation.name} "
                f"({operation.type}). Relevance starts at logits: use score='output', and a class, a mask or a linear "
                "function of the logits as targets."
            )
        waiting += carrying
