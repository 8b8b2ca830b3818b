"""Figures of results, drawn with matplotlib's object interface: no global state, safe in threads and servers."""

import base64
import io

import matplotlib.figure
import numpy as np

_COLOURS = ("#1f6f8b", "#d1603d", "#5b8c5a", "#7a5c99", "#b08d2f")


def data_uri(figure, dpi=144):
    """Return a matplotlib figure as the data URI of a PNG image.

    Args:
        figure: `matplotlib.figure.Figure`.
        dpi: Number > 0, pixels per inch.

    Returns:
        String "data:image/png;base64,...".

    Example:
        >>> figure = keras_repvis.report.training_curve([[1.0, 0.5]], "loss")
        >>> keras_repvis.report.data_uri(figure)[:22]
        'data:image/png;base64,'
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def training_curve(runs, metric, names=None):
    """Draw a metric against the epoch, one line a run.

    Args:
        runs: Sequence of sequences of numbers, one a epoch.
        metric: Name of the metric, the label of the vertical axis.
        names: Sequence of the runs' names, or None.

    Returns:
        `matplotlib.figure.Figure`.

    Example:
        >>> keras_repvis.report.training_curve([[0.5, 0.9]], "accuracy").axes[0].get_ylabel()
        'accuracy'
    """
    figure, axes = _axes(5.2, 3.2)
    for index, values in enumerate(runs):
        axes.plot(
            np.arange(1, len(values) + 1),
            values,
            color=_COLOURS[index % len(_COLOURS)],
            linewidth=1.6,
            marker="o" if len(values) < 4 else "",
            label=names[index] if names else None,
        )
    axes.set_xlabel("epoch")
    axes.set_ylabel(metric)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.25)
    if names:
        axes.legend(frameon=False)
    return figure


def confusion_matrix(counts, class_names):
    """Draw a confusion matrix: counts as text, the share of each row as colour.

    Args:
        counts: Integer array (classes, classes); row = true class, column = predicted class.
        class_names: Sequence of `classes` strings.

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ValueError: If `counts` is not square or its size is not the number of names.

    Example:
        >>> import numpy as np
        >>> keras_repvis.report.confusion_matrix(np.eye(2, dtype=int), ["cat", "dog"]).axes[0].get_xlabel()
        'predicted'
    """
    counts = np.asarray(counts)
    if counts.shape != (len(class_names), len(class_names)):
        raise ValueError(f"counts of shape {counts.shape} do not fit {len(class_names)} class names.")
    size = max(2.6, 0.3 * len(class_names))
    figure, axes = _axes(size + 0.6, size)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if len(class_names) <= 30:
        for row, column in np.argwhere(counts):
            colour = "white" if shares[row, column] > 0.5 else "#1d2733"
            axes.text(column, row, counts[row, column], ha="center", va="center", color=colour, fontsize=7)
        axes.tick_params(labelsize=8)
        axes.set_xticks(range(len(class_names)), class_names, rotation=90 if max(map(len, class_names)) > 3 else 0)
        axes.set_yticks(range(len(class_names)), class_names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    return figure


def image_rows(rows, row_names, column_names=None):
    """Draw a grid of images, one row a kind: photographs above their saliency maps, for instance.

    Args:
        rows: Sequence of rows; a row is an array (columns, height, width, 3 or 1) in [0, 1], shown as it is, or an
            array (columns, height, width), a map, each scaled by its own largest absolute value: white is zero, blue
            positive, red negative.
        row_names: Sequence of one string a row.
        column_names: Sequence of one string a column, or None.

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ValueError: If the rows have different numbers of columns.

    Example:
        >>> import numpy as np
        >>> figure = keras_repvis.report.image_rows([np.zeros((3, 8, 8, 1)), np.ones((3, 8, 8))], ["image", "map"])
        >>> len(figure.axes)
        6
    """
    columns = len(rows[0])
    if any(len(row) != columns for row in rows):
        raise ValueError(f"rows have {[len(row) for row in rows]} columns: expected the same number in each.")
    figure = matplotlib.figure.Figure(figsize=(0.85 * columns + 0.9, 0.85 * len(rows) + 0.3), layout="constrained")
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for row_axes, row, name in zip(grid, rows, row_names):
        for index, (axes, image) in enumerate(zip(row_axes, row)):
            _show(axes, np.asarray(image))
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
            if column_names is not None and axes in grid[0]:
                axes.set_title(column_names[index], fontsize=8)
        row_axes[0].set_ylabel(name, fontsize=8)
    return figure


def _show(axes, image):
    if image.ndim == 2:
        largest = max(float(np.abs(image).max()), 1e-30)
        axes.imshow(image / largest, cmap="RdBu", vmin=-1, vmax=1)
    elif image.shape[-1] == 1:
        axes.imshow(image[..., 0], cmap="gray", vmin=0, vmax=1)
    else:
        axes.imshow(np.clip(image, 0, 1))


def _axes(width, height):
    figure = matplotlib.figure.Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
