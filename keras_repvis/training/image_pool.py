"""A pool of generated images: a discriminator judges earlier ones too, so that the generator cannot lead it round."""

import keras
import tensorflow as tf

from keras_repvis import checks


@keras.saving.register_keras_serializable("keras_repvis")
class ImagePool(keras.layers.Layer):
    """Exchange newly generated images for earlier ones.

    The pool has room for `size` images. While there is room, an image is stored and returned. Afterwards, one image
    after the other, with a fair coin for each: heads returns a stored image, each with the same probability, and stores
    the new one in its place; tails returns the new one and stores nothing. A batch is as good as its images one by one:
    an image may be given back later in the batch that brought it.

    The images are variables of the layer, in the graph of the training step: `training.fit` saves them, and under
    replicas each has a pool of its own. Nothing is indexed by a number that XLA could take for a constant, so a
    compiled step is compiled once, not once for each place that is filled.

    Args:
        size: Integer >= 0, number of images; 0 returns what comes in.
        seed: Integer >= 0, or None for a random one.

    Input shape:
        `(batch, height, width, channels)`, all but the batch known and the same at every call.

    Output shape:
        As the input. No gradient passes.

    Raises:
        ValueError: If `size` is not an integer >= 0; when it is built, if the size of the images is not known.

    Example:
        >>> import numpy as np
        >>> pool = keras_repvis.training.ImagePool(size=2, seed=0)
        >>> images = np.arange(6, dtype="float32").reshape(6, 1, 1, 1)
        >>> pool(images[:2]).numpy().ravel().tolist()  # There is room.
        [0.0, 1.0]
        >>> found = pool(images[2:]).numpy().ravel()
        >>> sorted({*found, *pool.images.numpy().ravel()}) == sorted(images.ravel())  # Nothing else comes out.
        True

    Reference:
        Shrivastava et al. (2017), "Learning from Simulated and Unsupervised Images through Adversarial Training",
        section 2.3 (there, half of each batch). Zhu, Park, Isola, Efros (2017), "Unpaired Image-to-Image Translation
        using Cycle-Consistent Adversarial Networks", section 4 (50 images; the coin is of the authors' code).
    """

    def __init__(self, size=50, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.size = checks.number("size", size, low=0, integer=True)
        self.seed = seed if seed is None else checks.number("seed", seed, low=0, integer=True)
        self.seeds = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        if not self.size:
            return
        if None in tuple(input_shape[1:]):
            raise ValueError(
                f"pool_size={self.size} needs images of one known size, not {tuple(input_shape[1:])}: give the size, "
                "or 0 for no pool."
            )
        # Each replica changes its own copy.
        options = {"trainable": False, "aggregation": "none", "autocast": False, "initializer": "zeros"}
        self.images = self.add_weight(shape=(self.size, *input_shape[1:]), name="images", **options)
        self.stored = self.add_weight(shape=(), dtype="int32", name="stored", **options)

    def call(self, images):
        images = keras.ops.stop_gradient(images)
        if not self.size:
            return images
        count = keras.ops.shape(images)[0]
        draws = keras.random.uniform((2, count), dtype="float32", seed=self.seeds)
        places = keras.ops.cast(draws[1] * self.size, "int32")
        return self.exchange(images, draws[0] > 0.5, keras.ops.minimum(places, self.size - 1))

    def exchange(self, images, swap, places):
        """Return what the pool gives for `images`, and store them, with given draws.

        Args:
            images: Tensor `(batch, height, width, channels)`.
            swap: Booleans `(batch,)`: the coins. What falls into the time of filling is not looked at.
            places: Integers `(batch,)` in [0, size): the image that each would be exchanged for, likewise.

        Returns:
            Tensor like `images`.
        """
        images = keras.ops.cast(images, self.images.dtype)
        number = tf.range(tf.shape(images)[0])
        filling = self.stored.value + number
        is_filling = filling < self.size
        places = tf.where(is_filling, filling, tf.cast(places, "int32"))
        stores = is_filling | tf.convert_to_tensor(swap)
        # Who in this batch wrote last into the place of image i: before i, and in the whole batch. -1: nobody.
        writes = stores[None, :] & (places[None, :] == places[:, None])
        writers = tf.where(writes, number[None, :], -1)
        before = tf.reduce_max(tf.where(number[None, :] < number[:, None], writers, -1), axis=1)
        last = tf.reduce_max(writers, axis=1)
        pooled = tf.gather(self.images.value, places)
        returned = _pick(is_filling | ~stores, images, _pick(before >= 0, tf.gather(images, _index(before)), pooled))
        # Images with one place all put the same there, so that their order is nothing.
        kept = _pick(last >= 0, tf.gather(images, _index(last)), pooled)
        with tf.control_dependencies([pooled]):
            self.images.value.scatter_update(tf.IndexedSlices(kept, places))
        self.stored.assign(tf.minimum(self.stored.value + tf.size(number), self.size))
        return returned

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "size": self.size, "seed": self.seed}


def _pick(condition, yes, no):
    return tf.where(condition[:, None, None, None], yes, no)


def _index(number):
    return tf.maximum(number, 0)
