"""Maps over images: warm where a map is positive, blue where it is negative, the grey image where it is near zero."""

import matplotlib
import matplotlib.figure
import numpy as np
from PIL import Image

# Opacity of the strongest place, and how much of the image's contrast stays below.
_OPACITY, _CONTRAST = 0.85, 0.6
# Each map is drawn relative to this percentile of its own absolute values, so that one pixel does not darken the rest.
_PERCENTILE = 99.5
_CELL = 1.5


def overlay(image, one_map, side=256):
    """Draw a map over an image.

    Colour and opacity grow with |map| / s, where s is the 99.5th percentile of |map|; a map without a negative value is
    warm only. The scale is the map's own: colours of two maps do not compare.

    Args:
        image: Array (height, width, 1 or 3) in [0, 1].
        one_map: Array (height', width'), raw; brought to the size of the image bilinearly.
        side: Integer >= 1; the picture is the image enlarged by the smallest whole number that makes its shorter side
            at least this long.

    Returns:
        uint8 array (height x n, width x n, 3), RGB.

    Raises:
        ValueError: If the shapes are not as above, or the map is not finite.

    Example:
        >>> import numpy as np
        >>> keras_repvis.report.overlay(np.zeros((32, 48, 1)), np.eye(4)).shape
        (256, 384, 3)
    """
    image, one_map = np.asarray(image, "float32"), np.asarray(one_map, "float32")
    if image.ndim != 3 or image.shape[-1] not in (1, 3) or one_map.ndim != 2:
        raise ValueError(
            f"image of shape {image.shape} and map of shape {one_map.shape} are not accepted: expected (height, width, "
            "1 or 3) and (height, width)."
        )
    if not np.isfinite(one_map).all():
        raise ValueError("the map has values that are not finite.")
    factor = -(-side // min(image.shape[:2]))
    height, width = (factor * length for length in image.shape[:2])
    grey = image.mean(axis=-1).clip(0, 1).repeat(factor, axis=0).repeat(factor, axis=1)
    strength = np.asarray(Image.fromarray(one_map).resize((width, height), Image.Resampling.BILINEAR))
    largest = float(np.percentile(np.abs(strength), _PERCENTILE)) or float(np.abs(strength).max()) or 1.0
    strength = np.clip(strength / largest, -1, 1)
    below = 0.5 + _CONTRAST * (grey - 0.5)
    opacity = _OPACITY * np.abs(strength)[..., np.newaxis]
    mixed = (1 - opacity) * below[..., np.newaxis] + opacity * _colours(strength)
    return (255 * mixed + 0.5).astype("uint8")


def overlay_grid(images, maps, titles):
    """Draw images, each followed by the overlays of several maps.

    Args:
        images: Sequence of arrays (height, width, 1 or 3) in [0, 1], one a row.
        maps: Dict of the name of a column -> sequence of arrays (height', width'), one a row, or None for "no map".
        titles: Sequence of strings, one a row: what the image is.

    Returns:
        `matplotlib.figure.Figure`.

    Example:
        >>> import numpy as np
        >>> images = np.zeros((2, 8, 8, 1))
        >>> figure = keras_repvis.report.overlay_grid(images, {"gradient": np.ones((2, 4, 4))}, ["a", "b"])
        >>> [axes.get_title() for axes in figure.axes]
        ['image', 'gradient', '', '']
    """
    shape = np.shape(images[0])
    cell = _CELL * min(max(shape[0] / shape[1], 0.4), 2.5)
    size = (_CELL * (1 + len(maps)) + 0.3, cell * len(images) + 0.35)
    figure = matplotlib.figure.Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(images), 1 + len(maps), squeeze=False)
    for row, (axes, image, title) in enumerate(zip(grid, images, titles)):
        image = np.asarray(image)
        axes[0].imshow(np.clip(image[..., 0] if image.shape[-1] == 1 else image, 0, 1), cmap="gray", vmin=0, vmax=1)
        axes[0].set_ylabel(title, fontsize=7.5)
        for column, found in zip(axes[1:], maps.values()):
            if found is not None:
                column.imshow(overlay(image, found[row]))
    for axes, name in zip(grid[0], ("image", *maps)):
        axes.set_title(name, fontsize=7.5)
    for axes in grid.flat:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
    return figure


def _colours(strength):
    """Return (..., 3) in [0, 1]: dark red to yellow above zero, dark blue to cyan below."""
    warm = matplotlib.colormaps["YlOrRd_r"](0.15 + 0.6 * (1 - np.abs(strength)))[..., :3]
    cold = matplotlib.colormaps["PuBu_r"](0.1 + 0.6 * (1 - np.abs(strength)))[..., :3]
    return np.where(strength[..., np.newaxis] >= 0, warm, cold)
