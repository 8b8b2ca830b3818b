"""Draws docs/figures/architecture.svg: the rooms of the package and the way imports point.

    python docs/figures/architecture.py
"""

import pathlib

import matplotlib
from matplotlib import patches
from matplotlib.figure import Figure

# Column by column from the left; a room imports only from columns to its left.
COLUMNS = (
    (("data", "data sets,\nstreams"),),
    (("layers", "blocks,\ngates"),),
    (("models", "networks,\ncosts"),),
    (("losses", "losses,\nregularisers"),),
    (("training", "learners,\nreplicas"),),
    (("analysis", "attribution,\ninformation"),),
    (("zoo", "publish,\nverify, load"), ("report", "figures,\npages")),
    (("claims", "the talks,\nmeasured"),),
    (("tools", "programs"),),
)
INK, LINE, FILL, TOOL = "#22313a", "#6b7f8a", "#e4eef2", "#f6e7d8"
WIDTH, HEIGHT, PITCH = 1.16, 1.0, 1.5


def draw():
    """Return the figure."""
    figure = Figure(figsize=(12.4, 4.3))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 13.75), ylim=(0, 4.75))
    axes.set_axis_off()
    middles = []
    for index, rooms in enumerate(COLUMNS):
        left = 0.3 + PITCH * index
        middles.append(left + WIDTH / 2)
        if len(rooms) > 1:
            axes.add_patch(patches.FancyBboxPatch(
                (left - 0.09, 1.65), WIDTH + 0.18, 2.4, boxstyle="round,pad=0,rounding_size=0.12", facecolor="none",
                edgecolor=LINE, linestyle=(0, (3, 3)), linewidth=0.8
            ))
        for place, (name, text) in enumerate(rooms):
            bottom = 2.35 + (0.62 - 1.24 * place if len(rooms) > 1 else 0)
            _room(axes, left, bottom, name, text, TOOL if name in ("claims", "tools") else FILL)
        if index:
            beside = 0.09 * (len(rooms) > 1), 0.09 * (len(COLUMNS[index - 1]) > 1)
            _arrow(axes, left - 0.03 - beside[0], left - PITCH + WIDTH + 0.03 + beside[1])
    axes.text(0.3, 4.45, "Imports point left, never right", color=INK, fontsize=12, weight="bold", va="center")
    note = "checks, registration and version stand left of all: everything may import them"
    axes.text(0.3, 4.08, note, color=LINE, fontsize=10, va="center")
    _road(axes, middles)
    return figure


def _room(axes, left, bottom, name, text, colour):
    box = patches.FancyBboxPatch(
        (left, bottom), WIDTH, HEIGHT, boxstyle="round,pad=0,rounding_size=0.09", facecolor=colour, edgecolor=LINE
    )
    axes.add_patch(box)
    middle, top = left + WIDTH / 2, bottom + HEIGHT
    axes.text(middle, top - 0.22, name, color=INK, fontsize=12, weight="bold", ha="center", va="center")
    axes.text(middle, top - 0.41, text, color=INK, fontsize=8.5, ha="center", va="top", linespacing=1.15)


def _arrow(axes, start, end):
    axes.add_patch(patches.FancyArrowPatch(
        (start, 2.85), (end, 2.85), arrowstyle="-|>", mutation_scale=11, color=LINE, shrinkA=0, shrinkB=0
    ))


def _road(axes, middles):
    """What travels: from images to a report, under the rooms that handle it."""
    stops = ((0, "images"), (2, "a network"), (4, "a training run"), (6, "a version\nin the zoo"),
             (8, "a report of\nwhat it sees"))
    level = 0.72
    axes.text(0.3, 1.28, "What travels", color=INK, fontsize=12, weight="bold", va="center")
    for (column, _), (following, _) in zip(stops, stops[1:]):
        axes.add_patch(patches.FancyArrowPatch(
            (middles[column] + 0.12, level), (middles[following] - 0.12, level), arrowstyle="-|>", mutation_scale=13,
            color="#c0703a", linewidth=1.6, shrinkA=0, shrinkB=0
        ))
    for column, text in stops:
        axes.add_patch(patches.Circle((middles[column], level), 0.075, color="#c0703a"))
        axes.text(middles[column], level - 0.2, text, color=INK, fontsize=9.5, ha="center", va="top", linespacing=1.15)


def main():
    """Write the figure beside this file, the same bytes every time."""
    matplotlib.rcParams["svg.hashsalt"] = "keras_repvis"
    path = pathlib.Path(__file__).with_suffix(".svg")
    draw().savefig(path, metadata={"Date": None}, facecolor="white")


if __name__ == "__main__":
    main()
