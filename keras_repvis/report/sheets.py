"""Images side by side, each pixel of them a square of whole pixels: faint patterns are neither smoothed nor aliased."""

import matplotlib.figure
import numpy as np

DPI = 144
# The width of a page, in pixels of the screen.
WIDTH = 920
_SMALLEST, _LARGEST = 128, 280
# Seven images of 128 pixels fill a page.
_GAP, _BELOW, _LABEL, _TITLE = 4, 10, 40, 26


def image_sheet(rows, width=WIDTH):
    """Draw rows of labelled images.

    Images are enlarged by the smallest whole number that makes their shorter side 128 pixels; of larger ones than 280
    pixels the middle is shown. Rows are broken where they do not fit.

    Args:
        rows: Sequence of (title, sequence of (label, image)); an image is an array (height, width, 1 or 3) in [0, 1],
            of other numbers of channels the first is shown. A label has two lines at most.
        width: Integer, pixels across.

    Returns:
        `matplotlib.figure.Figure` of 144 dots an inch, to be saved as it is.

    Raises:
        ValueError: If there is no image.

    Example:
        >>> import numpy as np
        >>> figure = keras_repvis.report.image_sheet([("town", [("photograph", np.zeros((64, 64, 3)))] * 8)])
        >>> (figure.get_size_inches() * 144).round().astype(int).tolist()  # 7 fit beside each other, 1 goes below.
        [920, 382]
    """
    lines = []
    for title, cells in rows:
        shown = [(label, _enlarged(np.asarray(image))) for label, image in cells]
        lines += _broken(title, shown, width)
    if not lines:
        raise ValueError("rows=[] is not accepted: expected at least one image.")
    heights = [_TITLE * bool(title) + _LABEL + max(image.shape[0] for _, image in cells) + _BELOW
               for title, cells in lines]
    total = sum(heights)
    figure = matplotlib.figure.Figure(figsize=(width / DPI, total / DPI), dpi=DPI)
    top = total
    for (title, cells), height in zip(lines, heights):
        _draw(figure, title, cells, top, (width, total))
        top -= height
    return figure


def amplified(images):
    """Return signed images as pictures in which grey is zero, and the factor by which they were made stronger.

    Args:
        images: Array (images, height, width, channels), signed, in units of the range from black to white.

    Returns:
        Pair of an array like `images` in [0, 1], and a number 1, 2, 5, 10, 20, ...: the largest at which hardly a value
        (0.5 %) is cut off.

    Example:
        >>> import numpy as np
        >>> pictures, factor = keras_repvis.report.amplified(np.array([0.0, 0.02, -0.02]).reshape(1, 1, 3, 1))
        >>> pictures.ravel().round(2).tolist(), factor
        ([0.5, 0.9, 0.1], 20)
    """
    images = np.asarray(images, "float64")
    largest = float(np.percentile(np.abs(images), 99.5)) if images.size else 0.0
    factors = [step * 10**power for power in range(5) for step in (1, 2, 5)]
    factor = max((one for one in factors if one * largest <= 0.5), default=1)
    return np.clip(0.5 + factor * images, 0, 1), factor


def across(width):
    """Return how many images as wide as that (and no wider than high) stand beside one another on a page."""
    side = min(width, _LARGEST)
    return (WIDTH + _GAP) // (side * -(-_SMALLEST // side) + _GAP)


def _enlarged(image):
    image = np.clip(image if image.shape[-1] in (1, 3) else image[..., :1], 0, 1)
    if min(image.shape[:2]) > _LARGEST:
        top, left = ((side - _LARGEST) // 2 for side in image.shape[:2])
        image = image[top : top + _LARGEST, left : left + _LARGEST]
    factor = -(-_SMALLEST // min(image.shape[:2]))
    image = image.repeat(factor, axis=0).repeat(factor, axis=1)
    return np.round(255 * np.broadcast_to(image, (*image.shape[:2], 3))).astype("uint8")


def _broken(title, cells, width):
    """Return lines (title, cells) that fit; only the first has the title."""
    lines, used = [], width + 1
    for cell in cells:
        needed = cell[1].shape[1] + _GAP
        if used + needed > width + _GAP:
            lines.append(("" if lines else title, []))
            used = 0
        lines[-1][1].append(cell)
        used += needed
    return lines


def _draw(figure, title, cells, top, size):
    width, height = size
    if title:
        figure.text(0, (top - 4) / height, title, fontsize=8, fontweight="bold", va="top", parse_math=False)
        top -= _TITLE
    left = 0
    for label, image in cells:
        figure.text(
            left / width, (top - _LABEL + 4) / height, label, fontsize=6.5, va="bottom", linespacing=1.1,
            parse_math=False,
        )
        figure.figimage(image, left, top - _LABEL - image.shape[0], origin="upper")
        left += image.shape[1] + _GAP
