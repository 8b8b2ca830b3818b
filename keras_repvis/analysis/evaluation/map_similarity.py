"""How alike two maps of one image are, by what is compared: the order, the picture, or its edges.

    spearman             rank correlation of the values, with their signs
    spearman_absolute    rank correlation of their sizes
    ssim                 structural similarity of the maps scaled to [0, 1], Gaussian windows of standard deviation 1.5
    hog                  correlation of their histograms of oriented gradients

All are 1 for equal maps and about 0 for unrelated ones, but for `ssim`, where two smooth maps are alike anyway: compare
with what unrelated maps have. The last two compare pictures and so look at maps enlarged to the size of the image. A
number is NaN where it is not defined, for instance the correlation with a constant map.

Reference:
    Adebayo, Gilmer, Muelly, Goodfellow, Hardt and Kim, "Sanity Checks for Saliency Maps", 2018, section 3. The
    constants are those of its notebooks; cells of the histograms are 16 pixels wide there, at 299 pixels, here at least
    8 fit into a side.
"""

import numpy as np

from keras_repvis.analysis.evaluation.salient_point import resize_bilinear

METRICS = ("spearman", "spearman_absolute", "ssim", "hog")
_SSIM_SIDE = 11
_HOG_SIDE = 8


def compare_maps(one, other, size=None):
    """Compare maps pairwise.

    Args:
        one: Array (batch, height, width) of finite numbers.
        other: Array of the same shape.
        size: Pair (height, width) of the images, to which "ssim" and "hog" enlarge maps; None (default) to take them as
            they are.

    Returns:
        Dict of float64 arrays (batch,): "spearman", "spearman_absolute", "ssim", "hog".

    Raises:
        ValueError: If the maps are not of one shape (batch, height, width), or not finite.

    Example:
        >>> import numpy as np
        >>> maps = np.random.default_rng(0).normal(size=(1, 16, 16))
        >>> found = keras_repvis.analysis.evaluation.compare_maps(maps, -maps)
        >>> found["spearman"].round(6).tolist(), found["spearman_absolute"].round(6).tolist()
        ([-1.0], [1.0])

    Reference:
        Adebayo et al., "Sanity Checks for Saliency Maps", 2018.
    """
    one, other = (np.asarray(maps, "float64") for maps in (one, other))
    if one.ndim != 3 or one.shape != other.shape or not (np.isfinite(one).all() and np.isfinite(other).all()):
        raise ValueError(
            f"maps of shape {one.shape} and {other.shape} are not accepted: expected finite numbers (batch, height, "
            "width), the same for both."
        )
    found = {"spearman": spearman(one, other), "spearman_absolute": spearman(np.abs(one), np.abs(other))}
    if size is not None and tuple(size) != one.shape[1:]:
        one, other = (resize_bilinear(maps, size) for maps in (one, other))
    one, other = (_scaled(maps) for maps in (one, other))
    return {**found, "ssim": _ssim(one, other), "hog": correlation(_hog(one), _hog(other))}


def spearman(one, other):
    """Return the rank correlation of each pair of maps (batch, ...), ties with their mean rank, float64 (batch,)."""
    from scipy import stats

    return correlation(*(stats.rankdata(np.reshape(maps, (len(maps), -1)), axis=1) for maps in (one, other)))


def correlation(one, other):
    """Return Pearson's correlation of each pair of rows (batch, values); NaN where one does not vary."""
    one, other = (rows - rows.mean(axis=1, keepdims=True) for rows in (one, other))
    norms = np.sqrt(np.square(one).sum(axis=1) * np.square(other).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(norms > 0, (one * other).sum(axis=1) / norms, np.nan)


def _scaled(maps):
    low, high = (function(maps, axis=(1, 2), keepdims=True) for function in (np.min, np.max))
    return (maps - low) / np.maximum(high - low, 1e-300)


def _ssim(one, other):
    from skimage import metrics

    if min(one.shape[1:]) < _SSIM_SIDE:
        return np.full(len(one), np.nan)
    options = {"gaussian_weights": True, "data_range": 1.0}
    return np.array([metrics.structural_similarity(*pair, **options) for pair in zip(one, other)])


def _hog(maps):
    from skimage import feature

    side = min(maps.shape[1:])
    if side < _HOG_SIDE:
        return np.zeros((len(maps), 1))
    cell = min(16, side // _HOG_SIDE)
    return np.stack([feature.hog(one, pixels_per_cell=(cell, cell)) for one in maps])
