"""Small networks on which maps of attribution methods are compared with those of other packages.

Each network is a table of records. `keras_model` builds it in Keras; `torch_networks.py` builds the same table for the
peers. Weights and inputs come from `numpy.random.RandomState`, whose streams never change, so that a table and its seed
are the whole recipe. Batch norms have statistics and weights of their own, as if trained.
"""

import dataclasses

import numpy as np

IMAGE_SHAPE = (16, 16, 3)
CLASSES = 5
EPSILON = 1e-3  # of every batch norm


@dataclasses.dataclass(frozen=True)
class Record:
    """One layer.

    Args:
        kind: "conv", "depthwise", "norm", "relu", "relu6", "maximum", "average" (pooling by 2), "add", "mean" (over
            all positions), "dense", or "model" (a model as a layer).
        name: Name of the layer, and of its output.
        filters: Channels of what comes out of "conv" and "dense".
        kernel: Side of the kernel, pixels.
        strides: Pixels.
        bias: Whether "conv", "depthwise" and "dense" add one.
        source: Names of the layers it takes; empty for the record before. "image" is what the network takes.
        records: Those of a "model".
    """

    kind: str
    name: str
    filters: int = 0
    kernel: int = 1
    strides: int = 1
    bias: bool = True
    source: tuple = ()
    records: tuple = ()


@dataclasses.dataclass(frozen=True)
class Network:
    """A table, the seed of its weights, and layers at which methods stop.

    The seeds are chosen so that no unit comes closer than 1e-4 to a kink, of a rectifier or a maximum, on the images:
    the rounding of float32 then sends no signal another way.

    Args:
        name: Name of the network.
        seed: Of its weights.
        records: Its layers.
        layer: Name of the last activation with positions.
        contrast: Name of the layer at which contrastive excitation backpropagation subtracts.
        early: Name of an activation near the image.
    """

    name: str
    seed: int
    records: tuple
    layer: str
    contrast: str
    early: str = "one_out"


def conv(name, filters, kernel=3, strides=1, bias=True, source=()):
    return Record("conv", name, filters, kernel, strides, bias, source)


def normed(name, filters, kernel=3, strides=1, activation="relu", bias=False, source=()):
    """The records of a convolution, its batch norm, and an activation named `name`_out unless that is None."""
    kind = "conv" if filters else "depthwise"
    records = (Record(kind, name, filters, kernel, strides, bias, source), Record("norm", f"{name}_norm"))
    return records if activation is None else (*records, Record(activation, f"{name}_out"))


def plain(bias):
    return (
        conv("one", 6, bias=bias),
        Record("relu", "one_out"),
        conv("two", 8, bias=bias),
        Record("relu", "two_out"),
        Record("maximum", "two_pool"),
        conv("three", 10, bias=bias),
        Record("relu", "three_out"),
        Record("average", "three_pool"),
        conv("four", 12, bias=bias),
        Record("relu", "four_out"),
        Record("mean", "mean"),
        Record("dense", "hidden", 9, bias=bias),
        Record("relu", "hidden_out"),
        Record("dense", "logits", CLASSES, bias=bias),
    )


def inverted(name, expansion, filters, strides, source):
    """An inverted residual of MobileNetV2, without its sum."""
    return (
        *normed(f"{name}_expand", expansion, 1, activation="relu6", source=(source,)),
        *normed(f"{name}_depth", 0, 3, strides, activation="relu6"),
        *normed(f"{name}_project", filters, 1, activation=None),
    )


def basic(name, filters, source, strides=1):
    """A basic block of a residual network; one of another size has a convolution on its shortcut."""
    shortcut = source
    first = normed(f"{name}_a", filters, 3, strides, source=(source,))
    records = (*first, *normed(f"{name}_b", filters, activation=None))
    if strides != 1:
        shortcut = f"{name}_short_norm"
        records += normed(f"{name}_short", filters, 1, strides, activation=None, source=(source,))
    return (*records, Record("add", f"{name}_sum", source=(f"{name}_b_norm", shortcut)), Record("relu", f"{name}_out"))


def head(*records):
    return (*records, Record("mean", "mean"), Record("dense", "logits", CLASSES))


NETWORKS = {
    network.name: network
    for network in (
        Network("plain", 42, plain(True), "four_out", "hidden_out"),
        Network("plain_without_bias", 16, plain(False), "four_out", "hidden_out"),
        Network("norm", 18, head(
            *normed("one", 6),
            *normed("two", 8, bias=True),
            Record("maximum", "two_pool"),
            *normed("three", 10, strides=2),
            *normed("four", 12),
        ), "four_out", "mean"),
        Network("mobile", 1, head(
            *normed("stem", 6, strides=2, activation="relu6"),
            *normed("zero_depth", 0, activation="relu6"),
            *normed("zero_project", 4, 1, activation=None),
            *inverted("one", 12, 4, 1, "zero_project_norm"),
            Record("add", "one_sum", source=("one_project_norm", "zero_project_norm")),
            *inverted("two", 12, 6, 2, "one_sum"),
            *normed("last", 16, 1, activation="relu6"),
        ), "last_out", "mean", "stem_out"),
        Network("residual", 5, head(
            *normed("stem", 6),
            *basic("one", 6, "stem_out"),
            *basic("two", 6, "one_out"),
            *basic("three", 8, "two_out", strides=2),
        ), "three_out", "mean"),
        Network("nested", 9, head(
            conv("one", 6),
            Record("relu", "one_out"),
            Record("model", "inner", records=(
                *normed("two", 8),
                Record("maximum", "two_pool"),
                Record("model", "core", records=normed("three", 8)),
            )),
            conv("four", 10),
            Record("relu", "four_out"),
        ), "four_out", "mean"),
    )
}


def leaves(records, channels=IMAGE_SHAPE[-1]):
    """Yield (record, channels that come in) for every layer, those of models in models too, in order."""
    found = {"image": channels}
    for record in records:
        incoming = found[record.source[0]] if record.source else channels
        channels = incoming
        if record.kind == "model":
            for leaf, size in leaves(record.records, incoming):
                yield leaf, size
                channels = leaf.filters or channels
        else:
            yield record, incoming
        channels = found[record.name] = record.filters or channels


def weights(network):
    """Return {name of a layer: its arrays, float32, in the order and the layout of Keras}."""
    random = np.random.RandomState(network.seed)
    found = {}
    for record, channels in leaves(network.records):
        bias = [random.normal(0, 0.2, record.filters or channels)] if record.bias else []
        if record.kind in ("conv", "dense", "depthwise"):
            side = (record.kernel, record.kernel) if record.kind != "dense" else ()
            shape = (*side, channels, 1 if record.kind == "depthwise" else record.filters)
            seen = np.prod(shape[:2] if record.kind == "depthwise" else shape[:-1])
            arrays = [random.normal(0, np.sqrt(2 / seen), shape), *bias]
        elif record.kind == "norm":
            # Larger gammas let some units of the network with ReLU6 pass 6.
            highest = 2.2 if network.name == "mobile" else 1.5
            arrays = [random.uniform(0.5, highest, channels), random.normal(0, 0.2, channels),
                      random.normal(0, 0.3, channels), random.uniform(0.5, 1.5, channels)]
            if network.name == "norm":
                # A gamma below zero turns the signs of the weights before it.
                arrays[0] *= np.where(random.uniform(size=channels) < 0.3, -1, 1)
        else:
            continue
        found[record.name] = [array.astype("float32") for array in arrays]
    return found


def inputs():
    """Return what every network is given, all exactly representable: see README.md."""
    random = np.random.RandomState(0)
    coarse = random.randint(0, 128, (3, 4, 4, 3)).repeat(4, axis=1).repeat(4, axis=2)
    images = (coarse + random.randint(0, 128, (3, *IMAGE_SHAPE))) / 256
    noise = np.round(np.clip(random.normal(size=(6, *IMAGE_SHAPE)), -3, 3) * 64) / 64
    cells = random.randint(0, 2, (20, 6, 6)).repeat(4, axis=1).repeat(4, axis=2)
    shifts = random.randint(0, 5, (20, 2))
    masks = np.stack([cell[y : y + 16, x : x + 16] for cell, (y, x) in zip(cells, shifts)])
    masks = 0.75 * masks + random.randint(0, 17, masks.shape) / 64
    examples = (random.randint(0, 192, (40, 1, 1, 3)) + random.randint(0, 64, (40, *IMAGE_SHAPE))) / 256
    cells = (random.permutation(128).reshape(2, 8, 8) + 64) / 256
    arrays = {"images": images, "noise": noise, "masks": masks, "examples": examples, "cells": cells}
    return {name: array.astype("float32") for name, array in arrays.items()}


def keras_model(network):
    """Return the functional `keras.Model` of a table, with its weights."""
    import keras

    model = _functional(keras, network.records, IMAGE_SHAPE, network.name)
    for name, arrays in weights(network).items():
        _find(model, name).set_weights(arrays)
    return model


def _functional(keras, records, shape, name):
    image = keras.Input(shape)
    found, last = {"image": image}, image
    for record in records:
        sources = [found[one] for one in record.source] or [last]
        layer = _layer(keras, record, sources[0].shape[1:])
        last = found[record.name] = layer(sources if len(sources) > 1 else sources[0])
    return keras.Model(image, last, name=name)


def _layer(keras, record, shape):
    layers = keras.layers
    spatial = {"kernel_size": record.kernel, "strides": record.strides, "padding": "same", "use_bias": record.bias}
    make = {
        "conv": lambda name: layers.Conv2D(record.filters, **spatial, name=name),
        "depthwise": lambda name: layers.DepthwiseConv2D(**spatial, name=name),
        "norm": lambda name: layers.BatchNormalization(epsilon=EPSILON, name=name),
        "relu": lambda name: layers.ReLU(name=name),
        "relu6": lambda name: layers.ReLU(6.0, name=name),
        "maximum": lambda name: layers.MaxPooling2D(2, name=name),
        "average": lambda name: layers.AveragePooling2D(2, name=name),
        "add": lambda name: layers.Add(name=name),
        "mean": lambda name: layers.GlobalAveragePooling2D(name=name),
        "dense": lambda name: layers.Dense(record.filters, use_bias=record.bias, name=name),
        "model": lambda name: _functional(keras, record.records, shape, name),
    }
    return make[record.kind](record.name)


def _find(model, name):
    for layer in model.layers:
        if layer.name == name:
            return layer
        found = _find(layer, name) if hasattr(layer, "layers") else None
        if found is not None:
            return found
    return None
