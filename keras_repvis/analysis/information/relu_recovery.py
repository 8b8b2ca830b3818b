"""Whether a given x can be recovered from y = ReLU(Bx), by the rank of the rows of B that stayed active.

Row i of B says exactly what b_i . x is where the output is positive, and only an inequality where it is zero (or, for
ReLU6, where it is cut at six). The equalities determine x if and only if the active rows span R^n; otherwise the
inequalities, which are strict for almost every x, leave room to move along what the active rows do not see.

This is the theorem of `relu_collapse` as a measurement: on random matrices (`simulate_collapsed_share`), on any one
matrix (`is_recoverable`, `recover`) and, in `expansion_recovery`, on the layers of a trained network.

Reference:
    Sandler et al., 2018, MobileNetV2: Inverted Residuals and Linear Bottlenecks, appendix A, lemma 1.
"""

import numpy as np

from keras_repvis import checks

# A Gram matrix whose smallest eigenvalue is above this share of the largest is of full rank beyond doubt in float64.
# Below, singular values of the rows themselves decide.
_CERTAIN = 1e-10
_CHUNK_ELEMENTS = 4_000_000


def is_recoverable(weights, inputs, biases=None, max_value=None):
    """Say for each input whether ReLU(Bx + b) determines it.

    Args:
        weights: B, array `(expanded, bottleneck)`.
        inputs: Array `(..., bottleneck)` of inputs x.
        biases: b, array `(expanded,)`, or None for zero.
        max_value: Where the ReLU cuts from above (6 for ReLU6), or None. A cut unit tells as little as a silent one.

    Returns:
        Boolean array of shape `inputs.shape[:-1]`.

    Raises:
        ValueError: If the shapes do not fit together or `max_value` is not positive.

    Example:
        >>> from keras_repvis.analysis import information
        >>> weights = [[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]
        >>> information.is_recoverable(weights, [[1.0, 2.0], [1.0, -2.0], [1.0, -0.5]])
        array([ True,  True, False])
    """
    weights, inputs, biases = _checked(weights, inputs, biases)
    if max_value is not None:
        checks.number("max_value", max_value, above=0)
    before = inputs @ weights.T + biases
    active = before > 0 if max_value is None else (before > 0) & (before < max_value)
    return active_rows_span(weights, active.reshape(-1, len(weights))).reshape(active.shape[:-1])


def recover(weights, outputs, biases=None):
    """Solve ReLU(Bx + b) = y for x by least squares on the active rows.

    Args:
        weights: B, array `(expanded, bottleneck)`.
        outputs: y, array `(expanded,)`, the output of the ReLU.
        biases: b, array `(expanded,)`, or None for zero.

    Returns:
        Float64 array `(bottleneck,)`: x itself where the active rows span, else the shortest of the solutions of the
        equalities.

    Raises:
        ValueError: If the shapes do not fit together.

    Example:
        >>> from keras_repvis.analysis import information
        >>> information.recover([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]], [1.0, 2.0, 0.0]).round(6)
        array([1., 2.])
    """
    weights, _, biases = _checked(weights, np.zeros(np.shape(weights)[-1:]), biases)
    outputs = np.asarray(outputs, np.float64)
    if outputs.shape != (len(weights),):
        raise ValueError(f"outputs has shape {outputs.shape}: expected a value per row of weights, ({len(weights)},).")
    active = outputs > 0
    return np.linalg.lstsq(weights[active], outputs[active] - biases[active], rcond=None)[0]


def simulate_collapsed_share(expanded, bottleneck, samples=100_000, seed=0):
    """Estimate the collapsed share by drawing Gaussian B and x and looking at the rank of the active rows.

    Args:
        expanded: Number m of rows of B. Integer >= 1.
        bottleneck: Number n of columns of B. Integer >= 1.
        samples: Number of independent pairs (B, x). Integer >= 1. Default 100,000.
        seed: Integer >= 0. Default 0.

    Returns:
        Float in [0, 1], with a standard error of sqrt(p (1 - p) / samples) about `relu_collapse.collapsed_share`.

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> from keras_repvis.analysis import information
        >>> abs(information.simulate_collapsed_share(6, 3, samples=10_000) - 11 / 32) < 0.02
        True
    """
    checks.number("expanded", expanded, low=1, integer=True)
    checks.number("bottleneck", bottleneck, low=1, integer=True)
    checks.number("samples", samples, low=1, integer=True)
    generator = np.random.default_rng(checks.number("seed", seed, low=0, integer=True))
    chunk = max(1, _CHUNK_ELEMENTS // (expanded * bottleneck))
    collapsed = 0
    for start in range(0, samples, chunk):
        size = min(chunk, samples - start)
        weights = generator.standard_normal((size, expanded, bottleneck))
        inputs = generator.standard_normal((size, bottleneck, 1))
        active = (weights @ inputs)[..., 0] > 0
        collapsed += size - int(np.count_nonzero(active_rows_span(weights, active)))
    return collapsed / samples


def active_rows_span(weights, active):
    """Say for each sample whether its active rows span the bottleneck.

    Args:
        weights: Float64 array `(expanded, bottleneck)` for all samples, or `(samples, expanded, bottleneck)`.
        active: Boolean array `(samples, expanded)`.

    Returns:
        Boolean array `(samples,)`.
    """
    bottleneck = weights.shape[-1]
    spans = np.zeros(len(active), bool)
    # Fewer active rows than dimensions cannot span; the others are decided in chunks of bounded memory.
    candidates = np.flatnonzero(active.sum(axis=1) >= bottleneck)
    chunk = max(1, _CHUNK_ELEMENTS // (weights.shape[-2] * bottleneck))
    outer = None if weights.ndim == 3 else (weights[:, :, None] * weights[:, None, :]).reshape(len(weights), -1)
    for start in range(0, len(candidates), chunk):
        chosen = candidates[start : start + chunk]
        if outer is None:
            rows = weights[chosen] * active[chosen, :, None]
            gram = np.swapaxes(rows, 1, 2) @ rows
        else:
            gram = (active[chosen].astype(np.float64) @ outer).reshape(-1, bottleneck, bottleneck)
        eigenvalues = np.linalg.eigvalsh(gram)
        spans[chosen] = eigenvalues[:, 0] > _CERTAIN * eigenvalues[:, -1]
        for sample in chosen[~spans[chosen]]:
            matrix = weights if weights.ndim == 2 else weights[sample]
            spans[sample] = np.linalg.matrix_rank(matrix[active[sample]]) == bottleneck
    return spans


def _checked(weights, inputs, biases):
    weights = np.asarray(weights, np.float64)
    inputs = np.asarray(inputs, np.float64)
    if weights.ndim != 2 or weights.size == 0:
        raise ValueError(f"weights has shape {weights.shape}: expected (expanded, bottleneck), neither of them zero.")
    if inputs.ndim < 1 or inputs.shape[-1] != weights.shape[1]:
        raise ValueError(
            f"inputs has shape {inputs.shape}: expected (..., {weights.shape[1]}), one value per column of weights."
        )
    biases = np.zeros(len(weights)) if biases is None else np.asarray(biases, np.float64)
    if biases.shape != (len(weights),):
        raise ValueError(f"biases has shape {biases.shape}: expected one value per row of weights, ({len(weights)},).")
    return weights, inputs, biases
