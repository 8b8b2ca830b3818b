"""Random changes of training images that leave their label true, without a state to save."""

import dataclasses

import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.data import counter_random
from keras_repvis.data import resize

_LUMA = (0.299, 0.587, 0.114)
# One column of random numbers an operation, so that switching one on leaves what the others do as it was.
_COLUMNS = ("flip", "down", "right", "top", "left", "rotation", "zoom", "brightness", "contrast", "saturation")


@dataclasses.dataclass(frozen=True)
class Augment:
    """Turns, scales, shifts, cuts, mirrors and recolours images, each example in its own way.

    What happens to an example is a pure function of (seed, epoch, number of the example): it depends neither on the
    batch nor on what was drawn before. The operations, each off by default, come in this order; values end in [0, 1].

    Args:
        rotation: Largest angle in radians, 0 to pi; drawn uniformly from +-rotation, about the centre, bilinear, edges
            mirrored.
        zoom: Largest change of scale, >= 0; the scale is drawn log-uniformly from [1 / (1 + zoom), 1 + zoom].
        shift: Largest shift in whole pixels, >= 0, in each direction; edges reflected (the edge row is not repeated).
        crop: Side or (height, width) of a window cut out at a random place, so that the images become that small; None
            for none.
        flip: Whether to mirror left and right every second time.
        brightness: Largest number added to all values, 0 to 1.
        contrast: Values move from their image's mean by a factor in 1 +- contrast, 0 to 1.
        saturation: Values move from their pixel's luma by a factor in 1 +- saturation, 0 to 1; needs colour.

    Call arguments:
        images: float32 `(batch, height, width, channels)` in [0, 1].
        indices: Integers `(batch,)`, the numbers of the examples.
        epoch: Integer.
        seed: Integer.

    Returns:
        float32 images in [0, 1], of the same shape unless `crop` is given.

    Raises:
        ValueError: If an argument is out of range, or the images are too small for `shift` or `crop`.

    Example:
        >>> import tensorflow as tf
        >>> augment = keras_repvis.data.Augment(flip=True, shift=2)
        >>> augment(tf.zeros([4, 8, 8, 1]), tf.range(4), epoch=0, seed=1).shape
        TensorShape([4, 8, 8, 1])
    """

    rotation: float = 0.0
    zoom: float = 0.0
    shift: int = 0
    crop: object = None
    flip: bool = False
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0

    def __post_init__(self):
        checks.number("rotation", self.rotation, low=0, high=np.pi)
        checks.number("zoom", self.zoom, low=0)
        checks.number("shift", self.shift, low=0, integer=True)
        checks.one_of("flip", self.flip, (True, False))
        for name in ("brightness", "contrast", "saturation"):
            checks.number(name, getattr(self, name), low=0, high=1)
        if self.crop is not None:
            object.__setattr__(self, "crop", resize.check_size("crop", self.crop))

    def __call__(self, images, indices, epoch, seed):
        drawn = counter_random.uniform(seed, epoch, indices, len(_COLUMNS))
        random = {name: drawn[:, column] for column, name in enumerate(_COLUMNS)}
        if self.rotation or self.zoom:
            images = _turn_and_scale(images, _signed(random["rotation"]) * self.rotation, self._scales(random["zoom"]))
        if self.shift:
            images = _shift(images, self.shift, random["down"], random["right"])
        if self.crop is not None:
            images = _crop(images, self.crop, random["top"], random["left"])
        if self.flip:
            images = tf.where(_per_image(random["flip"]) < 0.5, images[:, :, ::-1], images)
        return self._recolour(images, random)

    def _scales(self, random):
        return tf.exp(_signed(random) * np.log1p(self.zoom).astype(np.float32))

    def _recolour(self, images, random):
        if self.brightness:
            images = images + _per_image(_signed(random["brightness"])) * self.brightness
        if self.contrast:
            mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
            images = mean + (images - mean) * (1.0 + _per_image(_signed(random["contrast"])) * self.contrast)
        if self.saturation:
            if images.shape[-1] != 3:
                channels = images.shape[-1]
                raise ValueError(f"saturation={self.saturation!r} is not accepted for images of {channels} channel(s).")
            luma = tf.reduce_sum(images * tf.constant(_LUMA), axis=-1, keepdims=True)
            images = luma + (images - luma) * (1.0 + _per_image(_signed(random["saturation"])) * self.saturation)
        return tf.clip_by_value(images, 0.0, 1.0)


def _signed(random):
    return 2.0 * random - 1.0


def _per_image(numbers):
    return numbers[:, None, None, None]


def _whole(random, count):
    """Turn uniform numbers in [0, 1) into whole numbers 0 .. count - 1."""
    return tf.cast(tf.floor(random * tf.cast(count, tf.float32)), tf.int32)


def _shift(images, shift, down, right):
    height, width = images.shape[1:3]
    if shift >= min(height, width):
        raise ValueError(f"shift={shift!r} is not accepted: the images are only {height}x{width} pixels.")
    rows = _reflected(tf.range(height) - (_whole(down, 2 * shift + 1) - shift)[:, None], height)
    columns = _reflected(tf.range(width) - (_whole(right, 2 * shift + 1) - shift)[:, None], width)
    return _take(images, rows, columns)


def _reflected(positions, length):
    positions = tf.abs(positions)
    return tf.where(positions >= length, 2 * (length - 1) - positions, positions)


def _crop(images, size, top, left):
    height, width = images.shape[1:3]
    if size[0] > height or size[1] > width:
        raise ValueError(f"crop={size!r} is not accepted: the images are only {height}x{width} pixels.")
    rows = tf.range(size[0]) + _whole(top, height - size[0] + 1)[:, None]
    columns = tf.range(size[1]) + _whole(left, width - size[1] + 1)[:, None]
    return _take(images, rows, columns)


def _take(images, rows, columns):
    """Return for each image the given rows and columns, `(batch, new height)` and `(batch, new width)`."""
    return tf.gather(tf.gather(images, rows, axis=1, batch_dims=1), columns, axis=2, batch_dims=1)


def _turn_and_scale(images, angles, scales):
    """Turn by `angles` (the picture turns counter-clockwise) and enlarge by `scales` about the centre."""
    height, width = images.shape[1:3]
    x, y = (width - 1) / 2.0, (height - 1) / 2.0
    cosine, sine = tf.cos(angles) / scales, tf.sin(angles) / scales
    zero = tf.zeros_like(angles)
    # Each row maps a point of the output, (column, row), to the point of the input it is read from.
    across = [cosine, -sine, x - cosine * x + sine * y]
    down = [sine, cosine, y - sine * x - cosine * y]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack(across + down + [zero, zero], axis=1),
        output_shape=[height, width],
        interpolation="BILINEAR",
        fill_mode="REFLECT",
        fill_value=0.0,
    )
