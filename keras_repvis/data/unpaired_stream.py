"""Batches of two domains whose images do not belong together, in an order given by a seed and the epoch alone."""

import functools
import math

import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.data import counter_random
from keras_repvis.data import parallel
from keras_repvis.data import pixels
from keras_repvis.data import resize
from keras_repvis.data import schedule
from keras_repvis.data import stream

_DRAWS = 3  # An image: where its window begins, down and right, and whether it is mirrored.


class UnpairedStream:
    """Batches of images of A and of images of B, reproducible and resumable.

    An epoch has as many pairs as the larger domain has images. With `random = numpy.random.default_rng([seed, epoch])`,
    pair p has image `random.permutation(num_examples)[p] % size_a` of A, so that every image of A comes equally often
    up to one, and image `random.integers(size_b, size=num_examples)[p]` of B, drawn anew for each. Each image is scaled
    to `load_size`, cut to `image_size` at a random place and mirrored every second time, all of which depends on
    (seed, epoch, p) alone. So the batch at (epoch, step) is always the same, bit for bit, and so are the pieces into
    which replicas cut it; a stream resumes anywhere without reading what came before.

    Without `shuffle` nothing is random: pair p has image p of both domains (from the start again in the smaller one),
    cut out of the centre and not mirrored. For the test splits of "repvis_maps" these are the true pairs.

    Args:
        domain_a: `ImageDomain`.
        domain_b: `ImageDomain`.
        batch_size: Pairs a batch, an integer >= 1. Default 1.
        image_size: One side or (height, width) in pixels of what is delivered. Default: `load_size`, or the images as
            they are if all have one size.
        load_size: One side or (height, width) to which images are stretched first, bicubic; None (default) to cut them
            as they are. The usual recipe is 286 for an `image_size` of 256.
        flip: Whether to mirror left and right every second time. Default True.
        seed: An integer >= 0. Default 0.
        shuffle: Whether order, places and mirroring are random. Default True.
        drop_remainder: Whether to leave out the pairs of an epoch that do not fill a batch. Default True.
        cache: True to keep the decoded and scaled images in memory, False never to, "auto" (default) if they take at
            most 1 GiB. The batches are the same.

    Raises:
        ValueError: If an argument is not accepted; on first use if images are smaller than `image_size`, or have
            several sizes and neither size is given.

    Example:
        >>> aerial = keras_repvis.data.ImageDomain("repvis_maps/64", "trainA[:50]")
        >>> maps = keras_repvis.data.ImageDomain("repvis_maps/64", "trainB[:40]")
        >>> stream = keras_repvis.data.UnpairedStream(aerial, maps, batch_size=4, load_size=72, image_size=64)
        >>> images_a, images_b = next(iter(stream.dataset()))
        >>> images_a.shape, images_b.shape, stream.steps_per_epoch
        (TensorShape([4, 64, 64, 3]), TensorShape([4, 64, 64, 3]), 12)

    Reference:
        Zhu, Park, Isola & Efros, 2017, Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks,
        section 7.1 (training details).
    """

    def __init__(
        self,
        domain_a,
        domain_b,
        batch_size=1,
        image_size=None,
        load_size=None,
        flip=True,
        seed=0,
        shuffle=True,
        drop_remainder=True,
        cache="auto",
    ):
        self.domain_a = domain_a
        self.domain_b = domain_b
        self.batch_size = int(checks.number("batch_size", batch_size, low=1, integer=True))
        self.load_size = None if load_size is None else resize.check_size("load_size", load_size)
        self.image_size = self.load_size if image_size is None else resize.check_size("image_size", image_size)
        self.flip = checks.one_of("flip", flip, (True, False))
        self.seed = int(checks.number("seed", seed, low=0, integer=True))
        self.shuffle = checks.one_of("shuffle", shuffle, (True, False))
        self.drop_remainder = checks.one_of("drop_remainder", drop_remainder, (True, False))
        self.cache = checks.one_of("cache", cache, ("auto", True, False))
        if self.load_size is not None and any(wanted > has for wanted, has in zip(self.image_size, self.load_size)):
            raise ValueError(f"image_size={image_size!r} is not accepted: expected at most load_size={load_size!r}.")

    @property
    def num_examples(self):
        """Pairs an epoch: the images of the larger domain."""
        return max(self.domain_a.num_examples, self.domain_b.num_examples)

    @functools.cached_property
    def _schedule(self):
        return schedule.Schedule(self._rows, self.num_examples, self.batch_size, self.drop_remainder, columns=3)

    @property
    def steps_per_epoch(self):
        """Batches an epoch."""
        return self._schedule.steps_per_epoch

    def splits_evenly(self, shards):
        """Return whether every batch of an epoch can be cut into `shards` pieces of one size."""
        return self._schedule.splits_evenly(shards)

    def steps(self, shards=1):
        """Return the batches an epoch when each is cut into `shards` pieces; see `Stream.steps`."""
        return self._schedule.steps(shards)

    @property
    def image_shapes(self):
        """(height, width, channels) of the images of A, and of those of B."""
        return self._side_a.shape, self._side_b.shape

    @property
    def skipped(self):
        """Images left out because they cannot be decoded, of both domains: see `ImageDomain`."""
        return self.domain_a.skipped + self.domain_b.skipped

    def order(self, epoch):
        """Return the numbers of the images of A and of B in their order, two int64 arrays `(num_examples,)`."""
        count, sizes = self.num_examples, (self.domain_a.num_examples, self.domain_b.num_examples)
        if not self.shuffle:
            return np.arange(count) % sizes[0], np.arange(count) % sizes[1]
        random = np.random.default_rng([self.seed, int(epoch)])
        return random.permutation(count) % sizes[0], random.integers(sizes[1], size=count)

    def _rows(self, epoch):
        return np.stack([np.arange(self.num_examples), *self.order(epoch)], axis=1)

    def dataset(self, epochs=1, epoch=0, step=0, shards=1, shard=None):
        """Return the batches from batch `step` of epoch `epoch` on, to the end of `epochs` epochs.

        Args:
            epochs: Number of epochs to deliver, the first of them from `step` on; None for no end.
            epoch: Number of the first epoch, from 0.
            step: Number of the first batch in it, 0 <= step < `steps(shards)`.
            shards: Number of consecutive pieces each batch is cut into, an integer >= 1; see `Stream.dataset`.
            shard: Numbers of the pieces to deliver, a sequence; None (default) for all, one after the other.

        Returns:
            `tf.data.Dataset` of pairs: images of A and images of B, float32 `(batch, height, width, channels)` in
            [0, 1].

        Raises:
            ValueError: If an argument is out of range, an image is too small, or (when images are cached) one cannot be
                decoded. Without the cache the latter is raised by the iteration as a `tf.errors.OpError` with the same
                message.
        """
        rows = self._schedule.dataset(epochs, epoch, step, shards, shard)
        self._fill_cache()
        batches = rows.map(self._batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        return batches.prefetch(tf.data.AUTOTUNE)

    def _fill_cache(self):
        sides = self._side_a, self._side_b
        fits = sum(side.bytes for side in sides) <= stream.AUTO_CACHE_BYTES
        if self.cache is True or (self.cache == "auto" and fits):
            for side in sides:
                side.fill_cache()

    @functools.cached_property
    def _side_a(self):
        return _Side("domain_a", self.domain_a, self.load_size, self.image_size)

    @functools.cached_property
    def _side_b(self):
        return _Side("domain_b", self.domain_b, self.load_size, self.image_size)

    def _batch(self, rows, epoch):
        """Return the images that rows (pair, image of A, image of B) name."""
        random = tf.zeros([tf.shape(rows)[0], 0])
        if self.shuffle:
            random = counter_random.uniform(self.seed, epoch, rows[:, 0], 2 * _DRAWS)
        images_a, images_b = tf.numpy_function(self._load, [rows, random], [tf.float32] * 2, stateful=False)
        images_a.set_shape([rows.shape[0], *self._side_a.shape])
        images_b.set_shape([rows.shape[0], *self._side_b.shape])
        return images_a, images_b

    def _load(self, rows, random):
        a, b = (random[:, :_DRAWS], random[:, _DRAWS:]) if self.shuffle else (None, None)
        return self._side_a.load(rows[:, 1], a, self.flip), self._side_b.load(rows[:, 2], b, self.flip)


class _Side:
    """The images of one domain, scaled, and windows of them."""

    def __init__(self, argument, domain, load_size, image_size):
        self._domain = domain
        self._load_size = load_size
        self._cached = None
        if image_size is None:
            image_size = domain.image_shape[:2]
            if None in image_size:
                raise ValueError(f"image_size=None is not accepted: the images of {domain.name!r} have several sizes.")
        self.shape = (*image_size, domain.num_channels)
        if load_size is None:
            self._check_sizes(argument, image_size)

    def _check_sizes(self, argument, image_size):
        small = np.flatnonzero((self._domain.sizes < image_size).any(axis=1))
        if len(small):
            height, width = self._domain.sizes[small[0]]
            more = f" ({len(small) - 1} more are too small)" if len(small) > 1 else ""
            raise ValueError(
                f"image_size={tuple(image_size)!r} is not accepted: image {self._domain.example_name(small[0])!r} of "
                f"{argument} is only {height}x{width} pixels{more}. Give a load_size to scale the images first."
            )

    @property
    def bytes(self):
        """What all images take in memory."""
        area = self._domain.sizes.prod(axis=1).sum()
        if self._load_size is not None:
            area = self._domain.num_examples * math.prod(self._load_size)
        depth = 1 if self._domain.dtype == "uint8" else 4
        return int(area) * self.shape[-1] * depth

    def fill_cache(self):
        """Decode and scale all images, once."""
        if self._cached is None:
            self._cached = parallel.in_parallel(self._scaled, range(self._domain.num_examples))

    def _scaled(self, index):
        image = self._domain.image(index)
        image = image if image.dtype == np.uint8 else pixels.to_float(image)
        return image if self._load_size is None else resize.bicubic(image, self._load_size)

    def load(self, indices, random, flip):
        """Return windows of images, float32 in [0, 1]: at random places, or out of the centre if `random` is None."""
        images = np.empty((len(indices), *self.shape), np.float32)

        def put(place):
            image = self._scaled(indices[place]) if self._cached is None else self._cached[indices[place]]
            down, right, mirror = (0.5, 0.5, 1.0) if random is None else random[place]
            top, left = _start(down, image, self.shape, 0), _start(right, image, self.shape, 1)
            window = image[top : top + self.shape[0], left : left + self.shape[1]]
            images[place] = pixels.to_float(window[:, ::-1] if flip and mirror < 0.5 else window)

        if self._cached is None:
            parallel.in_parallel(put, range(len(indices)))
        else:
            for place in range(len(indices)):
                put(place)
        return images


def _start(draw, image, shape, axis):
    """Return where a window of a shape begins in an image along an axis, by a number in [0, 1)."""
    return int(float(draw) * (image.shape[axis] - shape[axis] + 1))
