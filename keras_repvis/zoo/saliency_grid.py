"""A picture for the model card: images, and below each the pixels that its answer depends on."""

import io

import matplotlib.figure
import numpy as np

_INK, _WRONG = "#1d2733", "#b3401f"
# Inches; and what fits into them.
_CELL, _LETTERS = 1.15, 16
_DPI = 120


def saliency_grid(images, maps, answers, labels):
    """Draw images above their saliency maps and return the picture as the bytes of a PNG file.

    The bytes hold no time and no version: the same arguments give the same bytes with the same matplotlib.

    Args:
        images: Array (columns, height, width, 1 or 3) in [0, 1].
        maps: Array (columns, height, width), raw; of each the absolute values are shown, from black for zero to white
            for its own 99th percentile and above, so that one pixel does not darken the rest.
        answers: Sequence of texts, one a column: what the model says. Where it is not the label, in red with the
            label below it.
        labels: Sequence of texts, one a column: the truth.

    Returns:
        Bytes.

    Example:
        >>> import numpy as np
        >>> from keras_repvis.zoo.saliency_grid import saliency_grid
        >>> saliency_grid(np.zeros((2, 8, 8, 1)), np.ones((2, 8, 8)), ["a", "b"], ["a", "a"])[1:4]
        b'PNG'
    """
    images, maps = np.asarray(images), np.asarray(maps)
    columns, height, width = maps.shape
    cell = _CELL * min(max(height / width, 0.3), 3.0)
    figure = matplotlib.figure.Figure(figsize=(_CELL * columns + 0.35, 2 * cell + 0.5), layout="constrained")
    grid = figure.subplots(2, columns, squeeze=False)
    for (above, below), image, one_map, answer, label in zip(grid.T, images, np.abs(maps), answers, labels):
        if image.shape[-1] == 1:
            above.imshow(image[..., 0], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        else:
            above.imshow(np.clip(image, 0, 1), interpolation="nearest")
        brightest = float(np.percentile(one_map, 99)) or float(one_map.max()) or 1.0
        below.imshow(one_map, cmap="magma", vmin=0, vmax=brightest, interpolation="nearest")
        right = answer == label
        title = _short(answer) if right else f"{_short(answer)}\nnot {_short(label)}"
        above.set_title(title, fontsize=8, color=_INK if right else _WRONG)
    for axes in grid.flat:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
    for axes, name in zip(grid[:, 0], ("image", "saliency")):
        axes.set_ylabel(name, fontsize=8, color=_INK)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def _short(text):
    """Return `text` cut to the width of a column."""
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"
