"""Enlarging without checkerboards: resize, then convolve."""

import keras

from keras_repvis import checks
from keras_repvis.layers.block import Block, fresh_initializer
from keras_repvis.layers.reflection_padding import ReflectionPadding


@keras.saving.register_keras_serializable("keras_repvis")
class ResizeConvolution(Block):
    """Enlarge by an integer factor, then convolve at the larger size.

    y = W * reflect(resize(x)), by nearest neighbours. Each output pixel gets as many contributions as any other, so
    that a constant image stays constant; a transposed convolution whose kernel is no multiple of its stride lays a
    checkerboard over it.

    Args:
        filters: Number of output channels, >= 1.
        kernel_size: Side of the kernel in pixels, odd, >= 1.
        factor: Factor of the enlargement, >= 2.
        use_bias: Whether a learned number is added to each channel.
        kernel_initializer: Initialiser of the kernel: name, config or instance.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        `(batch, factor * height, factor * width, filters)`.

    Raises:
        ValueError: If an argument is out of range, or the enlarged image has no room for the padding.

    Example:
        >>> import numpy as np
        >>> from keras_repvis.layers import ResizeConvolution
        >>> layer = ResizeConvolution(1, kernel_initializer="ones")
        >>> layer(np.ones((1, 2, 2, 1), "float32"))[0, 0, :, 0].numpy().tolist()
        [9.0, 9.0, 9.0, 9.0]

    Reference:
        Odena, Dumoulin, Olah (2016), "Deconvolution and Checkerboard Artifacts", section "Better upsampling".
    """

    def __init__(
        self,
        filters,
        kernel_size=3,
        factor=2,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = checks.number("filters", filters, low=1, integer=True)
        self.kernel_size = checks.number("kernel_size", kernel_size, low=1, integer=True)
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size={kernel_size!r} is not accepted: expected an odd integer.")
        self.factor = checks.number("factor", factor, low=2, integer=True)
        self.use_bias = checks.one_of("use_bias", use_bias, (True, False))
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def make_branch(self, channels):
        resize = self.sublayer("resize", keras.layers.UpSampling2D, self.factor, interpolation="nearest")
        convolution = self.sublayer(
            "conv",
            keras.layers.Conv2D,
            self.filters,
            self.kernel_size,
            use_bias=self.use_bias,
            kernel_initializer=fresh_initializer(self.kernel_initializer),
        )
        margin = self.kernel_size // 2
        pad = [self.sublayer("pad", ReflectionPadding, margin)] if margin else []
        return [resize, *pad, convolution]

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "factor": self.factor,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
