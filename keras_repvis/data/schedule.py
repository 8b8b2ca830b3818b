"""Which examples of an epoch make up which batch, and which piece of it, from any step on."""

import math

import numpy as np
import tensorflow as tf

from keras_repvis import checks


class Schedule:
    """Cuts the rows of every epoch's order into batches, and these into pieces for replicas and workers.

    Args:
        rows: Function from the number of an epoch to the rows in their order of delivery, an int64 array
            `(num_examples,)` or `(num_examples, columns)`.
        num_examples: Rows an epoch, an integer >= 1.
        batch_size: Rows a batch, an integer >= 1.
        drop_remainder: Whether to leave out the rows of an epoch that do not fill a batch.
        columns: Columns of the rows; None (default) if they are single numbers.

    Example:
        >>> from keras_repvis.data import schedule
        >>> import numpy as np
        >>> plan = schedule.Schedule(lambda epoch: np.arange(10) + 100 * epoch, 10, 4, drop_remainder=True)
        >>> [rows.tolist() for rows, epoch in plan.dataset(epochs=2, step=1).as_numpy_iterator()]
        [[4, 5, 6, 7], [100, 101, 102, 103], [104, 105, 106, 107]]
    """

    def __init__(self, rows, num_examples, batch_size, drop_remainder, columns=None):
        self.rows = rows
        self.num_examples = num_examples
        self.batch_size = batch_size
        self.drop_remainder = drop_remainder
        self.shape = [num_examples] if columns is None else [num_examples, columns]

    @property
    def steps_per_epoch(self):
        """Batches an epoch."""
        steps = self.num_examples / self.batch_size
        if self.drop_remainder and steps < 1:
            raise ValueError(
                f"batch_size={self.batch_size!r} is not accepted: the data set has {self.num_examples} examples, and "
                "drop_remainder leaves out a batch that is not full."
            )
        return math.floor(steps) if self.drop_remainder else math.ceil(steps)

    def splits_evenly(self, shards):
        """Return whether every batch of an epoch can be cut into `shards` pieces of one size."""
        last = self.num_examples % self.batch_size
        return self.batch_size % shards == 0 and (self.drop_remainder or last % shards == 0)

    def steps(self, shards=1):
        """Return the batches an epoch when each is cut into `shards` pieces.

        A last batch with fewer examples than pieces joins the one before it, so that no piece is empty.
        """
        last = 0 if self.drop_remainder else self.num_examples % self.batch_size
        steps = self.steps_per_epoch - (0 < last < shards)
        if not steps:
            raise ValueError(f"shards={shards!r} is not accepted: the data set has only {self.num_examples} examples.")
        return steps

    def dataset(self, epochs=1, epoch=0, step=0, shards=1, shard=None):
        """Return the rows of each batch from batch `step` of epoch `epoch` on, to the end of `epochs` epochs.

        Piece k of n holds the rows floor(k b / n) to floor((k + 1) b / n) of a batch of b.

        Args:
            epochs: Number of epochs, the first of them from `step` on; None for no end.
            epoch: Number of the first epoch, from 0.
            step: Number of the first batch in it, 0 <= step < `steps(shards)`.
            shards: Number of pieces each batch is cut into, an integer >= 1.
            shard: Numbers of the pieces, a sequence; None (default) for all, one after the other.

        Returns:
            `tf.data.Dataset` of pairs: rows, int64 `(batch,)` or `(batch, columns)`, and their epoch, int64.

        Raises:
            ValueError: If an argument is out of range.
        """
        checks.number("shards", shards, low=1, high=self.batch_size, integer=True)
        for number in shard or ():
            checks.number("shard", number, low=0, high=shards - 1, integer=True)
        if epochs is not None:
            checks.number("epochs", epochs, low=1, integer=True)
        checks.number("epoch", epoch, low=0, integer=True)
        checks.number("step", step, low=0, high=self.steps(shards) - 1, integer=True)
        last = np.iinfo(np.int64).max if epochs is None else epoch + epochs
        batches = tf.data.Dataset.range(epoch, last).flat_map(
            lambda number: self._batches(
                number, tf.where(tf.equal(number, epoch), tf.constant(step, tf.int64), 0), self.steps(shards)
            )
        )
        pieces = list(range(shards) if shard is None else shard)
        if pieces != [0] or shards > 1:
            batches = batches.flat_map(lambda rows, number: self._pieces(rows, number, pieces, shards))
        if epochs is not None:
            batches = batches.apply(
                tf.data.experimental.assert_cardinality((epochs * self.steps(shards) - step) * len(pieces))
            )
        return batches

    def _batches(self, epoch, step, steps):
        """Return the pairs (rows of a batch, epoch) of one epoch, of `steps` batches, from batch `step` on."""
        rows = tf.numpy_function(self.rows, [epoch], tf.int64, stateful=False)
        rows.set_shape(self.shape)
        if steps == self.steps_per_epoch:
            batches = tf.data.Dataset.from_tensor_slices(rows[step * self.batch_size :])
            batches = batches.batch(self.batch_size, drop_remainder=self.drop_remainder)
        else:  # The last batch takes in the few examples after it.
            before_last = (steps - 1) * self.batch_size
            batches = tf.data.Dataset.from_tensor_slices(rows[:before_last]).batch(self.batch_size)
            batches = batches.concatenate(tf.data.Dataset.from_tensors(rows[before_last:])).skip(step)
        return batches.map(lambda rows: (rows, epoch))

    def _pieces(self, rows, epoch, pieces, shards):
        """Return the pairs (rows of a piece, epoch) of a batch."""
        static = self.drop_remainder and self.batch_size % shards == 0
        size = tf.shape(rows, tf.int64)[0]

        def piece(number):
            part = rows[size * number // shards : size * (number + 1) // shards]
            if static:
                part.set_shape([self.batch_size // shards, *self.shape[1:]])
            return part, epoch

        return tf.data.Dataset.from_tensor_slices(tf.constant(pieces, tf.int64)).map(piece)
