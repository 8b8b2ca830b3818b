"""How many of all singular values of a Jacobian are large: contraction against expansion over the whole spectrum.

For a random direction d of norm 1 the energy of d along the right singular vectors is a measure on the singular values
whose mean over d is their distribution. Golub-Kahan bidiagonalisation from d, `steps` products with J and with J^T,
gives the nodes and weights of its Gauss quadrature, which bound it from both sides (Chebyshev, Markov and Stieltjes):
of the measure below a threshold t between the nodes s_k < t < s_{k+1}

    w_1 + ... + w_{k-1}  <=  m(s < t)  <=  w_1 + ... + w_{k+1}.

In between, the estimate counts half of each node's weight on either side of it and is linear in log s from node to
node. The interval becomes narrow where there are many nodes, that is with steps, and last for thresholds far below
the largest singular value.

Reference:
    Golub and Welsch, "Calculation of Gauss Quadrature Rules", 1969. Ubaru, Chen and Saad, "Fast Estimation of
    tr(f(A)) via Stochastic Lanczos Quadrature", 2017. Akhiezer, "The Classical Moment Problem", 1965 (the bounds).
"""

import dataclasses

import numpy as np

from keras_repvis import checks
from keras_repvis.analysis.information.differentiable_map import DifferentiableMap
from keras_repvis.analysis.information.translation_pair import check_images

_TINY = 1e-30
# A part of a direction that float32 cannot tell from none.
_NOTHING = 1e-5


@dataclasses.dataclass(frozen=True)
class JacobianShares:
    """Shares of the singular values of the Jacobians at some images that are above thresholds.

    Args:
        thresholds: Tuple of numbers.
        shares: float64 array (images, thresholds), in [0, 1]; of as many singular values as the input has values.
        low: float64 array (images, thresholds), lower bound for the directions drawn.
        high: float64 array (images, thresholds), upper bound for them.
        errors: float64 array (images, thresholds), standard error of `shares` as they change with the directions.

    Example:
        >>> import numpy as np
        >>> found = JacobianShares((1.0,), np.full((2, 1), 0.25), *np.zeros((3, 2, 1)))
        >>> found.shares[:, 0].tolist()
        [0.25, 0.25]
    """

    thresholds: tuple
    shares: np.ndarray
    low: np.ndarray
    high: np.ndarray
    errors: np.ndarray


class JacobianDistribution:
    """Estimate which share of the singular values of the Jacobian is above 1, or other thresholds, at each image.

    Memory: 4 probes steps (n + n') bytes for images of n values that become n' values, of one image at a time.

    Args:
        model: As `JacobianSpectrum` takes it.
        thresholds: Sequence of numbers > 0. Default (1.0,).
        steps: Integer >= 2, products of each direction with J and J^T. Default 24.
        probes: Integer >= 2, random directions. Default 8.
        seed: Integer >= 0.
        batch_size: Integer >= 1, directions that go through the model at once; bounds the memory. Default 32.

    Call arguments:
        images: float32 array (images, height, width, channels) in [0, 1]; any number.
        progress: None, or a function that is called with the share done, in [0, 1].

    Returns:
        `JacobianShares`.

    Raises:
        UnsupportedModelError: As `JacobianSpectrum`.
        ValueError: If an argument is not accepted.
        ArithmeticError: If the model puts out what is not finite.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from keras_repvis.analysis import information
        >>> image = keras.Input((8, 8, 1))
        >>> enlarge = keras.Model(image, keras.layers.Rescaling(3.0)(image))
        >>> distribution = information.JacobianDistribution(enlarge, thresholds=(1.0, 4.0), steps=4)
        >>> distribution(np.full((1, 8, 8, 1), 0.5, "float32")).shares.round(3)
        array([[1., 0.]])
    """

    def __init__(self, model, thresholds=(1.0,), steps=24, probes=8, seed=0, batch_size=32):
        self.thresholds = tuple(float(checks.number("thresholds", one, above=0)) for one in thresholds)
        self.steps = int(checks.number("steps", steps, low=2, integer=True))
        self.probes = int(checks.number("probes", probes, low=2, integer=True))
        self.seed = int(checks.number("seed", seed, low=0, integer=True))
        self._map = DifferentiableMap("model", model, batch_size)

    def __call__(self, images, progress=None):
        images = check_images("images", images)
        self._map.check(images[0])
        found = []
        for place, image in enumerate(images):
            rules = [_quadrature(*one) for one in zip(*self._bidiagonalise(image))]
            found.append([[_above(*rule, limit) for limit in self.thresholds] for rule in rules])
            if progress is not None:
                progress((place + 1) / len(images))
        # (images, probes, thresholds, 3)
        found = np.array(found)
        shares, low, high = np.moveaxis(found.mean(axis=1), -1, 0)
        errors = found[..., 0].std(axis=1, ddof=1) / np.sqrt(self.probes)
        return JacobianShares(self.thresholds, shares, low, high, errors)

    def _bidiagonalise(self, image):
        """Return (diagonals, superdiagonals) of the bidiagonal matrices, arrays (probes, steps)."""
        right = np.random.default_rng(self.seed).standard_normal((self.probes, image.size), "float32")
        right /= np.linalg.norm(right, axis=1, keepdims=True)
        rights, lefts, diagonals, above = [right], [], [], []
        for _ in range(self.steps):
            left = self._map.jvp(image, right.reshape(-1, *image.shape))
            output = left.shape[1:]
            left, length = _next(left.reshape(self.probes, -1), lefts)
            lefts.append(left)
            diagonals.append(length)
            right, length = _next(self._map.vjp(image, left.reshape(-1, *output)).reshape(self.probes, -1), rights)
            rights.append(right)
            above.append(length)
        return np.array(diagonals).T, np.array(above).T


def _next(rows, before):
    """Return each row made orthogonal to those of its own that were before and of norm 1, and its norm."""
    for _ in range(2):
        for one in before:
            rows = rows - np.sum(rows * one, axis=1, keepdims=True) * one
    lengths = np.linalg.norm(rows, axis=1)
    return rows / np.maximum(lengths, _TINY)[:, None], lengths


def _quadrature(diagonal, above):
    """Return (nodes, weights, exact): the measure that one direction sees, nodes in ascending order.

    `exact` if the direction has seen all that it can see before the last step: then the nodes are all there is, and
    further ones would be made of rounding errors.
    """
    ends = np.flatnonzero(above <= _NOTHING * diagonal.max())
    steps = ends[0] + 1 if len(ends) else len(diagonal)
    _, nodes, directions = np.linalg.svd(np.diag(diagonal[:steps].astype("float64")) + np.diag(above[: steps - 1], 1))
    return nodes[::-1], np.square(directions[::-1, 0]), bool(len(ends))


def _above(nodes, weights, exact, threshold):
    """Return (estimate, lower bound, upper bound) of the measure above a threshold."""
    sums = np.concatenate([[0.0], np.cumsum(weights)])
    below = int(np.searchsorted(nodes, threshold))
    if exact:
        estimate = low = high = sums[below]
    else:
        low, high = sums[max(below - 1, 0)], sums[min(below + 1, len(weights))]
        logs = np.log(np.maximum(nodes, _TINY))
        estimate = np.interp(np.log(threshold), logs, sums[:-1] + weights / 2, left=0.0, right=sums[-1])
    return np.clip(1 - np.array([estimate, high, low]), 0.0, 1.0)
