"""What the generators and discriminators share: how a record becomes layers, their initialisers, their two ends."""

import dataclasses
import inspect
import numbers
import textwrap

import keras

from keras_repvis import checks
from keras_repvis.layers.admissible_size import AdmissibleSize
from keras_repvis.layers.aligned_conv2d_transpose import AlignedConv2DTranspose
from keras_repvis.layers.instance_normalization import InstanceNormalization
from keras_repvis.layers.reflection_padding import ReflectionPadding
from keras_repvis.layers.resize_convolution import ResizeConvolution

# norm: whether a convolution before it has a bias
NORMS = {"instance": True, "instance_affine": False, "batch": False, "none": True}
UPSAMPLINGS = ("transposed", "resize")
EPSILON = 1e-5
SPREAD = 0.02  # Standard deviation of all weights at the start, and of the gains of norms around 1.

SHARED_ARGUMENTS = """\
filters: Width of the first convolution, >= 1; the others are multiples of it.
norm: "instance" (no learned gain and offset; the convolutions before it keep their bias, which it makes useless, as in
    the authors' PyTorch code), "instance_affine" (with gain and offset, convolutions before it without bias: the
    authors' Torch code, behind the published numbers), "batch" (likewise) or "none".
name: Name of the model; None makes one up."""


@dataclasses.dataclass(frozen=True)
class Convolution:
    """Row of a table: convolution, norm, activation.

    Attributes:
        filters: In units of the network's first width.
        kernel_size: Side of the kernel in pixels.
        strides: Step of the convolution, or factor of the enlargement of a transposed one.
        padding: "zeros", one row on each side; "reflection", as many pixels as keep the size; or "none".
        normalised: Whether a norm follows.
        bias: Whether it has a bias: True, or "norm" if that is up to the kind of norm, as where a norm follows.
        activation: "relu", "leaky_relu" or None.
    """

    filters: int
    kernel_size: int
    strides: int = 1
    padding: str = "zeros"
    normalised: bool = True
    bias: bool | str = "norm"
    activation: str | None = "relu"


def constructor(function):
    """Complete the docstring of a public constructor with the arguments that all constructors share."""
    arguments = textwrap.indent(SHARED_ARGUMENTS, "    ")
    function.__doc__ = inspect.cleandoc(function.__doc__).replace("    {shared_arguments}", arguments)
    return function


class Network:
    """Makes the layers of one network.

    Args:
        filters: Width of the first convolution.
        norm: One of `NORMS`.
        upsampling: One of `UPSAMPLINGS`.
    """

    def __init__(self, filters, norm, upsampling="transposed"):
        self.filters = checks.number("filters", filters, low=1, integer=True)
        self.norm = checks.one_of("norm", norm, NORMS)
        self.upsampling = checks.one_of("upsampling", upsampling, UPSAMPLINGS)

    def convolve(self, inputs, record, name):
        """Apply padding, convolution, norm and activation of a record."""
        outputs = pad(inputs, record, name)
        convolution = keras.layers.Conv2D(
            record.filters * self.filters,
            record.kernel_size,
            strides=record.strides,
            use_bias=self._has_bias(record),
            kernel_initializer=weights(),
            name=f"{name}_conv",
        )
        return self._finish(convolution(outputs), record, name)

    def enlarge(self, inputs, record, name):
        """Apply the enlarging convolution, norm and activation of a record."""
        options = {"use_bias": self._has_bias(record), "kernel_initializer": weights(), "name": name}
        filters = record.filters * self.filters
        if self.upsampling == "resize":
            block = ResizeConvolution(filters, 3, record.strides, **options)
        else:
            block = AlignedConv2DTranspose(filters, record.kernel_size, record.strides, **options)
        return self._finish(block.inline(inputs), record, name)

    def normalise(self, inputs, name):
        """Apply the network's norm."""
        if self.norm == "none":
            return inputs
        if self.norm == "batch":
            options = {"momentum": 0.9, "gamma_initializer": gains()}
            return keras.layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_norm", **options)(inputs)
        affine = self.norm == "instance_affine"
        options = {"affine": True, "gamma_initializer": gains()} if affine else {}
        return InstanceNormalization(epsilon=EPSILON, name=f"{name}_norm", **options)(inputs)

    def last_convolution(self, inputs, channels, record):
        """Return the channels of an image, or scores: a convolution in full precision."""
        options = {"use_bias": self._has_bias(record), "kernel_initializer": weights(), "dtype": _full()}
        convolution = keras.layers.Conv2D(channels, record.kernel_size, name="last_conv", **options)
        return convolution(pad(inputs, record, "last"))

    def last_enlargement(self, inputs, channels, record):
        """Return the channels of an image of twice the size: a transposed convolution in full precision."""
        options = {"use_bias": self._has_bias(record), "kernel_initializer": weights(), "dtype": _full()}
        block = AlignedConv2DTranspose(channels, record.kernel_size, record.strides, name="last", **options)
        return block.inline(inputs)

    def _finish(self, outputs, record, name):
        if record.normalised:
            outputs = self.normalise(outputs, name)
        return activate(outputs, record.activation, name)

    def _has_bias(self, record):
        return NORMS[self.norm] if record.bias == "norm" else record.bias


def weights():
    """Return a new initialiser of kernels: one instance would give equal numbers to kernels of equal shape."""
    return keras.initializers.RandomNormal(0.0, SPREAD)


def gains():
    """Return a new initialiser of the gains of norms."""
    return keras.initializers.RandomNormal(1.0, SPREAD)


def pad(inputs, record, name):
    """Apply the padding of a record. Zeros are on both sides, where "same" would leave the first side out."""
    if record.padding == "zeros":
        return keras.layers.ZeroPadding2D(1, name=f"{name}_pad")(inputs)
    if record.padding == "reflection":
        return ReflectionPadding(record.kernel_size // 2, name=f"{name}_pad")(inputs)
    return inputs


def activate(inputs, activation, name):
    """Apply an activation by a layer of its own, which other tools know by class."""
    if activation == "relu":
        return keras.layers.ReLU(name=f"{name}_relu")(inputs)
    if activation == "leaky_relu":
        return keras.layers.LeakyReLU(0.2, name=f"{name}_relu")(inputs)
    return inputs


def image_input(input_shape, multiple, minimum):
    """Return (symbolic image, the same in [-1, 1]) after checking its shape."""
    check_input_shape(input_shape)
    guard = AdmissibleSize(multiple, minimum, dtype=_full(), name="size")
    guard.compute_output_shape((None, *input_shape))  # Keras would put more words around the error.
    image = keras.Input(input_shape, name="image")
    # In float32 also under mixed precision: half precision would round an image near white to its grey levels.
    return image, keras.layers.Rescaling(2.0, offset=-1.0, dtype=_full(), name="rescale")(guard(image))


def image_output(inputs):
    """Return the tanh of the last convolution as an image in [0, 1]."""
    outputs = keras.layers.Activation("tanh", dtype=_full(), name="tanh")(inputs)
    return keras.layers.Rescaling(0.5, offset=0.5, dtype=_full(), name="unit_range")(outputs)


def unique_name(name, kind):
    """Return `name`, or one that no model of this process had before: two generators often meet in one graph."""
    return name or f"{kind}_{keras.backend.get_uid(kind)}"


def check_input_shape(input_shape):
    """Raise unless `input_shape` is (height, width, channels)."""
    fits = (
        isinstance(input_shape, (tuple, list))
        and len(input_shape) == 3
        and all(size is None or _is_positive_integer(size) for size in input_shape[:2])
        and _is_positive_integer(input_shape[2])
    )
    if not fits:
        raise ValueError(
            f"input_shape={input_shape!r} is not accepted: expected (height, width, channels), each an integer >= 1; "
            "height and width may be None."
        )


def output_channels(channels, input_shape):
    """Return the number of channels of a generated image: as asked for, or as the input's."""
    if channels is None:
        return input_shape[-1]
    return checks.number("output_channels", channels, low=1, integer=True)


def rate(argument, value):
    """Return `value` if it is a rate in [0, 1), else raise."""
    checks.number(argument, value, low=0)
    if value >= 1:
        raise ValueError(f"{argument}={value!r} is not accepted: expected a rate < 1.")
    return value


def _full():
    return keras.config.dtype_policy().variable_dtype


def _is_positive_integer(size):
    return isinstance(size, numbers.Integral) and not isinstance(size, bool) and size >= 1
