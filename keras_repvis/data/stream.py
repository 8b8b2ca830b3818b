"""Batches of a data set in an order that depends on nothing but a seed and the epoch."""

import functools
import math

import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.data import resize as resizing
from keras_repvis.data import schedule

AUTO_CACHE_BYTES = 2**30
_LOAD_CHUNK = 1024


class Stream:
    """Batches of images and labels, reproducible and resumable.

    The order of the examples in an epoch is `numpy.random.default_rng([seed, epoch]).permutation(num_examples)`; what
    the augmentation does to an example depends on the seed, the epoch and the example's number. So the batch at
    (epoch, step) is always the same, bit for bit, and a stream resumes anywhere without reading what came before. An
    epoch never shares a batch with the next.

    Args:
        source: `Source`.
        batch_size: Examples a batch, an integer >= 1.
        image_size: One side or (height, width) in pixels. Default: as they are, if all have one size.
        resize: How images come to `image_size`: "squash" (default), "crop" or "pad"; see `resize.resize`. The result is
            rounded to 256 levels.
        augment: `Augment` or another function (images, indices, epoch, seed) -> images; None for none.
        seed: An integer >= 0. Default 0.
        shuffle: Whether to permute. Default True.
        drop_remainder: Whether to leave out the examples of an epoch that do not fill a batch. Default True.
        cache: True to keep the decoded and resized images (one byte a value) in memory, False never to, "auto"
            (default) if they take at most 1 GiB. The batches are the same.
        channels: 1 or 3 to convert; None (default) to keep what the data set has.

    Raises:
        ValueError: If an argument is not accepted, or images have several sizes and `image_size` is not given.

    Example:
        >>> source = keras_repvis.data.Source("repvis_digits")
        >>> stream = keras_repvis.data.Stream(source, batch_size=32, seed=1)
        >>> images, labels = next(iter(stream.dataset()))
        >>> images.shape, labels.shape, stream.steps_per_epoch
        (TensorShape([32, 8, 8, 1]), TensorShape([32]), 40)
    """

    def __init__(
        self,
        source,
        batch_size,
        image_size=None,
        resize="squash",
        augment=None,
        seed=0,
        shuffle=True,
        drop_remainder=True,
        cache="auto",
        channels=None,
    ):
        self.source = source
        self.batch_size = int(checks.number("batch_size", batch_size, low=1, integer=True))
        self.image_size = None if image_size is None else resizing.check_size("image_size", image_size)
        self.resize = checks.one_of("resize", resize, resizing.POLICIES)
        self.augment = augment
        self.seed = int(checks.number("seed", seed, low=0, integer=True))
        self.shuffle = shuffle
        self.drop_remainder = drop_remainder
        self.cache = checks.one_of("cache", cache, ("auto", True, False))
        self.channels = checks.one_of("channels", channels, (None, 1, 3))

    @functools.cached_property
    def _schedule(self):
        return schedule.Schedule(self.order, self.source.num_examples, self.batch_size, self.drop_remainder)

    @property
    def steps_per_epoch(self):
        """Batches an epoch."""
        return self._schedule.steps_per_epoch

    @property
    def image_shape(self):
        """(height, width, channels) of the images before augmentation."""
        height, width, channels = self.source.image_shape
        size = self.image_size or (height, width)
        if None in size:
            raise ValueError(f"image_size=None is not accepted: the images of {self.source.name!r} have several sizes.")
        return (*size, self.channels or channels)

    @property
    def skipped(self):
        """Examples left out because they cannot be decoded: see `Source`."""
        return self.source.skipped

    def order(self, epoch):
        """Return the numbers of the examples of an epoch in the order of delivery, int64 `(num_examples,)`."""
        if not self.shuffle:
            return np.arange(self.source.num_examples)
        return np.random.default_rng([self.seed, int(epoch)]).permutation(self.source.num_examples)

    def splits_evenly(self, shards):
        """Return whether every batch of an epoch can be cut into `shards` pieces of one size."""
        return self._schedule.splits_evenly(shards)

    def steps(self, shards=1):
        """Return the batches an epoch when each is cut into `shards` pieces.

        A last batch with fewer examples than pieces joins the one before it, so that no piece is empty.
        """
        return self._schedule.steps(shards)

    def dataset(self, epochs=1, epoch=0, step=0, shards=1, shard=None):
        """Return the batches from batch `step` of epoch `epoch` on, to the end of `epochs` epochs.

        Replicas and workers share a batch by cutting it into consecutive pieces: piece k of n holds the examples
        floor(k b / n) to floor((k + 1) b / n) of a batch of b.

        Args:
            epochs: Number of epochs to deliver, the first of them from `step` on; None for no end.
            epoch: Number of the first epoch, from 0.
            step: Number of the first batch in it, 0 <= step < `steps(shards)`.
            shards: Number of pieces each batch is cut into, an integer >= 1.
            shard: Numbers of the pieces to deliver, a sequence; None (default) for all, one after the other.

        Returns:
            `tf.data.Dataset` of pairs: images, float32 `(batch, height, width, channels)` in [0, 1], and labels, int32
            `(batch,)`.

        Raises:
            ValueError: If an argument is out of range, or (when images are cached) one cannot be decoded. Without
                the cache the latter is raised by the iteration as a `tf.errors.OpError` with the same message.
        """
        batches = self._schedule.dataset(epochs, epoch, step, shards, shard)
        batches = batches.map(self._batch(), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        return batches.prefetch(tf.data.AUTOTUNE)

    def _batch(self):
        """Return the function from (indices, epoch) to (images, labels)."""
        pixels = self._load_function()
        labels = tf.constant(self.source.labels, tf.int32)

        def batch(indices, epoch):
            images = tf.cast(pixels(indices), tf.float32) / 255.0
            if self.augment is not None:
                images = self.augment(images, indices, epoch, self.seed)
            return images, tf.gather(labels, indices)

        return batch

    def _load_function(self):
        if self.cache is True or (self.cache == "auto" and self._cache_bytes() <= AUTO_CACHE_BYTES):
            pixels = self._cached_pixels
            return lambda indices: tf.gather(pixels, indices)

        def load(indices):
            pixels = tf.numpy_function(self._load, [indices], tf.uint8, stateful=False)
            pixels.set_shape([indices.shape[0], *self.image_shape])
            return pixels

        return load

    def _cache_bytes(self):
        return self.source.num_examples * math.prod(self.image_shape)

    @functools.cached_property
    def _cached_pixels(self):
        pixels = np.empty((self.source.num_examples, *self.image_shape), np.uint8)
        for start in range(0, len(pixels), _LOAD_CHUNK):
            stop = min(start + _LOAD_CHUNK, len(pixels))
            pixels[start:stop] = self._load(np.arange(start, stop))
        return tf.constant(pixels)

    def _load(self, indices):
        return self.source.load(indices, self.image_size, self.resize, self.channels)
