"""Parameters and multiply-adds of a model, counted by one walk over its graph."""

import dataclasses
import math

import keras

from keras_repvis.layers.instance_normalization import InstanceNormalization
from keras_repvis.layers.layer_scale import LayerScale
from keras_repvis.models import graph

_CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
_DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
_SEPARABLE = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)
_TRANSPOSED = (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose)
_UNCOUNTED = (
    keras.layers.BatchNormalization,
    keras.layers.Embedding,
    keras.layers.GroupNormalization,
    keras.layers.LayerNormalization,
    keras.layers.Normalization,
    keras.layers.PReLU,
    InstanceNormalization,
    LayerScale,
)
_OWN = (InstanceNormalization, LayerScale)  # Layers of this package that compute what is known here.
_CONTRACTIONS = frozenset(
    "Attention AdditiveAttention Conv ConvTranspose DepthwiseConv Dot DotProductAttention Einsum Inner Matmul "
    "SeparableConv Tensordot Vdot".split()
)


@dataclasses.dataclass(frozen=True)
class Row:
    """One call of one layer.

    Attributes:
        name: Name of the layer, after those of the models that contain it, joined by "/".
        kind: Class of the layer.
        output_shape: Shape of its output without the batch, or None if it has several outputs.
        parameters: Number of its weights; 0 from the second call of a shared layer on.
        multiply_adds: Multiply-adds of this call for one example.
    """

    name: str
    kind: str
    output_shape: tuple | None
    parameters: int
    multiply_adds: int


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a model costs.

    Attributes:
        total: Number of weights, moving statistics included.
        trainable: Number of trainable weights.
        multiply_adds: Multiply-adds for one example.
        rows: Tuple of `Row`, one for each call of a layer, in the order of execution.
    """

    total: int
    trainable: int
    multiply_adds: int
    rows: tuple


def cost(model, input_shape=None):
    """Count the weights and multiply-adds of a functional model, at any input size.

    Counted are the multiply-adds of convolutions (plain, grouped, dilated, depthwise, separable, transposed) and dense
    layers: positions x kernel area x input channels of a group x filters. Normalisations, activations, pooling,
    additions and gates are not counted, as is usual for the MobileNets, nor is what a layer without weights computes
    in a `call` of its own. Nested models and blocks are entered.

    Args:
        model: Functional `keras.Model`, or a sequential one with a known input shape.
        input_shape: Shape of one example, for instance `(height, width, channels)`; a list of them, in the order of
            `model.inputs`, for several inputs. None takes the model's own, which must be static then.

    Returns:
        `Cost`.

    Raises:
        ValueError: If the model is not functional, the input shape does not fit or is not complete, or a layer has
            weights or contracts tensors in a way that this function does not know: it never counts 0 for those. Such
            a layer may say it itself in a method `multiply_adds(input_shape, output_shape)`, shapes with the batch.

    Example:
        >>> from keras_repvis import models
        >>> cost = models.cost(models.MobileNetV1(), input_shape=(224, 224, 3))
        >>> cost.total, cost.trainable, cost.multiply_adds
        (4253864, 4231976, 568740352)
    """
    rows, counted = [], set()
    inputs = _sized_inputs(graph.functional(model), input_shape)

    def count(operation, args, kwargs, owners):
        _check_fit(operation, args)
        outputs = operation.compute_output_spec(*args, **kwargs)
        weights = getattr(operation, "weights", []) if id(operation) not in counted else []
        counted.add(id(operation))
        shapes = [tuple(tensor.shape) for tensor in keras.tree.flatten(outputs)]
        rows.append(
            Row(
                name="/".join((*owners, operation.name)),
                kind=type(operation).__name__,
                output_shape=shapes[0][1:] if len(shapes) == 1 else None,
                parameters=_size(weights),
                multiply_adds=_multiply_adds(operation, args, shapes),
            )
        )
        return outputs

    graph.walk(model, inputs, count)
    return Cost(
        total=_size(model.weights),
        trainable=_size(model.trainable_weights),
        multiply_adds=sum(row.multiply_adds for row in rows),
        rows=tuple(rows),
    )


def _multiply_adds(operation, args, output_shapes):
    own = getattr(operation, "multiply_adds", None)
    if callable(own):
        return int(own(tuple(args[0].shape), output_shapes[0]))
    if type(operation).__name__ in _CONTRACTIONS:
        raise _unknown(operation, "contracts tensors")
    if not getattr(operation, "weights", []):
        return 0
    if not isinstance(operation, _OWN) and type(operation).call.__module__.split(".")[0] != "keras":
        raise _unknown(operation, "has weights and a call of its own")
    if isinstance(operation, _UNCOUNTED):
        return 0
    if isinstance(operation, keras.layers.Dense):
        return _product(operation, output_shapes[0][1:]) * _product(operation, args[0].shape[-1:])
    return _convolution(operation, tuple(args[0].shape), output_shapes[0])


def _convolution(layer, input_shape, output_shape):
    kinds = _CONVOLUTIONS + _DEPTHWISE + _SEPARABLE + _TRANSPOSED
    if not isinstance(layer, kinds):
        raise _unknown(layer, "has weights")
    first = layer.data_format == "channels_first"
    channels = _product(layer, (input_shape[1 if first else -1],))
    across = input_shape if isinstance(layer, _TRANSPOSED) else output_shape
    positions = _product(layer, across[2:] if first else across[1:-1]) * math.prod(layer.kernel_size)
    if isinstance(layer, _DEPTHWISE):
        return positions * channels * layer.depth_multiplier
    if isinstance(layer, _SEPARABLE):
        wide = channels * layer.depth_multiplier
        return positions * wide + positions // math.prod(layer.kernel_size) * wide * layer.filters
    return positions * (channels // getattr(layer, "groups", 1)) * layer.filters


def _product(layer, sizes):
    if any(size is None for size in sizes):
        raise ValueError(
            f"input_shape=None is not accepted: the cost of {layer.name!r} depends on it; give the shape of one "
            "example."
        )
    return math.prod(sizes)


def _size(weights):
    return sum(math.prod(weight.shape) for weight in weights)


def _sized_inputs(model, input_shape):
    if input_shape is None:
        return graph.symbolic_inputs(model)
    several = _is_shape(input_shape) and len(input_shape) > 0 and all(map(_is_shape, input_shape))
    shapes = list(input_shape) if several else [input_shape]
    fits = len(shapes) == len(model.inputs) and all(
        _is_shape(shape) and len(shape) == len(own.shape) - 1 for shape, own in zip(shapes, model.inputs)
    )
    if not fits:
        raise ValueError(
            f"input_shape={input_shape!r} is not accepted: expected the shape of one example, without the batch, for "
            f"each of the model's inputs, which are {[tuple(own.shape[1:]) for own in model.inputs]}."
        )
    sized = [
        keras.KerasTensor((own.shape[0], *shape), dtype=own.dtype) for shape, own in zip(shapes, model.inputs)
    ]
    return keras.tree.pack_sequence_as(model.input, sized)


def _is_shape(value):
    return isinstance(value, (tuple, list))


def _check_fit(operation, args):
    """Raise if a layer's weights were made for other sizes, as those of a dense layer after a `Flatten` are."""
    for spec in keras.tree.flatten(getattr(operation, "input_spec", None)):
        for axis, size in (getattr(spec, "axes", None) or {}).items():
            given = args[0].shape[axis] if args and hasattr(args[0], "shape") else None
            if given is not None and size is not None and given != size:
                raise ValueError(
                    f"input_shape is not accepted: at {operation.name!r} it leads to size {given} where the layer's "
                    f"weights need {size}."
                )


def _unknown(operation, why):
    return ValueError(
        f"model is not accepted: {operation.name!r} ({type(operation).__name__}) {why}, and its multiply-adds are not "
        "known here. Give its class a method multiply_adds(input_shape, output_shape)."
    )
