"""Universal inverted bottleneck, the block of MobileNetV4."""

import keras

from keras_repvis import checks
from keras_repvis.layers.block import NormalizedBlock
from keras_repvis.layers.channels import make_divisible
from keras_repvis.layers.layer_scale import LayerScale


@keras.saving.register_keras_serializable("keras_repvis")
class UniversalInvertedBottleneck(NormalizedBlock):
    """Inverted bottleneck with an optional depthwise convolution before and an optional one inside the expansion.

    z = BN(A * x), A: a x a depthwise, no activation (absent if a = 0); z = act(BN(E * z)), E: 1 x 1 to d(t c)
    channels; z = act(BN(D * z)), D: k x k depthwise (absent if k = 0); y = scale(BN(P * z)), P: 1 x 1 to `filters`;
    then, if the stride is 1 and the number of channels stays, x + droppath(y). Padding is TF "same". The pair (a, k)
    names the four classical blocks: (0, k) inverted bottleneck, (a, 0) ConvNeXt-like, (a, k) extra depthwise, (0, 0)
    feed-forward. The stride is on D if there is one, else on A.

    Args:
        filters: Number of output channels, >= 1.
        expansion: Expansion factor t, > 0.
        start_kernel_size: Side a of the first depthwise kernel in pixels, or 0 for none.
        middle_kernel_size: Side k of the depthwise kernel within the expansion, in pixels, or 0 for none.
        strides: Step in pixels, >= 1; needs one of the two depthwise convolutions if > 1.
        activation: Name of the activation, or None.
        layer_scale: Initial value of a learned factor a channel on the branch, or None for none.
        drop_path: Probability in [0, 1) of dropping the branch of an example in training (stochastic depth).
        divisor: The expanded width is rounded to a multiple of this by `make_divisible`, >= 1.
        momentum: Momentum of the batch normalisations, in [0, 1].
        epsilon: Number added to their variance, > 0.
        kernel_initializer: Initialiser of all kernels.
        seed: Seed of the dropping, integer or None.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        `(batch, ceil(height / strides), ceil(width / strides), filters)`.

    Raises:
        ValueError: If an argument is out of range, or a stride has no depthwise convolution to be on.

    Example:
        >>> from keras_repvis.layers import UniversalInvertedBottleneck
        >>> block = UniversalInvertedBottleneck(96, 3, start_kernel_size=5, middle_kernel_size=5, strides=2)
        >>> block.compute_output_shape((None, 28, 28, 64))
        (None, 14, 14, 96)

    Reference:
        Qin et al. (2024), "MobileNetV4: Universal Models for the Mobile Ecosystem", section 3 and figure 4.
    """

    def __init__(
        self,
        filters,
        expansion=4,
        start_kernel_size=0,
        middle_kernel_size=3,
        strides=1,
        activation="relu",
        layer_scale=None,
        drop_path=0.0,
        divisor=8,
        momentum=0.99,
        epsilon=1e-3,
        kernel_initializer="glorot_uniform",
        seed=None,
        **kwargs,
    ):
        super().__init__(activation, momentum, epsilon, kernel_initializer, **kwargs)
        self.filters = checks.number("filters", filters, low=1, integer=True)
        self.expansion = checks.number("expansion", expansion, above=0)
        self.start_kernel_size = checks.number("start_kernel_size", start_kernel_size, low=0, integer=True)
        self.middle_kernel_size = checks.number("middle_kernel_size", middle_kernel_size, low=0, integer=True)
        self.strides = checks.number("strides", strides, low=1, integer=True)
        if strides > 1 and not (start_kernel_size or middle_kernel_size):
            raise ValueError(
                f"strides={strides} is not accepted without a depthwise convolution: give start_kernel_size or "
                "middle_kernel_size, or strides=1."
            )
        self.layer_scale = layer_scale if layer_scale is None else checks.number("layer_scale", layer_scale)
        self.drop_path = checks.number("drop_path", drop_path, low=0)
        if drop_path >= 1:
            raise ValueError(f"drop_path={drop_path!r} is not accepted: expected a probability < 1.")
        self.divisor = checks.number("divisor", divisor, low=1, integer=True)
        self.seed = seed

    def make_branch(self, channels):
        start, middle, ending = [], [], []
        if self.start_kernel_size:
            start_strides = 1 if self.middle_kernel_size else self.strides
            start = self.depthwise("start", self.start_kernel_size, start_strides)
        if self.middle_kernel_size:
            middle = self.depthwise("depthwise", self.middle_kernel_size, self.strides, self.activation)
        if self.layer_scale is not None:
            ending.append(self.sublayer("scale", LayerScale, self.layer_scale))
        if self.drop_path and self._is_residual(channels):
            one_an_example = (None, 1, 1, 1)
            ending.append(
                self.sublayer("drop_path", keras.layers.Dropout, self.drop_path, one_an_example, seed=self.seed)
            )
        expanded = make_divisible(self.expansion * channels, self.divisor)
        return [
            *start,
            *self.conv("expand", expanded, activation=self.activation),
            *middle,
            *self.conv("project", self.filters),
            *ending,
        ]

    def make_join(self, channels):
        return self.sublayer("shortcut", keras.layers.Add) if self._is_residual(channels) else None

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "expansion": self.expansion,
            "start_kernel_size": self.start_kernel_size,
            "middle_kernel_size": self.middle_kernel_size,
            "strides": self.strides,
            "layer_scale": self.layer_scale,
            "drop_path": self.drop_path,
            "divisor": self.divisor,
            "seed": self.seed,
        }

    def _is_residual(self, channels):
        return self.strides == 1 and channels == self.filters
