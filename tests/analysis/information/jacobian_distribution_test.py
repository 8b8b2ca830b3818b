import keras
import numpy as np
import pytest

from keras_repvis.analysis import information


def scaling(values):
    """A network that multiplies each value of an image by its own number."""
    image = keras.Input(values.shape)
    return keras.Model(image, image * keras.ops.convert_to_tensor(values.astype("float32")))


IMAGES = np.random.default_rng(0).random((2, 16, 16, 1), "float32")


def test_shares_lie_between_their_bounds_which_close_in_with_steps():
    values = np.random.default_rng(1).permutation(np.geomspace(0.02, 5.0, 256)).reshape(16, 16, 1)
    thresholds = (0.2, 1.0, 3.0)
    exact = np.array([(values > limit).mean() for limit in thresholds])
    widths = []
    for steps in (4, 12, 24):
        found = information.JacobianDistribution(scaling(values), thresholds, steps=steps, probes=16)(IMAGES)
        assert found.shares.shape == (2, 3) and found.thresholds == thresholds
        assert (found.low <= found.shares).all() and (found.shares <= found.high).all()
        # The bounds are for the directions drawn; their mean is off by chance.
        assert (found.low - 5 * found.errors <= exact).all() and (exact <= found.high + 5 * found.errors).all()
        widths.append((found.high - found.low).mean())
    assert widths[0] > 1.5 * widths[1] > 2 * widths[2], widths
    np.testing.assert_allclose(found.shares, np.broadcast_to(exact, (2, 3)), atol=0.06)


def test_two_values_are_told_apart_exactly():
    values = np.where(np.arange(256) < 64, 3.0, 0.5).reshape(16, 16, 1)
    found = information.JacobianDistribution(scaling(values), (0.4, 4.0), steps=6, probes=4)(IMAGES)
    np.testing.assert_allclose(found.shares, [[1, 0]] * 2, atol=1e-6)
    middle = information.JacobianDistribution(scaling(values), (1.0,), steps=6, probes=4)(IMAGES)
    # The share of the energy of the directions drawn that is in the first 64 of 256 values.
    drawn = np.random.default_rng(0).standard_normal((4, 256), "float32") ** 2
    expected = (drawn[:, :64].sum(axis=1) / drawn.sum(axis=1)).mean()
    for shares in (middle.shares, middle.low, middle.high):
        np.testing.assert_allclose(shares, expected, rtol=1e-4)


def test_seeds_decide_and_images_are_independent():
    model = scaling(np.geomspace(0.1, 4.0, 256).reshape(16, 16, 1))
    shares = []
    both = information.JacobianDistribution(model, steps=4, batch_size=3)(IMAGES, progress=shares.append)
    alone = information.JacobianDistribution(model, steps=4)(IMAGES[1:])
    np.testing.assert_allclose(both.shares[1], alone.shares[0], rtol=1e-4)
    assert shares == [0.5, 1.0]
    assert information.JacobianDistribution(model, steps=4, seed=1)(IMAGES[1:]).shares[0, 0] != alone.shares[0, 0]


def test_bad_arguments_are_named():
    model = scaling(np.ones((16, 16, 1)))
    for options in ({"thresholds": (0.0,)}, {"steps": 1}, {"probes": 1}, {"seed": -1}, {"batch_size": 0}):
        with pytest.raises(ValueError, match=f"{next(iter(options))}="):
            information.JacobianDistribution(model, **options)
