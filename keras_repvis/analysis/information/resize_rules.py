"""Derivatives of resizing that can be taken twice.

Resizing R is linear, so what it propagates back is its transpose R^T, and what that propagates back is R again.
TensorFlow knows the first and not the second, which the product of a Jacobian with a direction needs (see
`differentiable_map`): a generator that enlarges by interpolation would have none.
"""

import tensorflow as tf

from keras_repvis.analysis.attribution import graph

# The attributes of each operation that its transpose has too.
_INTERPOLATION = ("align_corners", "half_pixel_centers")
_ATTRIBUTES = {
    "ResizeBicubic": _INTERPOLATION,
    "ResizeBilinear": _INTERPOLATION,
    "ResizeNearestNeighbor": _INTERPOLATION,
    "ScaleAndTranslate": ("kernel_type", "antialias"),
}


def apply(start, end):
    """Let every resizing between two tensors of a graph have a second derivative, in `tf.gradients` after this."""
    for operation in graph.between(start, end):
        if operation.type in _ATTRIBUTES:
            graph.set_rule(operation, f"Repvis{operation.type}")


def _propagate(operation, signal):
    """Return R^T signal, and None for the inputs that are no images."""
    images, size, *placing = operation.inputs
    attributes = {}
    for name in _ATTRIBUTES[operation.type]:
        value = operation.get_attr(name)
        attributes[name] = value.decode() if isinstance(value, bytes) else value
    placing = dict(zip(("scale", "translation"), placing))
    resize = getattr(tf.raw_ops, operation.type)
    transpose = getattr(tf.raw_ops, f"{operation.type}Grad")
    # The transpose takes the size from the images, or where their values do not matter either, their size.
    nearest = operation.type == "ResizeNearestNeighbor"
    like = {"size": tf.shape(images)[1:3]} if nearest else {"original_image": images}

    @tf.custom_gradient
    def back(signal):
        def forth(upstream):
            return resize(images=upstream, size=size, **placing, **attributes)

        return transpose(grads=signal, **like, **placing, **attributes), forth

    return back(signal), *[None] * (len(operation.inputs) - 1)


for _type in _ATTRIBUTES:
    tf.RegisterGradient(f"Repvis{_type}")(_propagate)
