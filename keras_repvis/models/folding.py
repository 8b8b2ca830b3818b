"""Folds batch normalisation into the convolution before it, and checks that the outputs stay."""

import collections

import keras
import numpy as np

from keras_repvis import checks
from keras_repvis.models import graph, inlining

_LAST_AXIS_OUT = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D, keras.layers.Dense)
_DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
_SEPARABLE = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)
_TRANSPOSED = (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose)
# What a batch normalisation after it can be folded into.
LINEAR = _LAST_AXIS_OUT + _DEPTHWISE + _SEPARABLE + _TRANSPOSED

# Smaller outputs may be rounding errors of larger numbers; a relative difference would say nothing.
_SMALLEST_SCALE = 1e-3


def fold_batch_norm(model, tolerance=1e-5, sample=None, seed=0):
    """Return a copy of `model` for inference, with each batch normalisation folded into the layer before it.

    gamma (W x + b - mu) / s + beta = (gamma/s W) x + gamma/s (b - mu) + beta, with s = sqrt(var + epsilon).

    Folded are convolutions (plain, depthwise, separable, transposed) and dense layers without activation whose output
    goes to one batch normalisation over their channels and nowhere else. Nested models and blocks are written out
    first (`models.inline`). A layer that is called several times is folded if every call goes to the same batch
    normalisation. Every other normalisation stays, in particular one *before* a convolution. `model` is left as it was.

    The result is checked: both models are run on `sample`, and a difference above `tolerance` raises.

    Args:
        model: Functional `keras.Model`, or a sequential one with a known input shape.
        tolerance: Largest accepted difference between the outputs, relative to the largest output (or to 1e-3 if that
            is smaller), > 0. Take about 1e-2 for models in half precision.
        sample: Batch of inputs to check on. Default: two images of uniform noise in [0, 1], 64 pixels wide where the
            model leaves the size open.
        seed: Seed of that noise, integer.

    Returns:
        Functional `keras.Model` with fewer layers.

    Raises:
        ValueError: If `model` is not functional, or the outputs differ by more than `tolerance`.

    Example:
        >>> from keras_repvis import models
        >>> model = models.MobileNetV2((32, 32, 3), width_multiplier=0.35)
        >>> len(model.layers), len(models.fold_batch_norm(model).layers)
        (154, 102)

    Reference:
        Jacob et al. (2018), "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
        Inference", section 3.2.
    """
    checks.number("tolerance", tolerance, above=0)
    source = graph.functional(model)
    pairs = _foldable_pairs(source)
    changes = {id(layer): (_folded_config(layer), folded_weights(layer, norm, "float64")) for layer, norm in pairs}
    folded = inlining.copy(source, changes, skipped={id(norm) for _, norm in pairs})
    _check_same(source, folded, tolerance, _noise(source, seed) if sample is None else sample)
    return folded


def _foldable_pairs(model):
    """Return the pairs (layer, batch normalisation) of which the second can be folded into the first."""
    calls = collections.defaultdict(list)  # id of an operation: [(operation, args, kwargs, output)]
    producer = {}  # id of a tensor: operation
    uses = collections.Counter()  # id of a tensor: number of calls that take it
    alive = []  # an id is only unique as long as its tensor lives

    def record(operation, args, kwargs, owners):
        outputs = operation.compute_output_spec(*args, **kwargs)
        for tensor in keras.tree.flatten((args, kwargs)):
            uses[id(tensor)] += isinstance(tensor, keras.KerasTensor)
        for tensor in keras.tree.flatten(outputs):
            producer[id(tensor)] = operation
        alive.append((args, kwargs, outputs))
        calls[id(operation)].append((operation, args, kwargs, outputs))
        return outputs

    outputs = graph.walk(model, graph.symbolic_inputs(model), record)
    for tensor in keras.tree.flatten(outputs):
        uses[id(tensor)] += 1

    pairs = []
    for norm_calls in list(calls.values()):
        norm = norm_calls[0][0]
        if not (isinstance(norm, keras.layers.BatchNormalization) and all(map(_is_plain_inference, norm_calls))):
            continue
        sources = {id(producer.get(id(args[0]))): producer.get(id(args[0])) for _, args, _, _ in norm_calls}
        layer = next(iter(sources.values()))
        if (
            len(sources) == 1
            and is_foldable(layer, norm, len(norm_calls[0][1][0].shape))
            and len(calls[id(layer)]) == len(norm_calls)
            and all(uses[id(args[0])] == 1 for _, args, _, _ in norm_calls)
        ):
            pairs.append((layer, norm))
    return pairs


def _is_plain_inference(call):
    norm, args, kwargs, _ = call
    keras_call = type(norm).call.__module__.split(".")[0] == "keras"
    return keras_call and len(args) == 1 and not kwargs.get("training") and kwargs.get("mask") is None


def is_foldable(layer, norm, rank):
    """Return whether the batch normalisation `norm` can be folded into `layer`, whose outputs have `rank` axes."""
    if not (isinstance(layer, LINEAR) and type(layer).call.__module__.split(".")[0] == "keras"):
        return False
    channel_axis = 1 if getattr(layer, "data_format", None) == "channels_first" else rank - 1
    return (
        layer.activation is keras.activations.linear
        and getattr(layer, "quantization_mode", None) is None
        and norm.axis % rank == channel_axis
    )


def folded_weights(layer, norm, dtype):
    """Return the weights of `layer`, a bias included, with `norm` folded in: tensors, computed in `dtype`."""
    ops = keras.ops
    mean, variance = ops.cast(norm.moving_mean, dtype), ops.cast(norm.moving_variance, dtype)
    gain = ops.cast(norm.gamma, dtype) if norm.scale else 1.0
    scale = gain / ops.sqrt(variance + norm.epsilon)
    bias = -mean * scale + (ops.cast(norm.beta, dtype) if norm.center else 0.0)
    if layer.use_bias:
        bias += ops.cast(layer.bias, dtype) * scale
    if isinstance(layer, _SEPARABLE):
        return [ops.cast(layer.depthwise_kernel, dtype), ops.cast(layer.pointwise_kernel, dtype) * scale, bias]
    kernel = ops.cast(layer.kernel, dtype)
    if isinstance(layer, _DEPTHWISE):
        return [kernel * ops.reshape(scale, kernel.shape[-2:]), bias]
    if isinstance(layer, _TRANSPOSED):
        return [kernel * scale[:, None], bias]
    return [kernel * scale, bias]


def _folded_config(layer):
    config = {"use_bias": True}
    if "lora_rank" in layer.get_config():
        config["lora_rank"] = None  # `kernel` already holds the sum
    return config


def _numbers(weight):
    return keras.ops.convert_to_numpy(weight).astype("float64")


def _noise(model, seed):
    rng = np.random.default_rng(seed)

    def batch(tensor):
        shape = [2, *(size or 64 for size in tensor.shape[1:])]
        shape[0] = tensor.shape[0] or 2
        if "float" in tensor.dtype:
            return rng.random(shape).astype("float32")
        return rng.integers(0, 2, shape).astype(tensor.dtype)

    return keras.tree.map_structure(batch, model.input)


def _check_same(model, folded, tolerance, sample):
    before = keras.tree.flatten(model(sample, training=False))
    after = keras.tree.flatten(folded(sample, training=False))
    for expected, actual in zip(before, after):
        expected, actual = _numbers(expected), _numbers(actual)
        difference = np.max(np.abs(actual - expected)) / max(_SMALLEST_SCALE, np.max(np.abs(expected)))
        if not difference <= tolerance:
            raise ValueError(
                f"tolerance={tolerance} is exceeded: folding {model.name!r} changed an output by {difference:.3g}. "
                "Accept more if the model computes in half precision or its weights are huge."
            )
