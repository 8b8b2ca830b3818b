"""Records of the MobileNet tables: one row of a paper's table is one record, and a record makes its block."""

import dataclasses

from keras_repvis.layers.conv_block import ConvBlock
from keras_repvis.layers.depthwise_separable import DepthwiseSeparable
from keras_repvis.layers.fused_inverted_bottleneck import FusedInvertedBottleneck
from keras_repvis.layers.inverted_residual import InvertedResidual
from keras_repvis.layers.universal_inverted_bottleneck import UniversalInvertedBottleneck


@dataclasses.dataclass(frozen=True)
class Convolution:
    """Row of plain convolutions with batch norm and activation."""

    filters: int
    kernel_size: int = 3
    strides: int = 1
    activation: str = "relu"
    repeats: int = 1

    def block(self, filters, **options):
        return ConvBlock(filters, self.kernel_size, self.strides, self.activation, **options)


@dataclasses.dataclass(frozen=True)
class Separable:
    """Row of depthwise separable convolutions (MobileNetV1)."""

    filters: int
    strides: int = 1
    activation: str = "relu6"
    repeats: int = 1

    def block(self, filters, **options):
        return DepthwiseSeparable(filters, strides=self.strides, activation=self.activation, **options)


@dataclasses.dataclass(frozen=True)
class Inverted:
    """Row of inverted residuals (MobileNetV2 and V3)."""

    expansion: float
    filters: int
    repeats: int = 1
    strides: int = 1
    kernel_size: int = 3
    squeeze_excite: float | None = None
    activation: str = "relu6"
    linear_bottleneck: bool = True
    shortcut: bool = True

    def block(self, filters, **options):
        return InvertedResidual(
            filters,
            expansion=self.expansion,
            kernel_size=self.kernel_size,
            strides=self.strides,
            squeeze_excite=self.squeeze_excite,
            activation=self.activation,
            linear_bottleneck=self.linear_bottleneck,
            shortcut=self.shortcut,
            **options,
        )


@dataclasses.dataclass(frozen=True)
class Fused:
    """Row of fused inverted bottlenecks (MobileNetV4)."""

    filters: int
    expansion: float = 4
    strides: int = 1
    repeats: int = 1

    def block(self, filters, **options):
        return FusedInvertedBottleneck(filters, self.expansion, strides=self.strides, **options)


@dataclasses.dataclass(frozen=True)
class Universal:
    """Row of universal inverted bottlenecks (MobileNetV4): filters, the two depthwise kernels, expansion, stride."""

    filters: int
    start: int
    middle: int
    expansion: float = 4
    strides: int = 1
    repeats: int = 1
    drop_path: float = 0.0

    def block(self, filters, **options):
        return UniversalInvertedBottleneck(
            filters,
            self.expansion,
            start_kernel_size=self.start,
            middle_kernel_size=self.middle,
            strides=self.strides,
            drop_path=self.drop_path,
            **options,
        )


def unrolled(rows):
    """Return one record a block: a row with n repeats becomes n records, of which the first has the row's stride."""
    return tuple(
        dataclasses.replace(row, repeats=1, strides=row.strides if repeat == 0 else 1)
        for row in rows
        for repeat in range(row.repeats)
    )
