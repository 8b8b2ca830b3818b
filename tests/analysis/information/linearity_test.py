import keras
import numpy as np
import pytest

from keras_repvis.analysis import UnsupportedModelError, information

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.random((3, 6, 6, 2), "float32")


def build(branch):
    image = keras.Input((6, 6, 2))
    return keras.Model(image, branch(image))


def test_a_linear_network_has_no_error_but_rounding():
    keras.utils.set_random_seed(0)
    model = build(lambda x: keras.layers.Conv2DTranspose(3, 3, 2)(keras.layers.Conv2D(8, 3)(x)))
    found = information.LocalLinearity(model, random=2, data=1, singular=3)(IMAGES)
    assert {kind: found.errors[kind].shape for kind in found.errors} == {
        "random": (3, 2, 9), "data": (3, 1, 9), "singular": (3, 3, 9),
    }
    for kind, errors in found.errors.items():
        assert (errors < 10 * found.floor(kind) + 1e-6).all() and errors[..., -1].max() < 1e-5
        gains = found.changes[kind] / np.array(found.amplitudes)
        # 36 x 2 values in, 9 x 9 x 3 out.
        expected = np.broadcast_to(found.gains[kind][..., None], gains.shape)
        np.testing.assert_allclose(gains * np.sqrt(243 / 72), expected, rtol=2e-3)


def test_amplitudes_are_those_of_every_direction_and_a_square_errs_by_its_second_order():
    """(y + e d)^2 - y^2 = 2 e y d + e^2 d^2, the last of which a Jacobian does not predict."""
    amplitudes = (0.01, 0.1, 0.5)
    model = build(keras.ops.square)
    found = information.LocalLinearity(model, amplitudes, random=2, data=2, singular=0, seed=3)(IMAGES)
    for place, image in enumerate(IMAGES.astype("float64")):
        directions = {
            "random": np.random.default_rng(3).standard_normal((2, 6, 6, 2), "float32"),
            "data": IMAGES[[(place + 1) % 3, (place + 2) % 3]] - IMAGES[place],
        }
        for kind, some in directions.items():
            some = some / np.sqrt(np.mean(some.astype("float64") ** 2, axis=(1, 2, 3), keepdims=True))
            for which, direction in enumerate(some):
                for at, amplitude in enumerate(amplitudes):
                    second = (amplitude * direction) ** 2
                    change = 2 * amplitude * image * direction + second
                    expected = np.linalg.norm(second) / np.linalg.norm(change)
                    np.testing.assert_allclose(found.errors[kind][place, which, at], expected, rtol=1e-3)
                    rms = np.sqrt(np.mean(change**2))
                    np.testing.assert_allclose(found.changes[kind][place, which, at], rms, rtol=1e-3)
    means = found.mean("data")
    assert [one.images for one in means] == [3, 3, 3]
    np.testing.assert_allclose([one.mean for one in means], found.errors["data"].mean(axis=(0, 1)))


def test_singular_directions_are_those_of_the_spectrum():
    keras.utils.set_random_seed(1)
    model = build(lambda x: keras.layers.Conv2D(4, 3, activation="tanh")(x))
    found = information.LocalLinearity(model, (1e-3,), random=0, data=0, singular=4, seed=2)(IMAGES)
    spectra = information.JacobianSpectrum(model, rank=4, seed=2)(IMAGES)
    np.testing.assert_allclose(found.gains["singular"], spectra.values, rtol=1e-3)
    assert list(found.errors) == ["singular"] and found.errors["singular"].max() < 0.02


def test_where_nothing_changes_nothing_is_missed():
    """The first channel is cut off; along the second directions differ in it alone."""
    images = np.repeat(IMAGES[:1], 2, axis=0)
    images[1, ..., 0] = 1 - images[1, ..., 0]
    model = build(lambda x: x * np.float32([0.0, 1.0]))
    found = information.LocalLinearity(model, (0.25,), random=0, data=1, singular=0)(images)
    assert (found.errors["data"] == 0).all() and (found.floor("data") == np.inf).all()


def test_errors_do_not_depend_on_the_size_of_batches():
    keras.utils.set_random_seed(2)
    model = build(lambda x: keras.layers.GroupNormalization(-1)(keras.layers.Conv2D(4, 3, activation="gelu")(x)))
    shares = []
    one = information.LocalLinearity(model, (0.01, 0.1), random=3, singular=0, batch_size=2)(IMAGES, shares.append)
    other = information.LocalLinearity(model, (0.01, 0.1), random=3, singular=0, batch_size=32)(IMAGES)
    for kind in other.errors:
        np.testing.assert_allclose(one.errors[kind], other.errors[kind], rtol=1e-2)
    np.testing.assert_allclose(shares, [1 / 3, 2 / 3, 1])


def test_bad_arguments_and_models_are_named():
    model = build(keras.ops.square)
    refused = {"amplitudes": (0.0,), "random": -1, "data": -1, "singular": 0.5, "passes": -1, "seed": -1}
    for options in ({name: value} for name, value in refused.items()):
        with pytest.raises(ValueError, match=f"{next(iter(options))}="):
            information.LocalLinearity(model, **options)
    with pytest.raises(ValueError, match=r"amplitudes=\(\)"):
        information.LocalLinearity(model, ())
    with pytest.raises(ValueError, match="leave no direction"):
        information.LocalLinearity(model, random=0, data=0, singular=0)
    with pytest.raises(ValueError, match="data=0"):
        information.LocalLinearity(model)(IMAGES[:1])
    with pytest.raises(ValueError, match="images 0 and 1 are the same"):
        information.LocalLinearity(model, singular=0)(IMAGES[[0, 0]])
    with pytest.raises(ValueError, match="kind='noise' is not known"):
        information.LocalLinearity(model, (0.1,), singular=0)(IMAGES).mean("noise")
    with pytest.raises(UnsupportedModelError, match="no gradient"):
        information.LocalLinearity(build(keras.ops.round), singular=0)(IMAGES)
