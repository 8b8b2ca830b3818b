import keras
import numpy as np
import pytest

from keras_repvis import models
from keras_repvis.analysis import UnsupportedModelError, information
from keras_repvis.analysis.information import randomized_svd
from keras_repvis.analysis.information.differentiable_map import DifferentiableMap

RANDOM = np.random.default_rng(0)


def linear(matrix, shape):
    """A network whose Jacobian is `matrix` (outputs, inputs) everywhere."""
    image = keras.Input(shape)
    dense = keras.layers.Dense(len(matrix), use_bias=False)
    model = keras.Model(image, keras.layers.Reshape((1, len(matrix), 1))(dense(keras.layers.Flatten()(image))))
    dense.set_weights([matrix.T])
    return model


@pytest.fixture(scope="module", name="generator")
def generator_fixture():
    """A generator with weights as training begins with, and an image of 32 pixels."""
    keras.utils.set_random_seed(0)
    model = models.ResNetGenerator(input_shape=(32, 32, 1), blocks=1, filters=8)
    image = np.add.outer(np.sin(np.arange(32) / 5), RANDOM.standard_normal(32) / 3)
    image = (image - image.min()) / (image.max() - image.min())
    return model, image[..., None].astype("float32")


@pytest.fixture(scope="module", name="dense")
def dense_fixture(generator):
    """Its dense Jacobian, (outputs, inputs)."""
    model, image = generator
    unit = np.eye(1024, dtype="float32").reshape(-1, 32, 32, 1)
    return DifferentiableMap("model", model, 64).vjp(image, unit).reshape(1024, 1024).astype("float64")


@pytest.fixture(scope="module", name="spectra")
def spectra_fixture(generator):
    model, image = generator
    return information.JacobianSpectrum(model)(image[None])


@pytest.mark.parametrize("outputs", [40, 12])
def test_a_linear_network_has_the_singular_values_of_its_kernel(outputs):
    matrix = RANDOM.standard_normal((outputs, 16)).astype("float32")
    found = information.JacobianSpectrum(linear(matrix, (4, 4, 1)), rank=5, probes=4)(RANDOM.random((2, 4, 4, 1)))
    left, values, right = np.linalg.svd(matrix.astype("float64"))
    for place in (0, 1):
        np.testing.assert_allclose(found.values[place], values[:5], rtol=1e-5)
        for alike in (found.right[place].reshape(5, -1) @ right[:5].T, found.left[place, :, 0, :, 0] @ left[:, :5]):
            np.testing.assert_allclose(np.abs(alike), np.eye(5), atol=1e-3)
    assert found.residuals.max() < 1e-4 * values[0]
    assert found.right.shape == (2, 5, 4, 4, 1) and found.left.shape == (2, 5, 1, outputs, 1)
    exact = np.sqrt(np.sum(values**2))
    assert (np.abs(found.frobenius - exact) < 5 * found.frobenius_error).all()
    np.testing.assert_allclose(found.log_volume, np.log(values[:5]).sum(), rtol=1e-4)
    np.testing.assert_allclose(found.stable_rank, (found.frobenius / values[0]) ** 2, rtol=1e-4)
    np.testing.assert_allclose(found.mean_gain, found.frobenius / 4, rtol=1e-6)


def test_a_jacobian_of_low_rank_leaves_nothing_to_estimate():
    matrix = np.outer(RANDOM.standard_normal(30), RANDOM.standard_normal(16)).astype("float32")
    found = information.JacobianSpectrum(linear(matrix, (4, 4, 1)), rank=3)(RANDOM.random((1, 4, 4, 1)))
    np.testing.assert_allclose(found.frobenius, np.linalg.norm(matrix), rtol=1e-5)
    np.testing.assert_allclose([found.participation_ratio, found.stable_rank], 1.0, rtol=1e-4)
    assert found.frobenius_error < 1e-3 and found.log_volume < -10


@pytest.mark.parametrize("gain,above", [(0.25, 0.0), (4.0, 1.0)])
def test_an_orthogonal_convolution_has_equal_values_and_contracts_or_expands(gain, above):
    """A rotation of the channels, and of the image by whole pixels around the borders."""
    rotation = np.linalg.qr(RANDOM.standard_normal((3, 3)))[0]
    image = keras.Input((6, 6, 3))
    convolution = keras.layers.Conv2D(3, 1, use_bias=False)
    model = keras.Model(image, keras.ops.roll(convolution(image), (2, 1), axis=(1, 2)))
    convolution.set_weights([gain * rotation[None, None]])
    images = RANDOM.random((2, 6, 6, 3), "float32")
    found = information.JacobianSpectrum(model, rank=8)(images)
    np.testing.assert_allclose(found.values, gain, rtol=1e-5)
    np.testing.assert_allclose(found.mean_gain, gain, rtol=1e-5)
    np.testing.assert_allclose([found.participation_ratio, found.stable_rank], 108, rtol=1e-4)
    np.testing.assert_allclose(found.log_volume, 8 * np.log(gain), rtol=1e-5)
    shares = information.JacobianDistribution(model, steps=3)(images)
    np.testing.assert_allclose([shares.shares, shares.low, shares.high], above, atol=1e-6)


def test_values_of_a_random_generator_are_those_of_the_dense_jacobian(dense, spectra):
    """All 16 within 2 % with 3 passes, and no value above its own."""
    exact = np.linalg.svd(dense, compute_uv=False)
    errors = 1 - spectra.values[0] / exact[:16]
    assert -1e-4 < errors.min() and errors.max() < 0.02
    assert exact[15] > 0.5 * exact[0], "a flat spectrum, where it is hard"
    nearest = np.abs(exact[:, None] - spectra.values[0]).min(axis=0)
    assert (nearest <= spectra.residuals[0] + 1e-4).all()
    second, fourth = np.sum(exact**2), np.sum(exact**4)
    assert abs(spectra.frobenius[0] - np.sqrt(second)) < 5 * spectra.frobenius_error[0] < 0.1 * np.sqrt(second)
    ratio = second**2 / fourth
    assert abs(spectra.participation_ratio[0] - ratio) < 5 * spectra.participation_ratio_error[0] < 0.3 * ratio


def test_directions_are_what_the_dense_jacobian_does_with_them(dense, spectra):
    right, left = spectra.right[0].reshape(16, -1), spectra.left[0].reshape(16, -1)
    np.testing.assert_allclose(left @ dense, spectra.values[0][:, None] * right, atol=1e-3)
    missed = np.linalg.norm(right @ dense.T - spectra.values[0][:, None] * left, axis=1)
    np.testing.assert_allclose(spectra.residuals[0], missed, atol=1e-3)
    np.testing.assert_allclose(right @ right.T, np.eye(16), atol=1e-4)


def test_no_direction_is_enlarged_more_than_the_largest_value(generator, spectra):
    model, image = generator
    directions = np.concatenate([RANDOM.standard_normal((40, 32, 32, 1)).astype("float32"), spectra.right[0]])
    pushed = DifferentiableMap("model", model, 32).jvp(image, directions).reshape(56, -1)
    gains = np.linalg.norm(pushed, axis=1) / np.linalg.norm(directions.reshape(56, -1), axis=1)
    assert gains.max() <= spectra.values[0, 0] * (1 + 1e-4)
    np.testing.assert_allclose(gains[40], spectra.values[0, 0], rtol=1e-3)


def test_a_generator_does_not_see_the_mean_of_a_channel(generator, spectra):
    """Padding by reflection, a convolution and instance normalisation take constants away."""
    model, image = generator
    constant = np.full((1, 32, 32, 1), 1 / 32, "float32")
    pushed = DifferentiableMap("model", model, 32).jvp(image, constant)
    assert np.linalg.norm(pushed) < 1e-3 * spectra.values[0, 0]
    assert np.abs(spectra.right[0].reshape(16, -1).sum(axis=1) / 32).max() < 1e-3


def test_an_image_has_its_spectrum_whatever_else_is_in_the_batch():
    keras.utils.set_random_seed(4)
    image = keras.Input((None, None, 3))
    hidden = keras.layers.GroupNormalization(-1)(keras.layers.Conv2D(4, 3, padding="same")(image))
    model = keras.Model(image, keras.layers.Conv2D(3, 3, padding="same")(keras.ops.tanh(hidden)))
    images = RANDOM.random((3, 16, 16, 3), "float32")
    shares = []
    together = information.JacobianSpectrum(model, rank=3, batch_size=50)(images, progress=shares.append)
    alone = information.JacobianSpectrum(model, rank=3, batch_size=7)(images[2:])
    np.testing.assert_allclose(together.values[2], alone.values[0], rtol=1e-4)
    np.testing.assert_allclose(together.right[2], alone.right[0], atol=1e-3)
    np.testing.assert_allclose(shares, [1 / 3, 2 / 3, 1])
    assert together.memory == randomized_svd.memory((768, 768), 19, 3)
    other = information.JacobianSpectrum(model, rank=3, seed=1)(images[2:])
    assert not np.array_equal(other.frobenius, alone.frobenius)
    np.testing.assert_allclose(other.values, alone.values, rtol=1e-2)


def test_bad_arguments_and_models_are_named():
    model = linear(np.eye(16, dtype="float32"), (4, 4, 1))
    for options in ({"rank": 0}, {"passes": -1}, {"oversampling": 1.5}, {"probes": 1}, {"seed": -1}, {"batch_size": 0}):
        with pytest.raises(ValueError, match=f"{next(iter(options))}="):
            information.JacobianSpectrum(model, **options)
    with pytest.raises(ValueError, match="rank=17 is not accepted: the Jacobian is 16 x 16"):
        information.JacobianSpectrum(model, rank=17)(np.zeros((1, 4, 4, 1), "float32"))
    with pytest.raises(ValueError, match=r"images from 0 to 255 .* \[0, 1\]"):
        information.JacobianSpectrum(model)(np.linspace(0, 255, 16).reshape(1, 4, 4, 1))
    image = keras.Input((4, 4, 1))
    mixing = keras.Model(image, image - keras.ops.mean(image, axis=0, keepdims=True))
    with pytest.raises(UnsupportedModelError, match="mixes the samples"):
        information.JacobianSpectrum(mixing)(np.zeros((1, 4, 4, 1), "float32"))
