"""Names of the networks and how to build one by name; reading the names does not import TensorFlow."""

import functools
import importlib
import inspect

from keras_repvis import checks

# name: (module, constructor, arguments fixed by the name)
_CONSTRUCTORS = {
    "mobilenet_v1": ("mobilenet.v1", "MobileNetV1", {}),
    "mobilenet_v2": ("mobilenet.v2", "MobileNetV2", {}),
    "mobilenet_v3_large": ("mobilenet.v3", "MobileNetV3Large", {}),
    "mobilenet_v3_large_minimalistic": ("mobilenet.v3", "MobileNetV3Large", {"minimalistic": True}),
    "mobilenet_v3_small": ("mobilenet.v3", "MobileNetV3Small", {}),
    "mobilenet_v3_small_minimalistic": ("mobilenet.v3", "MobileNetV3Small", {"minimalistic": True}),
    "mobilenet_v4_conv_large": ("mobilenet.v4", "MobileNetV4ConvLarge", {}),
    "mobilenet_v4_conv_medium": ("mobilenet.v4", "MobileNetV4ConvMedium", {}),
    "mobilenet_v4_conv_small": ("mobilenet.v4", "MobileNetV4ConvSmall", {}),
}


def names():
    """Return the names that `build` accepts, in alphabetical order.

    Returns:
        Tuple of strings.

    Example:
        >>> from keras_repvis import models
        >>> "mobilenet_v2" in models.names()
        True
    """
    return tuple(sorted(_CONSTRUCTORS))


def build(name, **kwargs):
    """Build the network called `name`.

    Args:
        name: One of `names()`.
        **kwargs: Arguments of its constructor, for instance `input_shape`, `width_multiplier`, `classes`.

    Returns:
        `keras.Model`, functional, with new weights and `name` as its name.

    Raises:
        ValueError: If the name or an argument is not known (the message suggests the nearest), or an argument's value
            is out of range.

    Example:
        >>> from keras_repvis import models
        >>> models.build("mobilenet_v2", input_shape=(32, 32, 1), classes=10, width_multiplier=0.35).output_shape
        (None, 10)
    """
    checks.one_of("model", name, names())
    module, constructor, fixed = _CONSTRUCTORS[name]
    function = getattr(importlib.import_module(f"keras_repvis.models.{module}"), constructor)
    accepted = [argument for argument in inspect.signature(function).parameters if argument not in {"name", *fixed}]
    for argument in kwargs:
        checks.one_of("argument", argument, accepted)
    return functools.partial(function, name=name, **fixed)(**kwargs)
