"""Curves over the epochs: lines told apart by colour and dash, in panels that share one vertical axis."""

import dataclasses
import math

import matplotlib.figure
import matplotlib.lines
import numpy as np

from keras_repvis import checks

# After Okabe and Ito, "Color Universal Design", 2008, without the yellow, which is lost on white.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#4d4d4d")
_DASHES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.2, 1.2, 1.2)))
LOOKS = len(COLOURS) * len(_DASHES)
_INCHES = {"half": 5.2, "full": 10.6}


@dataclasses.dataclass(frozen=True)
class Line:
    """A metric over the epochs.

    Args:
        epochs: Sequence of integers, increasing.
        values: Sequence of numbers, one an epoch. NaN and infinite ones break the line; a cross on the axis marks them.
        label: What the legend calls it.
        look: Integer >= 0: lines of different looks differ in colour, from the eighth on in their dashes as well.
        marked: Epoch to mark with a ring, or None.

    Example:
        >>> Line([1, 2], [0.5, 0.25], "training").look
        0
    """

    epochs: tuple
    values: tuple
    label: str = ""
    look: int = 0
    marked: int | None = None


def curves(panels, label, logarithmic=False, from_zero=False):
    """Draw lines over the epochs, one panel beside the other, on one vertical axis.

    Args:
        panels: Sequence of (title, sequence of `Line`); lines without values are left out.
        label: String, what the vertical axis shows.
        logarithmic: Whether that axis is logarithmic if all values are positive and span a factor of 100 or more.
        from_zero: Whether that axis begins at zero.

    Returns:
        `matplotlib.figure.Figure`: half a page wide for one panel, else a page.

    Raises:
        ValueError: If there is no panel.

    Example:
        >>> line = Line([1, 2, 3], [1.0, 0.1, 0.001], "training")
        >>> curves([("", [line])], "loss", logarithmic=True).axes[0].get_yscale()
        'log'
    """
    panels = [(title, [line for line in lines if len(line.values)]) for title, lines in panels]
    checks.number("number of panels", len(panels), low=1, integer=True)
    width = _INCHES["half" if len(panels) == 1 else "full"]
    figure = matplotlib.figure.Figure(figsize=(width, 3.2), layout="constrained")
    grid = figure.subplots(1, len(panels), sharey=True, sharex=True, squeeze=False)[0]
    for axes, (title, lines) in zip(grid, panels):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
        axes.set_title(title, fontsize=10, loc="left", parse_math=False)
        axes.set_xlabel("epoch")
        for line in lines:
            _draw(axes, line)
    grid[0].set_ylabel(label, parse_math=False)
    every = [line for _, lines in panels for line in lines]
    if logarithmic and _spans_decades(every):
        grid[0].set_yscale("log")
    if from_zero:
        grid[0].update_datalim([(line.epochs[0], 0) for line in every])
        grid[0].autoscale_view()
        grid[0].set_ylim(bottom=0)
    _set_epochs(grid[0], every)
    return figure


def with_legend(figure):
    """Put a legend into the first panel of a figure of `curves` and return the figure.

    Args:
        figure: `matplotlib.figure.Figure`.

    Returns:
        `figure`.

    Example:
        >>> lines = [Line([1, 2], [1.0, 0.5], "training")]
        >>> figure = with_legend(curves([("", lines)], "loss"))
        >>> figure.axes[0].get_legend().get_texts()[0].get_text()
        'training'
    """
    handles = [line for line in figure.axes[0].get_lines() if not line.get_label().startswith("_")]
    legend = figure.axes[0].legend(handles, [line.get_label() for line in handles], frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def key(labels):
    """Draw the legend of many lines by itself, to stand above several figures.

    Args:
        labels: Sequence of strings; the n-th belongs to the look n of `Line`, counted from 0.

    Returns:
        `matplotlib.figure.Figure`, a page wide.

    Raises:
        ValueError: If there are no labels.

    Example:
        >>> [text.get_text() for text in key(["first", "second"]).legends[0].get_texts()]
        ['first', 'second']
    """
    checks.number("number of labels", len(labels), low=1, integer=True)
    columns = max(1, min(len(labels), int(104 / (max(map(len, labels)) + 8))))
    rows = math.ceil(len(labels) / columns)
    figure = matplotlib.figure.Figure(figsize=(_INCHES["full"], 0.24 * rows + 0.1))
    handles = [matplotlib.lines.Line2D([], [], linewidth=2.2, **_look(look)) for look in range(len(labels))]
    legend = figure.legend(
        handles, labels, ncols=columns, loc="center left", frameon=False, fontsize=10, handlelength=3, borderpad=0,
        borderaxespad=0, bbox_to_anchor=(0, 0.5), labelspacing=0.45,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def _look(look):
    return {
        "color": COLOURS[look % len(COLOURS)],
        "linestyle": _DASHES[look // len(COLOURS) % len(_DASHES)],
    }


def _draw(axes, line):
    epochs, values = np.asarray(line.epochs), np.asarray(line.values, "float64")
    finite = np.isfinite(values)
    look = _look(line.look)
    shown = np.where(finite, values, np.nan)
    axes.plot(epochs, shown, linewidth=1.6, marker="o" if finite.sum() < 4 else "", markersize=4, label=line.label,
              **look)
    if not finite.all():
        axes.plot(epochs[~finite], np.zeros((~finite).sum()), "x", color=look["color"], markersize=6,
                  transform=axes.get_xaxis_transform(), clip_on=False, label="_not finite")
    if line.marked is not None and np.any(finite & (epochs == line.marked)):
        place = epochs == line.marked
        axes.plot(epochs[place], values[place], "o", color=look["color"], markersize=9, fillstyle="none",
                  markeredgewidth=1.6, label="_marked")


def _spans_decades(lines):
    values = np.concatenate([np.asarray(line.values, "float64") for line in lines]) if lines else np.zeros(0)
    values = values[np.isfinite(values)]
    return len(values) > 0 and values.min() > 0 and values.max() >= 100 * values.min()


def _set_epochs(axes, lines):
    """Give the horizontal axis whole numbers, and room around a single epoch."""
    axes.xaxis.get_major_locator().set_params(integer=True)
    epochs = {int(epoch) for line in lines for epoch in line.epochs}
    if len(epochs) == 1:
        epoch = epochs.pop()
        axes.set_xlim(epoch - 1, epoch + 1)
        axes.set_xticks([epoch])
