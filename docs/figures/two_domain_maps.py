"""Draws docs/figures/two_domain_maps.png: towns of repvis_maps, seen from the air above, on the map below.

    python docs/figures/two_domain_maps.py
"""

import pathlib

import numpy as np
from PIL import Image

from keras_repvis.data import two_domain_maps

TOWNS, SIDE, GAP = 5, 128, 4


def draw():
    """Return the figure, a uint8 array."""
    figure = np.full((2 * SIDE + GAP, TOWNS * (SIDE + GAP) - GAP, 3), 255, np.uint8)
    for i, town in enumerate(two_domain_maps.generate("testA", TOWNS, SIDE)):
        left = i * (SIDE + GAP)
        figure[:SIDE, left : left + SIDE] = town.aerial
        figure[SIDE + GAP :, left : left + SIDE] = town.map
    return figure


def main():
    """Write the figure beside this file, the same bytes every time."""
    Image.fromarray(draw()).save(pathlib.Path(__file__).with_suffix(".png"), optimize=True)


if __name__ == "__main__":
    main()
