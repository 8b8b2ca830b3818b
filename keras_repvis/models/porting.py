"""Copies weights between two definitions of one network, for instance from keras.applications."""

import keras

from keras_repvis.models import graph


def port_weights(source, target):
    """Copy all weights of `source` into `target`, another definition of the same network.

    Layers with weights are paired in the order of execution, and each pair is checked: same kind, same shapes, same
    epsilon of batch normalisations. A 1 x 1 convolution of pooled features and a dense layer are of one kind. Nothing
    is copied if any pair does not fit. Inputs are not converted: keras.applications takes [-1, 1] for MobileNetV1 and
    V2 and [0, 255] for V3, the models of this package always [0, 1].

    Args:
        source: Functional `keras.Model`, for instance `keras.applications.MobileNetV2(classifier_activation=None)`.
        target: Functional `keras.Model` that gets the weights.

    Returns:
        `target`.

    Raises:
        ValueError: If the two are not the same network.

    Example:
        >>> import keras
        >>> from keras_repvis import models
        >>> source = keras.applications.MobileNet((32, 32, 3), alpha=0.25, weights=None, classes=10)
        >>> target = models.MobileNetV1((32, 32, 3), width_multiplier=0.25, classes=10)
        >>> models.port_weights(source, target).count_params() == source.count_params()
        True
    """
    sources, targets = _weighted_layers(source), _weighted_layers(target)
    if len(sources) != len(targets):
        raise ValueError(
            f"target={target.name!r} is not accepted: it has {len(targets)} layers with weights where source="
            f"{source.name!r} has {len(sources)}."
        )
    ported = [(layer, _ported(origin, layer)) for origin, layer in zip(sources, targets)]
    for layer, weights in ported:
        layer.set_weights(weights)
    return target


def _weighted_layers(model):
    """Return the elementary layers with weights in the order of their first execution."""
    layers = {}

    def record(operation, args, kwargs, owners):
        if getattr(operation, "weights", []):
            layers.setdefault(id(operation), operation)
        return operation.compute_output_spec(*args, **kwargs)

    source = graph.functional(model)
    graph.walk(source, graph.symbolic_inputs(source), record)
    return list(layers.values())


def _ported(origin, layer):
    shapes = [_without_ones(weight.shape) for weight in origin.weights]
    wanted = [_without_ones(weight.shape) for weight in layer.weights]
    if _kind(origin) != _kind(layer) or shapes != wanted:
        raise ValueError(
            f"target is not accepted: its layer {layer.name!r} ({type(layer).__name__}, weights {wanted}) comes where "
            f"source has {origin.name!r} ({type(origin).__name__}, weights {shapes})."
        )
    if _kind(origin) == "norm" and origin.epsilon != layer.epsilon:
        raise ValueError(
            f"target is not accepted: {layer.name!r} has epsilon {layer.epsilon} where source has {origin.epsilon}."
        )
    return [weight.reshape(own.shape) for weight, own in zip(origin.get_weights(), layer.weights)]


def _kind(layer):
    if isinstance(layer, keras.layers.BatchNormalization):
        return "norm"
    if isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense)):
        return "mix"
    return type(layer).__name__


def _without_ones(shape):
    """Drop the leading 1 x 1 of the kernel of a pointwise convolution."""
    return tuple(shape[2:]) if len(shape) == 4 and tuple(shape[:2]) == (1, 1) else tuple(shape)
