"""Which sizes of images a model from images to images takes: fixed ones, or multiples of something."""

import dataclasses
import math

import keras
import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.layers.admissible_size import AdmissibleSize

_MULTIPLES = tuple(2**power for power in range(10))
# Sides that are tried: some networks pad by reflection deep inside, and fail on smaller ones.
_SIDES = (16, 64, 256)


@dataclasses.dataclass(frozen=True)
class AdmissibleSizes:
    """The sizes a model takes and returns unchanged.

    Attributes:
        height: The one height in pixels, or None if the model takes others.
        width: The one width likewise.
        multiple: Other sides are multiples of this.
        smallest: No other side is smaller than this; smaller ones may work where the model does not say.
        channels: Number of channels of the input, or None if free.

    Example:
        >>> from keras_repvis import zoo
        >>> zoo.AdmissibleSizes(None, None, multiple=4, smallest=8).at_least(30, 5)
        (32, 8)
    """

    height: int | None = None
    width: int | None = None
    multiple: int = 1
    smallest: int = 1
    channels: int | None = None

    def at_least(self, height, width):
        """Return the smallest size (height, width) that covers an image; None for a side that is too large."""
        return tuple(self._side(fixed, side) for fixed, side in ((self.height, height), (self.width, width)))

    def _side(self, fixed, side):
        if fixed is not None:
            return fixed if side <= fixed else None
        return -(-max(side, self.smallest) // self.multiple) * self.multiple


def find_sizes(model, multiple=None):
    """Find out which sizes a model takes.

    Free sides are read from a layer `AdmissibleSize` in the model. Without one the model is tried: on black images of
    few pixels whose sides are multiples of 1, 2, 4, ..., one of them an odd multiple, until the answer has the size of
    the image.

    Args:
        model: Built `keras.Model` with one input, float images `(batch, height, width, channels)`; or a `SavedFunction`
            of such.
        multiple: Multiple to take for granted, or None.

    Returns:
        `AdmissibleSizes`.

    Raises:
        ValueError: If the model does not take images, or answers with images of the same size for none that was tried.

    Example:
        >>> from keras_repvis import models, zoo
        >>> found = zoo.find_sizes(models.ResNetGenerator((None, None, 3), blocks=1, filters=4))
        >>> found.multiple, found.channels
        (4, 3)
    """
    shape, dtype = image_spec(model)
    height, width, channels = shape[1:]
    fixed = {"height": height, "width": width, "channels": channels}
    if multiple is not None:
        return AdmissibleSizes(multiple=checks.number("multiple", multiple, low=1, integer=True), **fixed)
    if height is not None and width is not None:
        return AdmissibleSizes(**fixed)
    guards = [layer for layer in _layers(model) if isinstance(layer, AdmissibleSize)]
    if guards:
        multiple = math.lcm(*(layer.multiple for layer in guards))
        return AdmissibleSizes(multiple=multiple, smallest=max(layer.minimum for layer in guards), **fixed)
    return dataclasses.replace(_try(model, shape, dtype), channels=channels)


def image_spec(model):
    """Return (shape, name of the type) of the images that a model takes.

    Raises:
        ValueError: If it does not take one batch of float images.
    """
    if isinstance(model, keras.Model):
        tensors = list(getattr(model, "inputs", None) or [])
        described = [tuple(tensor.shape) for tensor in tensors]
    else:
        spec = getattr(model, "spec", None)
        if not callable(model) or spec is None:
            raise ValueError(f"model={model!r} is not accepted: expected a keras.Model or a zoo.SavedFunction.")
        tensors, described = [spec], [tuple(spec.shape)]
    types = [keras.backend.standardize_dtype(tensor.dtype) for tensor in tensors]
    if len(tensors) != 1 or len(described[0]) != 4 or "float" not in types[0]:
        takes = ", ".join(f"{one} of {kind}" for one, kind in zip(described, types)) or "nothing known"
        raise ValueError(
            f"model={model.name!r} takes {takes}: expected one batch of float images (batch, height, width, channels)."
        )
    return described[0], types[0]


def _try(model, shape, dtype):
    """Return the sizes for which black images come back in their size."""
    failures = []
    for multiple in _MULTIPLES:
        for side in _SIDES:
            first = -(-side // multiple) * multiple
            # One side at least is an odd multiple, which a network that needs twice the multiple does not take.
            odd = first + multiple * (first // multiple % 2 == 0)
            size = (first, first + multiple) if shape[1:3] == (None, None) else (shape[1] or odd, shape[2] or odd)
            failure, is_too_small = _failure(model, size, shape[3], dtype)
            if failure is None:
                return AdmissibleSizes(shape[1], shape[2], multiple, _smallest(model, multiple, first, shape, dtype))
            failures.append(failure)
            if not is_too_small:
                break
    raise ValueError(
        f"model={model.name!r} gives no image back in its size, whatever multiple of 1 to {_MULTIPLES[-1]} the sides "
        f"are: {failures[0]}; {failures[-1]}. Where it takes multiples of another number, say which: multiple=."
    )


def _smallest(model, multiple, most, shape, dtype):
    side = multiple
    while side < most and _failure(model, (shape[1] or side, shape[2] or side), shape[3], dtype)[0] is not None:
        side *= 2
    return min(side, most)


def _failure(model, size, channels, dtype):
    """Return (why an image of this size does not come back in it, or None; whether a larger one may)."""
    image = np.zeros((1, *size, channels or 3), dtype)
    try:
        answer = model(image, training=False) if isinstance(model, keras.Model) else model(image)
    except (ValueError, TypeError, tf.errors.OpError) as error:
        return str(error).splitlines()[0], True
    answer = tf.nest.flatten(answer)[0]
    if len(answer.shape) == 4 and tuple(answer.shape[1:3]) == size:
        return None, False
    return f"{size[0]} x {size[1]} pixels become {tuple(answer.shape)}", False


def _layers(model):
    for layer in getattr(model, "layers", ()):
        yield layer
        yield from _layers(layer)
