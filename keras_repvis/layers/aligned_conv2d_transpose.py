"""Transposed convolution whose output lies on the input's grid, refined by a whole factor."""

import keras

from keras_repvis import checks
from keras_repvis.layers.block import Block, fresh_initializer
from keras_repvis.layers.cropping import Cropping


@keras.saving.register_keras_serializable("keras_repvis")
class AlignedConv2DTranspose(Block):
    """Transpose a convolution that was padded by the same number of zeros on both sides.

    y = crop(W^T x): each pixel of x adds its multiple of the kernel at every `strides`-th pixel of the output, and of
    the k - s pixels by which that is larger than s times the input, ceil((k - s) / 2) are cut off at the start and the
    others at the end. Kernel 3, stride 2 is the transpose of a 3 x 3 convolution of stride 2 between one zero on each
    side (in PyTorch's words padding 1, output padding 1), kernel 4 likewise (padding 1). The "same" padding of Keras
    cuts at the end first: with kernel 3 its output is shifted by a pixel, and weights of other packages do not fit.

    The kernel should be a multiple of the stride, or neighbouring pixels get contributions of different number, which
    shows as a checkerboard (`ResizeConvolution` avoids it).

    Args:
        filters: Number of output channels, >= 1.
        kernel_size: Side k of the kernel in pixels, >= `strides`.
        strides: Factor s of the enlargement, >= 1.
        use_bias: Whether a learned number is added to each channel.
        kernel_initializer: Initialiser of the kernel: name, config or instance.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        `(batch, strides * height, strides * width, filters)`.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import numpy as np
        >>> from keras_repvis.layers import AlignedConv2DTranspose
        >>> layer = AlignedConv2DTranspose(1, 3, kernel_initializer="ones")
        >>> layer(np.array([1.0, 10.0], "float32").reshape(1, 1, 2, 1))[0, 0, :, 0].numpy().tolist()
        [1.0, 11.0, 10.0, 10.0]

    Reference:
        Dumoulin, Visin (2016), "A guide to convolution arithmetic for deep learning", relationship 14.
    """

    def __init__(
        self, filters, kernel_size, strides=2, use_bias=True, kernel_initializer="glorot_uniform", **kwargs
    ):
        super().__init__(**kwargs)
        self.filters = checks.number("filters", filters, low=1, integer=True)
        self.strides = checks.number("strides", strides, low=1, integer=True)
        self.kernel_size = checks.number("kernel_size", kernel_size, low=self.strides, integer=True)
        self.use_bias = checks.one_of("use_bias", use_bias, (True, False))
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def make_branch(self, channels):
        excess = self.kernel_size - self.strides
        # With an even excess "same" cuts alike at both ends, as is wanted here; else it cuts more at the end.
        padding = "valid" if excess % 2 else "same"
        convolution = self.sublayer(
            "conv",
            keras.layers.Conv2DTranspose,
            self.filters,
            self.kernel_size,
            strides=self.strides,
            padding=padding,
            use_bias=self.use_bias,
            kernel_initializer=fresh_initializer(self.kernel_initializer),
        )
        if padding == "same":
            return [convolution]
        cut = (excess - excess // 2, excess // 2)
        return [convolution, self.sublayer("crop", Cropping, (cut, cut))]

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
