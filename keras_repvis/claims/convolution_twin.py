"""MobileNetV1 and its twin of full convolutions: the costs that the claims about separable convolution compare."""

import functools

INPUT_SHAPE = (224, 224, 3)
KERNEL_AREA = 3 * 3


@functools.cache
def costs():
    """Return the costs of both networks as counted by walking their layers.

    Returns:
        Pair of `models.Cost`: MobileNetV1, and the same table with a full 3x3 convolution in place of each separable
        one.
    """
    from keras_repvis import models
    from keras_repvis.models.mobilenet import network, records, v1

    rows = tuple(
        records.Convolution(row.filters, strides=row.strides, activation=row.activation, repeats=row.repeats)
        for row in v1.ROWS
    )
    layout = network.Layout(stem=32, rows=rows, widen=lambda filters: filters, activation="relu6")
    twin = network.assemble(
        layout,
        input_shape=INPUT_SHAPE,
        classes=1000,
        include_top=True,
        pooling=None,
        features_only=False,
        stem_strides=2,
        dropout=0.0,
        batch_norm_momentum=0.99,
        batch_norm_epsilon=1e-3,
        kernel_initializer="zeros",
        name="mobilenet_v1_full",
    )
    return models.cost(models.MobileNetV1(INPUT_SHAPE)), models.cost(twin)


def blocks(cost):
    """Return for each block its number of filters and its multiply-adds, from a cost of `costs`."""
    found = {}
    for row in cost.rows:
        block = "_".join(row.name.split("_")[:2])
        if block.startswith("block_"):
            filters, multiply_adds = row.output_shape[-1], row.multiply_adds
            found[block] = (filters, found.get(block, (0, 0))[1] + multiply_adds)
    return list(found.values())
