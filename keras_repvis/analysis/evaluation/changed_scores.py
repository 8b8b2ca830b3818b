"""f of every image changed in many ways, in compiled loops over batches of images and changes.

Measures that change images and watch the output stand on this: a subclass says how many changes there are and what they
do. The class with the largest score is fixed by the images as they are.
"""

import tensorflow as tf

from keras_repvis.analysis.attribution import copies
from keras_repvis.analysis.attribution.iterated import Iterated


class ChangedScores(Iterated):
    """Base: a subclass defines `_count` and `_changed`; `measure` runs them.

    Args:
        model: `keras.Model` of any kind, or a function of images; see `Method`.
        **options: `input_index`, `score`, `batch_size`; see `Method`.
    """

    def _count(self, height, width):
        """Return the number of changes, for images of that size."""
        raise NotImplementedError

    def _prepare(self, query, *companions):
        """Return what `_changed` needs to know of the images, a structure of tensors."""
        raise NotImplementedError

    def _changed(self, query, fixed, indices):
        """Return (images (batch, group, height, width, channels), dict of further tensors (batch, group, ...)).

        Args:
            query: `Query`.
            fixed: What `_prepare` returned.
            indices: int32 tensor (group,), which changes.
        """
        raise NotImplementedError

    def measure(self, images, targets, *companions):
        """Return a dict of arrays: "scores" (batch, count) and what `_changed` adds; "score", and "target" (batch,).

        Args:
            images: As for `Method`.
            targets: As for `Method`.
            *companions: Arrays (batch, ...) that `_prepare` is given.
        """
        return self._call_in_chunks(images, targets, None, companions).diagnostics

    def _plan(self, batch, height, width):
        # No more changed images at once than a batch, one of each image at least.
        count = self._count(height, width)
        steps = -(-count // max(1, self.batch_size // batch))
        return steps, -(-count // steps)

    def _begin(self, query, *companions):
        fixed = self._prepare(query, *companions)
        count = self._count(*query.images.shape[1:3])
        _, others = self._changed(query, fixed, tf.constant([0]))
        others = {name: _turned(value) for name, value in others.items()}
        empty = {name: tf.repeat(tf.zeros_like(value), count, axis=0) for name, value in others.items()}
        return fixed, {"scores": tf.zeros((count, tf.shape(query.images)[0])), **empty}

    def _step(self, query, fixed, state, step, group):
        count = self._count(*query.images.shape[1:3])
        # Beyond the last: the last again.
        indices = tf.minimum(step * group + tf.range(group), count - 1)
        changed, others = self._changed(query, fixed, indices)
        flat = tf.ensure_shape(copies.interleave(changed), (None, *query.images.shape[1:]))
        scores = copies.separate(query.score(query.outputs(flat)), query.images)
        found = {"scores": scores, **others}
        places = indices[:, None]
        return {name: tf.tensor_scatter_nd_update(state[name], places, _turned(found[name])) for name in state}

    def _end(self, query, fixed, state):
        return query.images[:, :1, :1, 0], {name: _turned(value) for name, value in state.items()}


def _turned(tensor):
    """Return a tensor with its first two axes exchanged."""
    return tf.transpose(tensor, [1, 0, *range(2, tensor.shape.rank)])
