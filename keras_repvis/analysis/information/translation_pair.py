"""Two models that translate images to and fro, F: x -> y and G: y -> x, called in bounded memory.

What G makes of an encoding is compared with the image it came from, in *grey levels*: 1 is a step of an 8-bit image,
1/255 of the range from black to white.
"""

import keras
import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.analysis.unsupported import UnsupportedModelError

GREY_LEVELS = 255.0
# Sizes of images for which traced functions are kept.
_KEPT = 8
# What `compare` measures, in this order.
MEASURES = ("error", "change", "change_rms")


class TranslationPair:
    """An encoder F and a decoder G, each compiled once for batches of any size.

    Args:
        encoder: F, `keras.Model` from images to images, or a function of a batch of images.
        decoder: G, the same in the other direction: G(F(x)) has the shape of x.
        batch_size: Integer >= 1, images at once; bounds the memory. Default 8.

    Raises:
        ValueError: If an argument is not accepted.
        UnsupportedModelError: If a model does not take images of floats.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from keras_repvis.analysis import information
        >>> image = keras.Input((None, None, 3))
        >>> halve = keras.Model(image, keras.layers.Rescaling(0.5)(image))
        >>> double = keras.Model(image, keras.layers.Rescaling(2.0)(image))
        >>> pair = information.TranslationPair(halve, double)
        >>> images = np.full((2, 8, 8, 3), 0.5, "float32")
        >>> codes = pair.encode(images)
        >>> float(codes.max()), float(pair.decode(codes).max())
        (0.25, 0.5)
    """

    def __init__(self, encoder, decoder, batch_size=8):
        self.batch_size = int(checks.number("batch_size", batch_size, low=1, integer=True))
        self._encode = _compiled("encoder", encoder)
        self._decode = _compiled("decoder", decoder)
        self._distances = _by_size(self._compare)

    def encode(self, images):
        """Return F of images, float32 array (images, height, width, channels)."""
        return self._in_batches("encoder", self._encode, images)

    def decode(self, codes):
        """Return G of encodings, float32 array (images, height, width, channels)."""
        return self._in_batches("decoder", self._decode, codes)

    def batches(self, images):
        """Yield the slices that cut so many images into batches."""
        for start in range(0, len(images), self.batch_size):
            yield slice(start, start + self.batch_size)

    def compare(self, codes, images, clean):
        """Return how far G of the codes of one batch is from two batches of images.

        Args:
            codes: Array (images, height, width, channels) in the domain of y.
            images: Array, x.
            clean: Array like `images`, as a rule G(F(x)).

        Returns:
            float32 array (images, 3), in grey levels: mean |G(codes) - x|, mean |G(codes) - clean|, and the root of the
            mean of (G(codes) - clean)^2.
        """
        found = self._distances(*(tf.constant(array, "float32") for array in (codes, images, clean))).numpy()
        if not np.isfinite(found).all():
            raise ArithmeticError("the decoder puts out values that are not finite.")
        return found

    def _compare(self, codes, images, clean):
        found = self._decode(codes)
        change = tf.reshape(found - clean, (tf.shape(clean)[0], -1))
        error = tf.reshape(found - images, (tf.shape(clean)[0], -1))
        rms = tf.sqrt(tf.reduce_mean(tf.square(change), axis=1))
        return GREY_LEVELS * tf.stack([_mean_size(error), _mean_size(change), rms], axis=1)

    def _in_batches(self, name, function, images):
        parts = [function(tf.constant(images[part], "float32")).numpy() for part in self.batches(images)]
        for part in parts:
            if part.ndim != 4 or len(part) > self.batch_size:
                raise UnsupportedModelError(f"{name} puts out {part.shape}: expected (batch, height, width, channels).")
            if not np.isfinite(part).all():
                raise ArithmeticError(f"the {name} puts out values that are not finite.")
        return np.concatenate(parts)


def as_pair(encoder, decoder, batch_size):
    """Return the `TranslationPair` of two models, or the pair itself that stands in place of the first."""
    if isinstance(encoder, TranslationPair):
        if decoder is not None:
            raise ValueError("decoder is not accepted beside a TranslationPair, which has its own: leave it out.")
        return encoder
    return TranslationPair(encoder, decoder, batch_size)


def check_images(argument, images):
    """Return images as float32 array (images, height, width, channels) in [0, 1], or raise a `ValueError`."""
    images = np.asarray(images)
    if images.ndim != 4 or not images.size or not np.issubdtype(images.dtype, np.floating):
        raise ValueError(
            f"{argument} of shape {images.shape} and type {images.dtype} is not accepted: expected floats (images, "
            "height, width, channels) in [0, 1], one image at least."
        )
    low, high = float(images.min()), float(images.max())
    if not (low >= 0 and high <= 1):
        raise ValueError(f"{argument} from {low:.4g} to {high:.4g} is not accepted: expected numbers in [0, 1].")
    return images.astype("float32")


def check_reconstruction(reconstruction, images):
    """Raise an `UnsupportedModelError` if G(F(x)) has not the shape of x."""
    if reconstruction.shape != images.shape:
        raise UnsupportedModelError(
            f"decoder(encoder(x)) has the shape {reconstruction.shape} for x {images.shape}: expected the same. Are "
            "the models a pair, and the sides multiples of what they divide them by?"
        )


def store(images, bits=8):
    """Return images as a file of so many bits a value keeps them: clipped to [0, 1], rounded to 2^bits levels."""
    steps = 2.0**bits - 1
    return (np.round(np.clip(images, 0.0, 1.0) * steps) / steps).astype("float32")


def _mean_size(differences):
    return tf.reduce_mean(tf.abs(differences), axis=1)


def _compiled(name, model):
    is_model = isinstance(model, keras.Model)
    if not is_model and not callable(model):
        raise ValueError(f"{name}={model!r} is not accepted: expected a keras.Model or a function of images.")
    spec = getattr(model, "spec", None)
    if spec is not None and not spec.dtype.is_floating:
        raise UnsupportedModelError(f"{name} takes {spec.dtype.name}: expected a model of float images in [0, 1].")

    def call(images):
        outputs = model(images, training=False) if is_model else model(images)
        tensors = tf.nest.flatten(outputs)
        if len(tensors) != 1:
            raise UnsupportedModelError(f"{name} puts out {len(tensors)} tensors: expected one batch of images.")
        return tf.cast(tensors[0], "float32")

    return _by_size(call)


def _by_size(function):
    """Return a function of batches that is traced once for each size of images, with any number of them."""
    traced = {}

    def call(*batches):
        sizes = tuple(batch.shape[1:] for batch in batches)
        if sizes not in traced:
            if len(traced) >= _KEPT:
                traced.pop(next(iter(traced)))
            specs = [tf.TensorSpec((None, *size), "float32") for size in sizes]
            traced[sizes] = tf.function(function, autograph=False).get_concrete_function(*specs)
        return traced[sizes](*batches)

    return call
