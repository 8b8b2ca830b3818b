import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import optimize

from keras_repvis.analysis import UnsupportedModelError, information
from keras_repvis.analysis.information import adversarial_code

RANDOM = np.random.default_rng(0)
STARTS = RANDOM.random((3, 4, 4, 1), "float32")


def linear(matrix, offset):
    """G(y) = A y + b, from 4 x 4 values to as many as A has rows."""
    code = keras.Input((4, 4, 1))
    dense = keras.layers.Dense(len(matrix))
    model = keras.Model(code, keras.layers.Reshape((4, -1, 1))(dense(keras.layers.Flatten()(code))))
    dense.set_weights([matrix.T, offset])
    return model


def build(branch):
    code = keras.Input((4, 4, 1))
    return keras.Model(code, branch(code))


def flat(arrays):
    return arrays.reshape(len(arrays), -1)


def test_a_linear_decoder_is_inverted():
    """Without a limit a square system has its solution, whatever the loss."""
    matrix = np.linalg.qr(RANDOM.standard_normal((16, 16)))[0] @ np.diag(np.linspace(0.5, 2.0, 16))
    offset = 0.5 - matrix.sum(axis=1) / 2
    decoder = linear(matrix, offset)
    solutions = RANDOM.uniform(0.3, 0.7, (3, 4, 4, 1)).astype("float32")
    targets = decoder(solutions).numpy()
    for loss in ("l1", "l2"):
        found = information.AdversarialEncoding(decoder, steps=600, loss=loss)(targets, STARTS)
        assert found.loss.max() < 0.1 and found.start_loss.min() > 10 and found.reduction.min() > 0.99
        np.testing.assert_allclose(found.codes, solutions, atol=2e-3)
        assert found.loss_8bit.max() < 1.0, "rounding moves each value by half a grey level at most"


@pytest.mark.parametrize("radius", [None, 20.0])
def test_a_linear_decoder_with_more_outputs_has_the_least_squares_solution_of_the_box(radius):
    matrix, targets = RANDOM.standard_normal((32, 16)) / 4, RANDOM.random((3, 4, 8, 1), "float32")
    found = information.AdversarialEncoding(linear(matrix, np.zeros(32)), radius, 800, loss="l2")(targets, STARTS)
    limit = 1.0 if radius is None else radius / 255
    for code, target, start in zip(*map(flat, (found.codes, targets, STARTS.astype("float64")))):
        box = np.maximum(start - limit, 0), np.minimum(start + limit, 1)
        best = optimize.lsq_linear(matrix, target, box, tol=1e-12)
        np.testing.assert_allclose(code, best.x, atol=5e-3)
        assert np.sum((matrix @ code - target) ** 2) <= 2 * best.cost * 1.001


def test_a_linear_decoder_has_the_smallest_sum_of_differences():
    """min sum |A y - x| over 0 <= y <= 1 is a linear program."""
    matrix, targets = RANDOM.standard_normal((32, 16)) / 4, RANDOM.random((2, 4, 8, 1), "float32")
    found = information.AdversarialEncoding(linear(matrix, np.zeros(32)), steps=1500)(targets, STARTS[:2])
    one, many = np.eye(32), np.ones(32)
    for loss, target in zip(found.loss, flat(targets)):
        sides = np.block([[matrix, -one], [-matrix, -one]]), np.concatenate([target, -target])
        best = optimize.linprog(np.concatenate([np.zeros(16), many]), *sides, bounds=[(0, 1)] * 16 + [(0, None)] * 32)
        assert best.fun * 255 / 32 <= loss * (1 + 1e-5) and loss <= best.fun * 255 / 32 * 1.02


@pytest.mark.parametrize("radius", [0.3, 3.0, 100.0])
def test_no_value_leaves_the_ball_or_the_range_by_rounding_either(radius):
    """Black and white are as far as can be from all but black and white."""
    same = build(lambda code: 1.0 * code)
    targets = np.round(RANDOM.random(STARTS.shape)).astype("float32")
    found = information.AdversarialEncoding(same, radius, 40)(targets, STARTS)
    moved = found.codes.astype("float64") - STARTS
    assert np.abs(moved).max() <= radius / 255 and found.codes.min() >= 0 and found.codes.max() <= 1
    ends = np.clip(STARTS + np.where(targets > 0, radius / 255, -radius / 255), 0, 1)
    np.testing.assert_allclose(found.codes, ends, atol=1e-6)
    np.testing.assert_allclose(found.distances, 255 * np.abs(flat(moved)).max(axis=1))
    np.testing.assert_allclose(found.mean_distances, 255 * np.abs(flat(moved)).mean(axis=1))


def test_what_is_reported_is_what_was_found():
    decoder = build(lambda code: 0.5 + 0.5 * keras.ops.sin(9.0 * code))
    starts = np.round(255 * STARTS).astype("float32") / 255
    targets = RANDOM.random(starts.shape, "float32")
    found = information.AdversarialEncoding(decoder, 6.0, 30)(targets, starts)
    assert found.losses.shape == (3, 31)

    def distance(codes):
        return 255 * np.abs(flat(decoder(codes).numpy() - targets)).mean(axis=1)

    kept = np.round(255 * found.codes).astype("float32") / 255
    np.testing.assert_allclose(found.losses[:, 0], distance(starts), rtol=1e-5)
    np.testing.assert_allclose(found.start_loss, found.losses[:, 0], rtol=1e-5)
    np.testing.assert_allclose(found.loss, distance(found.codes), rtol=1e-5)
    np.testing.assert_allclose(found.loss, found.losses.min(axis=1), rtol=1e-5)
    np.testing.assert_allclose(found.loss_8bit, distance(kept), rtol=1e-5)
    np.testing.assert_allclose(found.distances_8bit, 255 * np.abs(flat(kept - starts)).max(axis=1), rtol=1e-5)
    np.testing.assert_allclose(found.reconstructions, decoder(found.codes), atol=1e-6)
    assert (found.distances_8bit <= 6.0 + 1e-4).all(), "a start of 8 bits, a whole number of levels: none by rounding"
    assert found.diagnostics == {"batch_gap": 0.0}


def test_the_best_point_is_kept_where_steps_overshoot():
    decoder = build(lambda code: 1.0 * code)
    found = information.AdversarialEncoding(decoder, steps=3, learning_rate=0.9)(STARTS + 1e-3 * (STARTS < 0.9), STARTS)
    assert (found.losses[:, 1] > found.losses[:, 0]).all()
    np.testing.assert_allclose(found.loss, found.losses.min(axis=1), rtol=1e-4)


def test_neither_segments_nor_batches_change_what_is_found(monkeypatch):
    keras.utils.set_random_seed(0)
    hidden, enlarge = keras.layers.Conv2D(4, 2, activation="gelu"), keras.layers.Conv2DTranspose(1, 3, 2)
    decoder = build(lambda code: enlarge(hidden(code)))
    starts, targets = STARTS, RANDOM.random((3, 7, 7, 1), "float32")
    shares, many = [], []
    whole = information.AdversarialEncoding(decoder, 8.0, 12, loss="l2")(targets, starts, shares.append)
    monkeypatch.setattr(adversarial_code, "_SECONDS", -1.0)
    single = information.AdversarialEncoding(decoder, 8.0, 12, loss="l2", batch_size=2)
    found = single(targets, starts, many.append)
    np.testing.assert_allclose(found.codes, whole.codes, atol=1e-4)
    np.testing.assert_allclose(found.losses, whole.losses, rtol=1e-3)
    assert len(many) == 24 and many == sorted(many) and many[-1] == shares[-1] == 1.0
    assert len(shares) < 12, "segments grow"
    assert (whole.losses.min(axis=1) < whole.losses[:, 0]).all()


def test_a_start_without_influence_is_told():
    decoder = build(lambda code: keras.ops.relu(code - 0.5))
    starts = np.concatenate([np.full((1, 4, 4, 1), 0.25), np.full((1, 4, 4, 1), 0.75)]).astype("float32")
    found = information.AdversarialEncoding(decoder, steps=10)(np.full((2, 4, 4, 1), 0.4, "float32"), starts)
    assert found.zero_gradient.tolist() == [True, False] and found.reduction[0] == 0 < found.reduction[1]


def test_bad_arguments_and_models_are_named():
    decoder = build(lambda code: 2.0 * code)
    for options in ({"radius": 0.0}, {"steps": 0}, {"learning_rate": 0.0}, {"loss": "l3"}, {"batch_size": 0}):
        with pytest.raises(ValueError, match=f"{next(iter(options))}="):
            information.AdversarialEncoding(decoder, **options)
    search = information.AdversarialEncoding(decoder, steps=1)
    with pytest.raises(ValueError, match=r"targets of shape \(3, 4, 5, 1\) .* expected \(3, 4, 4, 1\)"):
        search(np.zeros((3, 4, 5, 1), "float32"), STARTS)
    with pytest.raises(ValueError, match=r"targets of shape \(2, 4, 4, 1\)"):
        search(STARTS[:2], STARTS)
    with pytest.raises(ValueError, match="starts from"):
        search(STARTS, STARTS * 255)
    for branch, message in (
        (lambda code: keras.ops.round(code), "no gradient reaches"),
        (lambda code: code - keras.ops.mean(code, axis=0, keepdims=True), "mixes the samples"),
    ):
        with pytest.raises(UnsupportedModelError, match=message):
            information.AdversarialEncoding(build(branch), steps=1)(STARTS, STARTS)
    with pytest.raises(UnsupportedModelError, match="2 tensors"):
        information.AdversarialEncoding(lambda code: (code, tf.identity(code)))(STARTS, STARTS)
