"""A model from images to images as a map of images of any size: padded, in tiles or resized, and back."""

import keras
import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.data import resize as resizing
from keras_repvis.zoo import admissible_sizes, tiles

SIZE_POLICIES = ("pad", "tile", "resize")
_TILE = 256
_MOST_PIXELS = 2**22


class Translator:
    """Translate images of any size by a model that takes only some; each result has the size of its image.

    * "pad" continues an image by its reflection at the bottom and at the right to the next size the model takes, and
      cuts the answer back. An image whose size the model takes is translated as it is.
    * "tile" does the same and cuts what is larger than a tile into overlapping tiles, whose answers are blended. Memory
      is bounded by the tile. **It changes the result** of a network that normalises over the image (instance norm), as
      each tile has statistics of its own. One that sees r pixels around each answers as on the whole image where
      overlap - feather >= 2 r, up to rounding.
    * "resize" scales an image, bilinear with antialiasing, and its answer back, which loses detail.

    The model is compiled once for images of all sizes, where it takes them.

    Args:
        model: `keras.Model` from float images `(batch, height, width, channels)` in [0, 1] to images of the same size,
            or a `SavedFunction`.
        size_policy: "pad" (default), "tile" or "resize".
        tile: Side of a tile in pixels or a pair (height, width); the next size to 256 the model takes when None.
        overlap: Pixels that neighbouring tiles share at least, at most half a tile; a quarter when None.
        feather: Pixels of an overlap, in its middle, over which one tile fades into the next; half of it when None.
        size: For "resize", side or pair (height, width); the next size to an image's own when None.
        batch_size: Images or tiles at once, >= 1; bounds the memory. Default 4.
        multiple: Sides are multiples of this; found out when None, see `find_sizes`.
        max_pixels: Most pixels to hand to the model as one image, a bound of the memory. Default 2^22, as of 2048 x
            2048.

    Call arguments:
        images: Float array `(height, width, channels)` or `(images, height, width, channels)` in [0, 1], or a list of
            the former, of any sizes.
        progress: Function of the share that is done, or None.

    Returns:
        float32 array, or list of arrays, of the same sizes and the channels that the model puts out; the model's
        answers, not cut to [0, 1].

    Raises:
        ValueError: If an argument is not accepted; or on a call if images have other channels than the model takes, are
            not floats in [0, 1], are larger than the policy admits, or come back in another size.

    Attributes:
        sizes: `AdmissibleSizes` of the model.
        size_policy: See Args.
        tile: Pair (height, width).
        overlap: See Args, in pixels.
        feather: See Args, in pixels.

    Example:
        >>> import numpy as np
        >>> from keras_repvis import models, zoo
        >>> translator = zoo.Translator(models.ResNetGenerator((None, None, 3), blocks=1, filters=4))
        >>> translator(np.full((30, 41, 3), 0.5, "float32")).shape, translator.describe(30, 41)
        ((30, 41, 3), 'padded by reflection to 32 x 44 pixels and cut back')
    """

    def __init__(
        self,
        model,
        size_policy="pad",
        tile=None,
        overlap=None,
        feather=None,
        size=None,
        batch_size=4,
        multiple=None,
        max_pixels=_MOST_PIXELS,
    ):
        self.size_policy = checks.one_of("size_policy", size_policy, SIZE_POLICIES)
        self.batch_size = int(checks.number("batch_size", batch_size, low=1, integer=True))
        self.max_pixels = checks.number("max_pixels", max_pixels, low=1, integer=True)
        self.sizes = admissible_sizes.find_sizes(model, multiple)
        self.tile = self._size("tile", tile) or self._covering(_TILE, _TILE)
        most = min(self.tile) // 2
        self.overlap = min(self.tile) // 4 if overlap is None else overlap
        checks.number("overlap", self.overlap, low=0, high=most, integer=True)
        self.feather = self.overlap // 2 if feather is None else feather
        checks.number("feather", self.feather, low=0, high=self.overlap, integer=True)
        self._target = self._size("size", size)
        self._call = _compiled(model)

    def __call__(self, images, progress=None):
        if isinstance(images, (list, tuple)):
            return self._translate_list([self._checked(image, 3) for image in images], progress)
        images = self._checked(images, 3, 4)
        if images.ndim == 3:
            return self._translate(images[None], progress)[0]
        return self._translate(images, progress)

    def describe(self, height, width):
        """Return how an image of this size is translated, in words.

        Raises:
            ValueError: If the policy does not admit it.
        """
        wanted = self._wanted(height, width)
        if self.size_policy == "resize":
            return "as it is" if wanted == (height, width) else f"resized to {_pixels(wanted)} and back"
        padded = "" if wanted == (height, width) else f"padded by reflection to {_pixels(wanted)} and cut back"
        if self.size_policy == "pad":
            return padded or "as it is"
        rows, columns = self._plans(wanted)
        count = len(rows.starts) * len(columns.starts)
        if count == 1:
            return padded or "as it is"
        cut = f"in {count} tiles of {_pixels((rows.size, columns.size))} that overlap by {self.overlap} pixels or more"
        return f"{cut}, {padded}" if padded else cut

    def _checked(self, images, *ranks):
        images = np.asarray(images)
        if images.ndim not in ranks or 0 in images.shape or images.dtype.kind != "f":
            shapes = " or ".join(f"({'images, ' * (rank - 3)}height, width, channels)" for rank in ranks)
            raise ValueError(
                f"images of shape {images.shape} and type {images.dtype} are not accepted: expected floats in [0, 1], "
                f"{shapes}."
            )
        if self.sizes.channels not in (None, images.shape[-1]):
            raise ValueError(f"images have {images.shape[-1]} channels: the model takes {self.sizes.channels}.")
        low, high = float(images.min()), float(images.max())
        if not 0.0 <= low <= high <= 1.0:
            raise ValueError(f"images from {low:g} to {high:g} are not accepted: expected numbers in [0, 1].")
        return images.astype(np.float32, copy=False)

    def _translate_list(self, images, progress):
        """Return the answers of images of any sizes; those of one size go together."""
        groups = {}
        for index, image in enumerate(images):
            groups.setdefault(image.shape, []).append(index)
        found, done = [None] * len(images), 0
        for indices in groups.values():
            answers = self._translate(np.stack([images[index] for index in indices]), None)
            done += len(indices)
            for index, answer in zip(indices, answers):
                found[index] = answer
            if progress:
                progress(done / len(images))
        return found

    def _translate(self, images, progress):
        height, width = images.shape[1:3]
        wanted = self._wanted(height, width)
        if self.size_policy == "resize":
            answers = self._in_batches(_scale(images, wanted), progress)
            return _scale(answers, (height, width))
        padding = [(0, 0), (0, wanted[0] - height), (0, wanted[1] - width), (0, 0)]
        padded = np.pad(images, padding, mode="reflect") if wanted != (height, width) else images
        if self.size_policy == "pad":
            answers = self._in_batches(padded, progress)
        else:
            answers = self._in_tiles(padded, progress)
        return answers[:, :height, :width]

    def _in_batches(self, images, progress=None):
        parts = []
        for start in range(0, len(images), self.batch_size):
            batch = images[start : start + self.batch_size]
            answer = self._call(tf.constant(batch)).numpy()
            if answer.shape[:3] != batch.shape[:3]:
                raise ValueError(
                    f"the model answers {_pixels(batch.shape[1:3])} with an array {answer.shape[1:]}: expected an "
                    "image of the same size."
                )
            parts.append(answer)
            if progress:
                progress(min(1.0, (start + self.batch_size) / len(images)))
        return np.concatenate(parts)

    def _in_tiles(self, images, progress):
        rows, columns = self._plans(images.shape[1:3])
        places = [
            (image, row, column)
            for image in range(len(images))
            for row in range(len(rows.starts))
            for column in range(len(columns.starts))
        ]
        answers = None
        for start in range(0, len(places), self.batch_size):
            some = places[start : start + self.batch_size]
            found = self._in_batches(np.stack([images[_tile(place, rows, columns)] for place in some]))
            if answers is None:
                answers = np.zeros((*images.shape[:3], found.shape[-1]), np.float32)
            for place, answer in zip(some, found):
                _, row, column = place
                share = rows.weights[row][:, None, None] * columns.weights[column][None, :, None]
                answers[_tile(place, rows, columns)] += share * answer
            if progress:
                progress((start + len(some)) / len(places))
        return answers

    def _plans(self, size):
        fixed = self.sizes.height, self.sizes.width
        return tuple(
            tiles.plan(side, tile, self.overlap, self.feather, 1 if only else self.sizes.multiple)
            for side, tile, only in zip(size, self.tile, fixed)
        )

    def _wanted(self, height, width):
        """Return the size in which an image goes through the model, or in tiles; raise if the policy has none."""
        fits = self.sizes.at_least(height, width)
        if self.size_policy == "tile":
            return tuple(side if fit is None else fit for side, fit in zip((height, width), fits))
        if self.size_policy == "resize":
            fits = self._target or self._covering(height, width)
        if None in fits:
            raise ValueError(
                f"it has {_pixels((height, width))}, and the model takes {self._takes()}: choose the size_policy "
                "'tile' or 'resize'."
            )
        if fits[0] * fits[1] > self.max_pixels:
            raise ValueError(
                f"it has {_pixels((height, width))}, more than max_pixels={self.max_pixels} for one call: choose the "
                "size_policy 'tile', which changes the result, or raise the bound if there is memory for it."
            )
        return fits

    def _covering(self, height, width):
        """Return the next size the model takes; its only one, where it has one."""
        fits = self.sizes.at_least(height, width)
        return self.sizes.height or fits[0], self.sizes.width or fits[1]

    def _size(self, argument, size):
        """Return a size the model takes as a pair, or None."""
        if size is None:
            return None
        pair = resizing.check_size(argument, size)
        if self.sizes.at_least(*pair) != pair:
            raise ValueError(f"{argument}={size!r} is not accepted: the model takes {self._takes()}.")
        return pair

    def _takes(self):
        free = f"multiples of {self.sizes.multiple}, at least {self.sizes.at_least(1, 1)[0]}"
        fixed = self.sizes.height, self.sizes.width
        return free if fixed == (None, None) else " x ".join(str(side or free) for side in fixed)


def _compiled(model):
    (_, *sizes), dtype = admissible_sizes.image_spec(model)
    is_model = isinstance(model, keras.Model)

    def call(images):
        images = tf.cast(images, dtype)
        outputs = tf.nest.flatten(model(images, training=False) if is_model else model(images))
        if len(outputs) != 1 or outputs[0].shape.rank not in (None, 4):
            described = ", ".join(str(output.shape) for output in outputs)
            raise ValueError(f"model={model.name!r} puts out {described}: expected one batch of images.")
        return tf.cast(outputs[0], tf.float32)

    return tf.function(call, input_signature=[tf.TensorSpec((None, *sizes), tf.float32)], autograph=False)


def _tile(place, rows, columns):
    """Return the index of a tile in an array of images."""
    image, row, column = place
    top, left = rows.starts[row], columns.starts[column]
    return image, slice(top, top + rows.size), slice(left, left + columns.size)


def _scale(images, size):
    if images.shape[1:3] == tuple(size):
        return images
    return tf.image.resize(images, size, antialias=True).numpy()


def _pixels(size):
    return f"{size[0]} x {size[1]} pixels"
