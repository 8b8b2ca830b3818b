"""Largest singular values of a matrix that is only known by its products with blocks of vectors.

Block Golub-Kahan bidiagonalisation from a random block. With V_0 orthonormal and random,

    U_j      an orthonormal basis of what A V_j adds to U_0 ... U_{j-1}
    V_{j+1}  an orthonormal basis of what A^T U_j adds to V_0 ... V_j

for j = 0 to `passes`, so that U spans A V_0, (A A^T) A V_0, ..., (A A^T)^passes A V_0. Then A^T U = V S^T holds exactly
with a small S, whose singular values s_i are the result, and A^T u_i = s_i v_i. None is above the singular value of A
in its place; how far A v_i is from s_i u_i bounds how far one of A's is from s_i.

Subspace iteration (the randomised SVD of Halko et al.) multiplies as often and keeps the last block only; to keep all
of them is much more precise where the spectrum is flat, as that of a random network is. Every block is orthonormalised
before the next product, against all before it and in several rounds: what is added is not lost in what is large.

Reference:
    Golub, Luk and Overton, "A Block Lanczos Method for Computing the Singular Values and Corresponding Singular Vectors
    of a Matrix", 1981. Halko, Martinsson and Tropp, "Finding Structure with Randomness", 2011. Musco and Musco,
    "Randomized Block Krylov Methods for Stronger and Faster Approximate Singular Value Decomposition", 2015.
"""

import dataclasses

import numpy as np
import tensorflow as tf

# How far from orthonormal rows may be, and the rounds that it takes at most.
_TOLERANCE, _ROUNDS = 3e-6, 8
# Squares of the length of what is left of a row, by the largest, below which it is nothing but rounding.
_NOTHING = 1e-13


@dataclasses.dataclass(frozen=True)
class PartialSVD:
    """The largest singular values of a matrix and what belongs to them, vectors as rows.

    Args:
        values: float64 array (rank,), largest first.
        left: float32 array (rank, outputs), orthonormal.
        right: float32 array (rank, inputs), orthonormal; of each the entry of largest size is positive.
    """

    values: np.ndarray
    left: np.ndarray
    right: np.ndarray


def decompose(multiply, multiply_transposed, sizes, rank, block, passes, generator):
    """Return the `rank` largest singular values of A, and their vectors.

    Args:
        multiply: Function from rows (n, inputs) to the rows A d (n, outputs), for any n.
        multiply_transposed: Function from rows (n, outputs) to the rows A^T s (n, inputs).
        sizes: Pair (outputs, inputs).
        rank: Integer >= 1, not above either of them.
        block: Integer >= rank, vectors that are multiplied at once.
        passes: Integer >= 0, how often the block goes through A^T and A again after the first time.
        generator: `numpy.random.Generator`.

    Returns:
        `PartialSVD`.
    """
    outputs, inputs = sizes
    left, right, rows = np.zeros((0, outputs), "float32"), np.zeros((0, inputs), "float32"), []
    added = right = _new_rows(right, generator.standard_normal((block, inputs), "float32"), generator)
    for _ in range(passes + 1):
        new = _new_rows(left, multiply(added), generator) if len(added) else added
        if not len(new):
            break
        left = np.concatenate([left, new])
        back = multiply_transposed(new)
        added = _new_rows(right, back, generator)
        right = np.concatenate([right, added])
        rows.append(back.astype("float64") @ right.T)
    small = np.concatenate([np.pad(one, ((0, 0), (0, len(right) - one.shape[1]))) for one in rows])
    # That of NumPy may take a hundred times as long when its threads wait for those of TensorFlow.
    values, mixed, turned = (one.numpy() for one in tf.linalg.svd(small))
    found = [one[:, :rank].T.astype("float32") @ basis for one, basis in ((mixed, left), (turned, right))]
    signs = np.sign(np.take_along_axis(found[1], np.abs(found[1]).argmax(axis=1)[:, None], axis=1))
    return PartialSVD(values[:rank], signs * found[0], signs * found[1])


def memory(sizes, block, passes):
    """Return the bytes of the vectors that `decompose` keeps and, while it adds to them, copies."""
    outputs, inputs = sizes
    left, right = min((passes + 1) * block, outputs), min((passes + 2) * block, inputs)
    # While a basis grows there are two of it; a block is worked on in twice the precision, with one copy in either.
    return 4 * (left * outputs + right * inputs + max(left * outputs, right * inputs) + 6 * block * max(sizes))


def _new_rows(basis, rows, generator):
    """Return orthonormal rows that with those of `basis` span all of `rows`, as many as there is room for.

    By the eigenvectors of the products of the rows among each other, which are few: of long rows nothing but products
    of matrices is taken. Where rows add less than others, random ones take their place.
    """
    room = min(len(rows), basis.shape[1] - len(basis))
    for _ in range(_ROUNDS if room else 0):
        inside = rows @ basis.T
        rows = rows - inside @ basis
        exact = rows.astype("float64")
        products = exact @ exact.T
        off = max(np.abs(products - np.eye(len(rows))).max(), np.abs(inside).max(initial=0.0))
        if off < _TOLERANCE and len(rows) == room:
            break
        squares, directions = (one.numpy() for one in tf.linalg.eigh(products))
        squares, directions = squares[-room:], directions[:, -room:]
        lost = squares <= _NOTHING * squares[-1]
        rows = ((directions / np.sqrt(np.where(lost, 1.0, squares))).T @ exact).astype("float32")
        rows[lost] = generator.standard_normal((lost.sum(), basis.shape[1]), "float32") / np.sqrt(basis.shape[1])
    return rows[:room]
