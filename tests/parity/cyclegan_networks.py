"""What both sides of the parity of the CycleGAN networks and layers are given: arguments, weights, inputs.

Everything is drawn from `numpy.random.RandomState`, whose streams are frozen, so that only the answers are stored.
"""

import dataclasses
import math
import zlib

import numpy as np


@dataclasses.dataclass(frozen=True)
class Network:
    """A network, named as the function of `keras_repvis.models` that makes it.

    Attributes:
        name: Of the function.
        shape: (height, width, channels) of the images.
        arguments: Of the function, but for `input_shape`.
    """

    name: str
    shape: tuple
    arguments: dict


@dataclasses.dataclass(frozen=True)
class Enlargement:
    """A transposed convolution: side of the kernel, stride."""

    kernel_size: int
    strides: int


NETWORKS = {
    "resnet": Network("ResNetGenerator", (32, 24, 3), {"filters": 8, "blocks": 2}),
    "resnet_batch": Network(
        "ResNetGenerator", (24, 32, 2), {"filters": 8, "blocks": 1, "norm": "batch", "output_channels": 3}
    ),
    "resnet_affine": Network("ResNetGenerator", (24, 24, 1), {"filters": 4, "blocks": 1, "norm": "instance_affine"}),
    "unet": Network("UNetGenerator", (32, 64, 3), {"filters": 4, "downsamplings": 5}),
    "unet_batch": Network(
        "UNetGenerator", (64, 64, 1), {"filters": 2, "downsamplings": 6, "norm": "batch", "output_channels": 2}
    ),
    "patch": Network("PatchDiscriminator", (47, 56, 3), {"filters": 8, "layers": 3}),
    "patch_batch": Network("PatchDiscriminator", (48, 48, 6), {"filters": 8, "layers": 2, "norm": "batch"}),
    "patch_shallow": Network("PatchDiscriminator", (16, 21, 3), {"filters": 8, "layers": 1}),
    "pixel": Network("PixelDiscriminator", (16, 15, 3), {"filters": 8}),
    "pixel_batch": Network("PixelDiscriminator", (16, 15, 3), {"filters": 8, "norm": "batch"}),
}
ENLARGEMENTS = tuple(Enlargement(*pair) for pair in ((3, 2), (4, 2), (2, 2), (5, 2), (5, 3), (7, 4), (3, 1)))
LAYER_SHAPE = (5, 7, 4)
FILTERS = 3


def images(name, shape, examples=2):
    """Return images in [0, 1], float32."""
    return _stream(name).uniform(size=(examples, *shape)).astype("float32")


def weights(name, shapes):
    """Return {array's name: array} for {array's name: shape}, the names and shapes of a PyTorch state dict.

    Kernels keep the size of what they are given, so that no layer's output is small against the rounding of another's.
    """
    stream, arrays = _stream(f"weights of {name}"), {}
    for key, shape in shapes.items():
        role = key.rpartition(".")[2]
        values = stream.normal(size=shape)
        if len(shape) == 4:
            values = values * math.sqrt(2 / (shape[1] * shape[2] * shape[3]))
        elif role in ("weight", "running_var"):
            values = np.exp(0.2 * values)
        else:
            values = 0.1 * values
        arrays[key] = values.astype("float32")
    return arrays


def kernel(enlargement):
    """Return {"weight", "bias"} of a transposed convolution in the layout of PyTorch (in, out, height, width)."""
    side = enlargement.kernel_size
    shapes = {"weight": (LAYER_SHAPE[-1], FILTERS, side, side), "bias": (FILTERS,)}
    return weights(f"enlargement {side} {enlargement.strides}", shapes)


def _stream(name):
    return np.random.RandomState(zlib.crc32(name.encode()))
