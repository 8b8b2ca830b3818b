"""Sums over many changed copies of each image, some at a time, so that memory does not grow with their number."""

import tensorflow as tf


def total(function, copies, images, batch_size, start):
    """Return the sum of function(indices) over groups of the indices 0 to `copies` - 1.

    As many copies of all images go through the model at once as fit into a batch, one of each at least. What is summed
    over is the same whatever the size of the groups, which only changes the order of the sum.

    Args:
        function: From int32 tensor (group,), indices of copies, to a structure of tensors summed over the group.
        copies: Integer, copies of each image.
        images: Tensor (batch, ...).
        batch_size: Integer, the largest number of changed images at once.
        start: Structure of tensors of zeros, of the shapes that `function` returns.

    Returns:
        Structure of tensors.
    """
    group = tf.maximum(1, batch_size // tf.shape(images)[0])

    def body(first, sums):
        indices = tf.range(first, tf.minimum(first + group, copies))
        found = function(indices)
        return first + group, tf.nest.map_structure(lambda old, new: tf.ensure_shape(old + new, old.shape), sums, found)

    return tf.while_loop(lambda first, _: first < copies, body, (tf.constant(0), start), parallel_iterations=1)[1]


def interleave(changed):
    """Return (batch * copies, ...) from (batch, copies, ...): copies of an image one after the other, for `Query`."""
    return tf.reshape(changed, tf.concat([[-1], tf.shape(changed)[2:]], axis=0))


def separate(tensor, like):
    """Return (batch, copies, ...) from (batch * copies, ...), for as many copies as make a batch of `like`."""
    return tf.reshape(tensor, tf.concat([tf.shape(like)[:1], [-1], tf.shape(tensor)[1:]], axis=0))
