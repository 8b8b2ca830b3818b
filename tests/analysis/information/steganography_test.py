"""A hidden code is found where it was put: in frequency, in amplitude, and by what the decoder loses without it."""

import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.analysis import information

AMPLITUDE = 0.02


@pytest.fixture(scope="module")
def images(hidden_code):
    return hidden_code.images(count=4, side=64)


@pytest.fixture(scope="module")
def found(hidden_code, images):
    smooth = np.clip(information.keep_band(images, 0.0, 0.1), 0, 1)
    return information.HiddenSignal(*hidden_code(AMPLITUDE), batch_size=3)(images, references=smooth)


def test_the_power_lies_at_the_frequency_of_the_carrier(found, images):
    """The chess board is at 0.707; what it carries, constant on 8 pixels, lies around it."""
    spectrum = found.code_spectrum
    power = np.nan_to_num(spectrum.power.mean(axis=0))
    assert spectrum.frequencies[power.argmax()] > 0.65
    highest = spectrum.frequencies > 0.5
    assert power[highest].mean() > 20 * power[~highest].mean()
    real = found.reference_spectrum.power.mean(axis=0)
    assert real[~highest].mean() > 20 * real[highest].mean()


def test_the_amplitude_is_that_of_the_code(found, images):
    """In all bands together, and of what a median leaves: the neighbours in a chess board have the median grey."""
    expected = 255 * AMPLITUDE * np.sqrt(np.square(images - 0.5).mean(axis=(1, 2, 3)))
    total = np.sqrt(np.square(found.code_bands).sum(axis=1))
    np.testing.assert_allclose(total, expected, rtol=1e-3)
    assert np.all(found.code_bands[:, -1] > 0.9 * total)
    np.testing.assert_allclose(found.code_residuals["low_pass"], expected, rtol=0.02)
    assert np.all(found.code_residuals["median"] > 0.9 * expected)
    assert np.all(found.code_residuals["rounding"] <= 0.5)
    assert np.all(found.reference_residuals["low_pass"] < found.code_residuals["low_pass"])


def test_a_low_pass_kills_the_code_and_nothing_below_it_matters(found, images):
    grey = 255 * np.abs(images - 0.5).mean(axis=(1, 2, 3))
    errors = found.low_pass.in_float.error
    assert found.low_pass.levels == tuple(sorted(found.low_pass.levels, reverse=True))
    np.testing.assert_allclose(errors[:, -1], grey, rtol=0.05)
    assert np.all(errors[:, 0] > 0.7 * grey)  # Even the highest cutoff, 0.5, is below the carrier.
    stops = found.band_stop.in_float.error
    assert np.all(stops[:, -1] > 0.9 * grey) and np.all(stops[:, :3] < 0.05 * grey[:, None])
    assert found.cutoff().median == 0.5


def test_the_right_cutoff_is_found(hidden_code, images):
    """One wave as code, sqrt((28/64)^2 + (28/64)^2) = 0.619 cycles per pixel: kept by cutoffs above, lost below."""
    wave = np.cos(np.pi * 28 * (np.arange(32) + 0.5) / 32)
    carrier = (wave[:, None] * wave)[None, :, :, None].astype("float32")
    mean_square = float(np.square(carrier).mean())

    def encode(images):
        return 0.5 + 0.05 * (tf.reduce_mean(images, axis=(1, 2), keepdims=True) - 0.5) * carrier

    def decode(codes):
        size = tf.reduce_mean((codes - 0.5) * carrier, axis=(1, 2), keepdims=True) / (0.05 * mean_square)
        return tf.broadcast_to(0.5 + size, tf.shape(codes))

    flat = np.broadcast_to(np.linspace(0.1, 0.9, 4, dtype="float32")[:, None, None, None], (4, 32, 32, 1))
    found = information.HiddenSignal(encode, decode, cutoffs=(0.55, 0.61, 0.63, 0.7))(flat)
    assert found.low_pass.levels == (0.7, 0.63, 0.61, 0.55)
    np.testing.assert_allclose(found.low_pass.in_float.error[:, :2], 0, atol=0.02)
    lost = 255 * np.abs(flat[:, 0, 0, 0] - 0.5)
    np.testing.assert_allclose(found.low_pass.in_float.error[:, 2:], np.stack([lost, lost], axis=1), rtol=1e-3)
    assert [bool(error > 1) for error in found.band_stop.in_float.error[0]] == [False, False, True, False, False]
    assert 0.61 <= found.cutoff().median <= 0.63


def test_what_is_stored_as_8_bits_is_measured_too(found):
    assert found.reconstruction.error_8bit.mean() > 10 * found.reconstruction.error.mean()
    assert np.all(found.low_pass.in_8bit.error[:, 0] > 0)


def test_the_table_has_a_row_a_band(found):
    rows = found.rows()
    assert len(rows) == 8 and rows[-1]["cycles/pixel"] == "0.5 to 0.71"
    assert rows[0]["and without all above"].images == 0 and rows[1]["and without all above"].images == 4
    assert rows[-1]["error without it"].mean > 10 * rows[0]["error without it"].mean
    assert "amplitude of real y" in rows[0]


def test_without_real_images_nothing_is_said_of_them():
    same = information.HiddenSignal(tf.identity, tf.identity, cutoffs=(0.25,))
    found = same(np.random.default_rng(0).random((2, 16, 16, 1)))
    assert found.reference_spectrum is None and found.reference_bands is None and found.reference_residuals is None
    assert "amplitude of real y" not in found.rows()[0]


def test_residuals_and_the_image_add_up():
    images = np.random.default_rng(0).random((2, 16, 16, 3)).astype("float32")
    for kind in ("median", "low_pass", "rounding"):
        left = information.residual(images, kind)
        assert left.shape == images.shape and left.dtype == np.float32
    np.testing.assert_allclose(
        images - information.residual(images, "low_pass"), information.keep_band(images, 0, 0.25), atol=1e-6
    )
    assert np.abs(information.residual(images, "rounding")).max() <= 0.5 / 255 + 1e-6
    board = 0.5 + 0.01 * (-1.0) ** np.indices((16, 16)).sum(0)[None, :, :, None]
    left = information.residual(board)[:, 1:-1, 1:-1]
    np.testing.assert_allclose(left, (board - 0.5)[:, 1:-1, 1:-1], atol=1e-6)
    with pytest.raises(ValueError, match="kind='mean' is not known"):
        information.residual(images, "mean")


@pytest.mark.parametrize("channels", [1, 3])
def test_a_faint_chess_board_becomes_visible_and_grey_stays_grey(channels):
    board = np.indices((64, 64)).sum(0)[None, :, :, None] % 2 * np.ones((1, 1, 1, channels))
    faint = 0.5 + 2 / 255 * board
    found = information.enhance_contrast(np.concatenate([faint, np.full_like(faint, 0.5)]))
    assert found.shape == (2, 64, 64, channels) and found.min() >= 0 and found.max() <= 1
    assert found[0].std() > 20 * faint.std() and found[1].std() < 1e-6 and np.isfinite(found).all()
    # Less than half a grey level is in no file.
    invisible = information.enhance_contrast(0.5 + 0.2 / 255 * board)
    assert invisible.std() < 1e-6


def test_arguments_are_checked():
    for arguments, message in (({"cutoffs": (0.9,)}, "cutoffs=0.9"), ({"bins": 0}, "bins=0")):
        with pytest.raises(ValueError, match=message):
            information.HiddenSignal(tf.identity, tf.identity, **arguments)
    with pytest.raises(ValueError, match="clip_limit=0"):
        information.enhance_contrast(np.zeros((1, 8, 8, 1)), clip_limit=0)
