"""Phi itself: any layer of any Keras model as a map from images to codes.

Analyses take a `Representation` where they ask what a layer holds. A layer is named by its path: the names of the
models and layers around it and its own, joined by "/", or the last part of that where it is unique. A layer that is
called several times, because it is shared, has a code a call: "conv", "conv#2".
"""

import re

import keras
import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.analysis import recording
from keras_repvis.analysis.unsupported import UnsupportedModelError

_ACTIVATION_LAYERS = (
    keras.layers.Activation,
    keras.layers.ELU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ReLU,
)
# A path, and which call of its layer.
_NUMBERED = re.compile(r"(.*?)(?:#([0-9]+))?", re.DOTALL)
# Operations of functional models, by the name of their class: `keras.ops.relu(x)` and its like.
_ACTIVATION_OPERATIONS = frozenset(
    "Celu Elu Gelu Glu HardShrink HardSigmoid HardSilu HardTanh LeakyRelu LogSigmoid Relu Relu6 Selu Sigmoid Silu "
    "SoftShrink Softplus Softsign SparsePlus SquarePlus Swish Tanh TanhShrink Threshold".split()
)


class Representation:
    """The map Phi from a batch of images to the outputs of one or several layers.

    The model is called as it is, in inference mode, and its layers are listened to: nothing is copied, cut or changed,
    so nested, subclassed and shared parts, several inputs and outputs and mixed precision need nothing special.

    Args:
        model: Built `keras.Model`; or any function of a batch, a loaded SavedModel for instance, whose only code is its
            output.
        layer: What is the code, or a list of such, which makes the code a list:
            - path or name of a layer, "block_3/conv" or "conv";
            - integer, the place in the order of execution among the elementary layers; -1 is the last;
            - "spatial", the last output of an activation that still has more than one position;
            - "output", the outputs of the model;
            - None (default) for "spatial" of a Keras model and "output" of another.
        batch_size: Integer >= 1, examples at once; bounds the memory.

    Call arguments:
        inputs: Array (batch, ...), or the structure of arrays that the model takes; any batch size.

    Returns:
        The code as float32 array (batch, ...), or a list of codes.

    Raises:
        ValueError: If there is no such layer, or the name means several; the message lists what there is.
        UnsupportedModelError: If "spatial" finds no layer.

    Attributes:
        model: The model.
        batch_size: See Args.

    Example:
        >>> import numpy as np
        >>> from keras_repvis import analysis, models
        >>> model = models.MobileNetV1(input_shape=(64, 64, 3), classes=10, width_multiplier=0.25)
        >>> phi = analysis.Representation(model)
        >>> images = np.zeros((2, 64, 64, 3), "float32")
        >>> phi.paths(images), phi(images).shape
        (('block_13_pointwise_activation',), (2, 2, 2, 256))
        >>> [code.shape for code in analysis.Representation(model, ["stem_conv", "output"])(images)]
        [(2, 32, 32, 8), (2, 10)]
    """

    def __init__(self, model, layer=None, batch_size=64):
        checks.number("batch_size", batch_size, low=1, integer=True)
        is_model = isinstance(model, keras.Model)
        if not is_model and not callable(model):
            raise ValueError(f"model={model!r} is not accepted: expected a keras.Model or a function.")
        self.model = model
        self.batch_size = batch_size
        self._one = not isinstance(layer, (list, tuple))
        default = "spatial" if is_model else "output"
        self._layers = [default if one is None else one for one in ([layer] if self._one else layer)]
        if not self._layers:
            raise ValueError("layer=[] is not accepted: expected at least one layer.")
        for one in self._layers:
            if not isinstance(one, str) and (not isinstance(one, int) or isinstance(one, bool)):
                raise ValueError(f"layer={one!r} is not accepted: expected a name, a path or an integer.")
            if not is_model and one != "output":
                raise UnsupportedModelError(f"layer={one!r}: the layers of {type(model).__name__} cannot be seen.")
        self._compiled = tf.function(self._codes, autograph=False, reduce_retracing=True)
        self._paths = {}

    def __call__(self, inputs):
        count = _length(inputs)
        parts = []
        for start in range(0, count, self.batch_size):
            batch = tf.nest.map_structure(lambda array: tf.constant(array[start : start + self.batch_size]), inputs)
            parts.append([code.numpy() for code in self._compiled(batch)])
        codes = [np.concatenate(pieces) for pieces in zip(*parts)]
        return codes[0] if self._one else codes

    def trace(self, inputs):
        """Return (list of codes, outputs of the model) as tensors, in the types the model computes in.

        For use within a `tf.function` or under a `tf.GradientTape`: the outputs are computed from the codes, and both
        from the inputs, so that gradients flow between any two of them.
        """
        found, outputs = self._find(inputs)
        return [code for _, code in found], outputs

    def replace(self, inputs, change):
        """Return the outputs of the model with its one code replaced by `change(code)`, for use as `trace` is.

        Args:
            inputs: What the model takes.
            change: Function from the code, in the type the model computes in, to a tensor of the same shape.

        Returns:
            The outputs of the model, computed from the new code.

        Raises:
            ValueError: If this is a representation by several layers, or `change` returns another shape.
            UnsupportedModelError: If the code is the output of the model.
        """
        if not self._one:
            raise ValueError(f"layer={self._layers!r}: one layer is replaced at a time.")
        path = self.paths(inputs)[0]
        if self._layers == ["output"]:
            raise UnsupportedModelError("layer='output': nothing is computed from it that it could be replaced for.")

        def replaced(call):
            if call.path != path:
                return call.outputs
            code = _tensor(path, call.outputs)
            new = tf.cast(change(code), code.dtype)
            if not new.shape.is_compatible_with(code.shape):
                raise ValueError(f"change returns {new.shape} for the code {code.shape} of {path}: expected its shape.")
            return tf.nest.pack_sequence_as(call.outputs, [new])

        inputs = tf.nest.map_structure(tf.convert_to_tensor, inputs)
        return recording.record(self.model, inputs, change=replaced)[0]

    def paths(self, inputs):
        """Return the tuple of the paths of the layers that are the code of `inputs`."""
        key = tuple((tuple(array.shape[1:]), str(array.dtype)) for array in tf.nest.flatten(inputs))
        if key not in self._paths:
            one = tf.nest.map_structure(lambda array: array[:1], inputs)
            self._paths[key] = tuple(path for path, _ in self._find(one)[0])
        return self._paths[key]

    def _codes(self, inputs):
        return [tf.cast(code, "float32") for code in self.trace(inputs)[0]]

    def _find(self, inputs):
        """Return (list of (path, code), outputs)."""
        inputs = tf.nest.map_structure(tf.convert_to_tensor, inputs)
        if not isinstance(self.model, keras.Model):
            outputs = self.model(inputs)
            return [("output", _tensor("output", outputs))] * len(self._layers), outputs
        outputs, calls = recording.record(self.model, inputs)
        found = []
        for layer in self._layers:
            if layer == "output":
                found.append(("output", _tensor("output", outputs)))
            else:
                call = self._pick(layer, calls)
                found.append((call.path, _tensor(call.path, call.outputs)))
        return found, outputs

    def _pick(self, layer, calls):
        if layer == "spatial":
            return _last_spatial(self.model, calls)
        if isinstance(layer, int):
            leaves = [call for call in calls if call.leaf]
            if not -len(leaves) <= layer < len(leaves):
                raise ValueError(f"layer={layer} is not accepted: there are {len(leaves)} elementary layers.")
            return leaves[layer]
        return _named(layer, calls)


def _named(layer, calls):
    """Return the call of a path, "model/conv" or "model/conv#2", or of its last part where that is unique."""
    name, number = _NUMBERED.fullmatch(layer).groups()
    places = [(call, *_NUMBERED.fullmatch(call.path).groups(default="1")) for call in calls]
    places = [place for place in places if number in (None, place[2])]
    matching = [place for place in places if place[1] == name]
    matching = matching or [place for place in places if place[1].endswith(f"/{name}")]
    if not matching:
        checks.one_of("layer", layer, [*(call.path for call in calls), "spatial", "output"])
    if len(matching) > 1:
        accepted = ", ".join(f"{path}#{count}" for _, path, count in matching)
        raise ValueError(f"layer={layer!r} means several calls. Accepted: {accepted}.")
    return matching[0][0]


def _last_spatial(model, calls):
    for call in reversed(calls):
        if call.leaf and _is_activation(call.operation) and _is_spatial(call.outputs):
            return call
    seen = [call.path for call in calls if call.leaf and _is_spatial(call.outputs)]
    raise UnsupportedModelError(
        f"layer='spatial': no layer of {model.name} that is known to be an activation has an output (batch, height, "
        f"width, channels) with more than one position. Name one: {', '.join(seen[-20:]) or 'none is spatial'}."
    )


def _is_activation(operation):
    if isinstance(operation, _ACTIVATION_LAYERS):
        return getattr(operation, "activation", None) is not keras.activations.linear
    if isinstance(operation, keras.Layer):
        activation = getattr(operation, "activation", None)
        return activation is not None and activation is not keras.activations.linear
    return type(operation).__name__ in _ACTIVATION_OPERATIONS


def _is_spatial(outputs):
    if not tf.is_tensor(outputs) or outputs.shape.rank != 4:
        return False
    height, width = outputs.shape[1:3]
    return None in (height, width) or height * width > 1


def _tensor(path, outputs):
    """Return the one tensor in `outputs`."""
    tensors = tf.nest.flatten(outputs)
    if len(tensors) != 1:
        raise UnsupportedModelError(f"layer={path!r} puts out {len(tensors)} tensors: expected one.")
    if not (tensors[0].dtype.is_floating or tensors[0].dtype.is_integer):
        raise UnsupportedModelError(f"layer={path!r} puts out {tensors[0].dtype.name}: expected numbers.")
    return tensors[0]


def _length(inputs):
    lengths = {len(array) for array in tf.nest.flatten(inputs)}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(f"inputs of {sorted(lengths)} examples are not accepted: expected one number of them, not 0.")
    return lengths.pop()
