"""Which number of the outputs a map explains: a class, a sum over outputs, or a function of them.

    None                 the class with the largest score, for each image
    integer              that class for all images; (batch,) integers, one for each
    float or bool array  a mask over the outputs, of their shape with or without the batch: f = sum of mask x outputs
    callable             f = callable(outputs), a tensor (batch,), of whatever the model puts out
"""

import numpy as np
import tensorflow as tf

from keras_repvis.analysis.unsupported import UnsupportedModelError

# In an array of classes: the one with the largest score.
BEST = -1


def read(targets, batch, outputs):
    """Check targets and return the pair (select, values) that a traced function computes f with.

    Args:
        targets: See this module.
        batch: Number of images.
        outputs: The structure of `tf.TensorSpec`s or symbolic tensors that the model puts out.

    Returns:
        select: Function (outputs, values) -> f, a tensor (batch,).
        values: Array (batch, ...), what `select` needs to know of each image.

    Raises:
        ValueError: If the targets do not fit the outputs.
        UnsupportedModelError: If the outputs have no classes and the targets do not say what to explain.
    """
    if callable(targets):
        return Custom(targets), np.zeros(batch, "int64")
    if not hasattr(outputs, "shape"):
        raise UnsupportedModelError(
            f"targets={_short(targets)}: the model has several outputs, or none that is a tensor. Give a function of "
            "them, for instance targets=lambda outputs: outputs[0][:, 3]."
        )
    shape = tuple(outputs.shape)[1:]
    array = np.asarray(BEST if targets is None else targets)
    if targets is None or np.issubdtype(array.dtype, np.integer):
        return (_of_best if targets is None else _of_class), _classes(targets, array, batch, shape)
    kinds = (np.bool_, np.floating)
    if any(np.issubdtype(array.dtype, kind) for kind in kinds) and array.ndim:
        for want in (shape, (batch, *shape)):
            if len(want) == array.ndim and all(size in (None, have) for size, have in zip(want, array.shape)):
                mask = array if len(want) > len(shape) else array[np.newaxis]
                return _of_mask, np.broadcast_to(mask, (batch, *mask.shape[1:])).astype("float32")
    raise _not_accepted(targets, batch, shape)


class Custom:
    """A user's function of the outputs; equal to another of the same function, so that nothing is traced twice."""

    def __init__(self, function):
        self._function = function

    def __call__(self, outputs, values):
        found = self._function(outputs)
        rank = tf.convert_to_tensor(found).shape.rank
        if rank != 1:
            raise ValueError(f"targets={self._function!r} returns a tensor of rank {rank}: expected (batch,).")
        return found

    def __eq__(self, other):
        return isinstance(other, Custom) and other._function == self._function

    def __hash__(self):
        return hash(self._function)


def is_class(select):
    """Return whether `select` picks a class."""
    return select in (_of_best, _of_class)


def classes(select, outputs, values):
    """Return the classes that `values` mean, `BEST` resolved by `outputs` (batch, classes)."""
    # Classes that are given do not wait for the outputs.
    return tf.where(values == BEST, tf.argmax(outputs, axis=-1), values) if select is _of_best else values


def _of_best(outputs, values):
    return _of_class(outputs, classes(_of_best, outputs, values))


def _of_class(outputs, values):
    return tf.gather(outputs, values, batch_dims=1)


def _of_mask(outputs, values):
    products = outputs * tf.cast(values, outputs.dtype)
    return tf.reduce_sum(products, axis=list(range(1, products.shape.rank)))


def _classes(targets, array, batch, shape):
    if len(shape) != 1:
        raise UnsupportedModelError(
            f"targets={_short(targets)}: the outputs (batch, {', '.join(map(str, shape))}) have no classes. Give a "
            "mask over them, or a function of them."
        )
    count = shape[0] if shape[0] is not None else np.inf
    fits = array.shape in ((), (batch,))
    if targets is not None and not (fits and array.min(initial=0) >= 0 and array.max(initial=0) < count):
        raise _not_accepted(targets, batch, shape)
    return np.broadcast_to(array, (batch,)).astype("int64")


def _not_accepted(targets, batch, shape):
    index = f"a class index from 0 to {shape[0] - 1}, or an array of {batch} of them, " if len(shape) == 1 else ""
    return ValueError(
        f"targets={_short(targets)} is not accepted: expected None, {index}a float or bool mask over the outputs "
        f"{shape} or {(batch, *shape)}, or a function of the outputs."
    )


def _short(targets):
    text = repr(targets)
    return text if len(text) < 200 else f"{text[:200]}..."
