import numpy as np
import pytest

from keras_repvis.analysis.information import randomized_svd


def decompose(matrix, rank, block, passes, seed=0):
    return randomized_svd.decompose(
        lambda rows: rows @ matrix.T.astype("float32"),
        lambda rows: rows @ matrix.astype("float32"),
        matrix.shape, rank, block, passes, np.random.default_rng(seed),
    )


def with_values(values, outputs, inputs, seed=0):
    """A matrix of given singular values."""
    random = np.random.default_rng(seed)
    left, right = (np.linalg.qr(random.standard_normal((size, len(values))))[0] for size in (outputs, inputs))
    return left * values @ right.T


@pytest.mark.parametrize("shape", [(40, 40), (24, 60), (60, 24)])
def test_everything_is_found_where_the_blocks_span_everything(shape):
    matrix = np.random.default_rng(1).standard_normal(shape)
    found = decompose(matrix, 20, 24, 2)
    values = np.linalg.svd(matrix, compute_uv=False)
    np.testing.assert_allclose(found.values, values[:20], rtol=1e-5)
    np.testing.assert_allclose(found.left @ matrix, found.values[:, None] * found.right, atol=1e-4)
    np.testing.assert_allclose(found.right @ matrix.T, found.values[:, None] * found.left, atol=1e-4)


@pytest.mark.parametrize("passes", [0, 1, 3])
def test_vectors_are_orthonormal_and_values_not_above_the_true_ones(passes):
    values = 1.0 / np.arange(1, 201)
    found = decompose(with_values(values, 300, 250), 8, 12, passes)
    for vectors in (found.left, found.right):
        np.testing.assert_allclose(vectors @ vectors.T, np.eye(8), atol=1e-5)
    assert (found.values <= values[:8] * (1 + 1e-5)).all()
    peaks = np.take_along_axis(found.right, np.abs(found.right).argmax(axis=1)[:, None], axis=1)
    assert (peaks > 0).all()


def test_a_flat_spectrum_needs_passes_and_all_blocks():
    """Values that fall by a third over 200 of them: what three passes find, and what the last block alone would."""
    values = np.linspace(3.0, 2.0, 200)
    matrix = with_values(values, 300, 250)
    errors = [1 - decompose(matrix, 8, 24, passes).values / values[:8] for passes in (0, 1, 3)]
    assert errors[2].max() < 0.01 < errors[1].max() < errors[0].max()
    last = np.random.default_rng(0).standard_normal((250, 24))
    for _ in range(4):
        last = np.linalg.qr(matrix.T @ np.linalg.qr(matrix @ last)[0])[0]
    alone = np.linalg.svd(matrix @ last, compute_uv=False)[:8]
    assert (1 - alone / values[:8]).max() > 3 * errors[2].max()


def test_values_smaller_by_four_orders_are_not_lost_beside_a_large_one():
    values = np.array([1e4, 1.0, 0.9, 0.8, 0.5])
    found = decompose(with_values(values, 80, 90), 5, 6, 2)
    np.testing.assert_allclose(found.values, values, rtol=5e-3)


def test_a_matrix_of_low_rank_leaves_zeros_and_orthonormal_vectors():
    found = decompose(with_values(np.array([5.0, 3.0]), 40, 50), 6, 10, 3)
    np.testing.assert_allclose(found.values, [5, 3, 0, 0, 0, 0], atol=1e-4)
    np.testing.assert_allclose(found.left @ found.left.T, np.eye(6), atol=1e-5)
    np.testing.assert_allclose(found.right @ found.right.T, np.eye(6), atol=1e-5)


def test_products_are_counted():
    """`passes` + 1 times with the whole block each way, and no more."""
    counted = {"to": 0, "fro": 0}
    matrix = np.random.default_rng(0).standard_normal((100, 120)).astype("float32")

    def product(way, other):
        def multiply(rows):
            counted[way] += len(rows)
            return rows @ other

        return multiply

    random = np.random.default_rng(0)
    randomized_svd.decompose(product("to", matrix.T), product("fro", matrix), matrix.shape, 4, 10, 3, random)
    assert counted == {"to": 40, "fro": 40}


def test_memory_counts_the_bases():
    assert randomized_svd.memory((1000, 500), 10, 3) == 4 * (40 * 1000 + 50 * 500 + 40 * 1000 + 60 * 1000)
    assert randomized_svd.memory((20, 30), 10, 3) == 4 * (20 * 20 + 30 * 30 + 30 * 30 + 60 * 30)
