"""Masks of RISE against scikit-image's resizing, and what their mean, groups and seeds must be."""

import numpy as np
import pytest
from skimage.transform import resize

from keras_repvis.analysis.attribution import rise_masks


@pytest.mark.parametrize("grid, height, width", [(7, 32, 32), (7, 33, 50), (4, 9, 23), (8, 5, 6), (2, 16, 7)])
def test_masks_are_those_of_the_reference_code(grid, height, width):
    """Enlarged by scikit-image, with mirrored borders, and cut out at a place drawn for each mask."""
    masks = rise_masks.draw(3, 5, 40, grid, 0.5, height, width).numpy()
    numbers = rise_masks._uniform(3, 5, 40, grid * grid + 2).numpy()
    cells = [-(-side // grid) for side in (height, width)]
    places = set()
    for mask, row in zip(masks, numbers):
        large = resize(
            (row[2:].reshape(grid, grid) < 0.5).astype("float64"),
            [(grid + 1) * cell for cell in cells],
            order=1,
            mode="reflect",
            anti_aliasing=False,
        )
        top, left = (int(np.floor(number * cell)) for number, cell in zip(row, cells))
        places.add((top, left))
        np.testing.assert_allclose(mask, large[top : top + height, left : left + width], atol=1e-6)
    assert len(places) >= min(cells[0] * cells[1], 40) / 2


def test_one_cell_is_all_or_nothing():
    masks = rise_masks.draw(0, 0, 50, 1, 0.5, 4, 6).numpy()
    assert set(masks.reshape(50, -1).min(-1)) == set(masks.reshape(50, -1).max(-1)) == {0.0, 1.0}


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_every_pixel_has_the_mean_p(keep):
    masks = rise_masks.draw(1, 0, 4000, 7, keep, 20, 13).numpy()
    # 5 standard errors of a mean of 4000 numbers in [0, 1] of mean p, whose variance is at most p (1 - p).
    assert np.abs(masks.mean(axis=0) - keep).max() < 5 * np.sqrt(keep * (1 - keep) / 4000)
    assert 0 <= masks.min() and masks.max() <= 1 + 1e-6
    np.testing.assert_allclose(rise_masks.draw(1, 0, 9, 7, 1.0, 20, 13), 1, rtol=1e-6)


def test_a_mask_depends_on_seed_and_number_only():
    together = rise_masks.draw(5, 0, 60, 7, 0.5, 12, 12).numpy()
    for first, count in [(0, 1), (15, 2), (16, 16), (31, 29), (59, 1)]:
        part = rise_masks.draw(5, first, count, 7, 0.5, 12, 12).numpy()
        np.testing.assert_array_equal(part, together[first : first + count])
    assert len(np.unique(together.reshape(60, -1), axis=0)) == 60
    assert np.abs(rise_masks.draw(6, 0, 60, 7, 0.5, 12, 12).numpy() - together).max() > 0.5
