"""Policies that bring an image to a given size."""

import numpy as np

from keras_repvis import checks

POLICIES = ("squash", "crop", "pad")


def check_size(argument, size):
    """Return `size`, one number or (height, width), as a pair of integers >= 1."""
    pair = (size, size) if not isinstance(size, (tuple, list)) else tuple(size)
    if len(pair) != 2:
        raise ValueError(f"{argument}={size!r} is not accepted: expected one integer or a pair (height, width).")
    return tuple(int(checks.number(argument, side, low=1, integer=True)) for side in pair)


def resize(image, size, policy="squash"):
    """Bring an image to a size.

    Sampling is bilinear over half-pixel centres, widened to an average where the image shrinks, in whole numbers
    (Pillow), so the result is the same everywhere. Sides in between are rounded half up, with at least one pixel.

    Args:
        image: uint8 array `(height, width, channels)`.
        size: Pair (height, width) in pixels.
        policy: "squash" stretches each side on its own; "crop" keeps proportions, covers the size and cuts what sticks
            out evenly on both sides; "pad" keeps proportions, fits inside and fills the rest with black evenly.

    Returns:
        uint8 array `(height, width, channels)` of the given size; the image itself if it has it already.

    Raises:
        ValueError: If the policy is unknown.

    Example:
        >>> from keras_repvis.data import resize
        >>> import numpy as np
        >>> resize.resize(np.zeros((40, 60, 3), np.uint8), (32, 32), "crop").shape
        (32, 32, 3)
    """
    checks.one_of("resize", policy, POLICIES)
    if image.shape[:2] == tuple(size):
        return image
    if policy == "squash":
        return _scale(image, size)
    ratios = [wanted / found for wanted, found in zip(size, image.shape)]
    ratio = max(ratios) if policy == "crop" else min(ratios)
    # The side that decides has its size exactly; the other is rounded and then cut or filled.
    sides = [w if r == ratio else max(1, int(found * ratio + 0.5)) for w, r, found in zip(size, ratios, image.shape)]
    scaled = _scale(image, sides)
    if policy == "crop":
        top, left = ((side - wanted) // 2 for side, wanted in zip(sides, size))
        return scaled[top : top + size[0], left : left + size[1]]
    canvas = np.zeros((*size, image.shape[-1]), np.uint8)
    top, left = ((wanted - side) // 2 for side, wanted in zip(sides, size))
    canvas[top : top + sides[0], left : left + sides[1]] = scaled
    return canvas


def bicubic(image, size):
    """Stretch an image to a size by bicubic sampling, widened to an average where it shrinks (Pillow).

    Args:
        image: uint8 array `(height, width, channels)`, or float32 in [0, 1].
        size: Pair (height, width) in pixels.

    Returns:
        Array of the same type, `(height, width, channels)` of the given size; the image itself if it has it already.
        What overshoots is cut to the range.

    Example:
        >>> from keras_repvis.data import resize
        >>> import numpy as np
        >>> resize.bicubic(np.full((40, 60, 5), 0.25, np.float32), (32, 32)).shape
        (32, 32, 5)
    """
    from PIL import Image

    if image.shape[:2] == tuple(size):
        return image
    if image.dtype == np.uint8 and image.shape[-1] in (1, 3):
        return _scale(image, size, Image.Resampling.BICUBIC)
    planes = [image[..., channel] for channel in range(image.shape[-1])]
    planes = [Image.fromarray(plane).resize((size[1], size[0]), Image.Resampling.BICUBIC) for plane in planes]
    scaled = np.stack([np.asarray(plane) for plane in planes], -1)
    return scaled if image.dtype == np.uint8 else np.clip(scaled, 0.0, 1.0)


def _scale(image, size, resample=None):
    from PIL import Image

    grey = image.shape[-1] == 1
    resample = Image.Resampling.BILINEAR if resample is None else resample
    scaled = Image.fromarray(image[..., 0] if grey else image).resize((size[1], size[0]), resample)
    return np.asarray(scaled).reshape(*size, image.shape[-1])
