"""The sensitivity of reconstructions whose response to noise is known in closed form."""

import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.analysis import information

# The expected absolute value of a normal variable of standard deviation 1.
MEAN_SIZE = np.sqrt(2 / np.pi)


def middle(count=4, side=32, channels=3):
    """Images away from black and white, so that nothing is clipped."""
    return np.random.default_rng(1).uniform(0.25, 0.75, (count, side, side, channels)).astype("float32")


def test_the_identity_lets_noise_through_as_it_is():
    found = information.ReconstructionSensitivity(tf.identity, tf.identity)(middle())
    for curve in list(found.curves.values())[:4]:
        width = float(curve.name.split()[-2]) if "blurred" in curve.name else 0.0
        independent = 4 * 32 * 32 * 3 / max(1, 4 * np.pi * width**2)
        expected = MEAN_SIZE * np.array(curve.levels)
        bound = 5 * np.sqrt(1 - 2 / np.pi) * np.array(curve.levels) / np.sqrt(independent)
        for field in ("amount", "error", "change"):
            assert np.all(np.abs(getattr(curve.in_float, field).mean(axis=0) - expected) <= bound + 1e-4), curve.name
    assert found.reconstruction.error.max() == 0
    # Rounding errors are uniform in [-1/2, 1/2]: their mean size is 1/4.
    np.testing.assert_allclose(found.reconstruction.error_8bit, 0.25, atol=0.02)


def test_a_hidden_code_of_amplitude_a_makes_noise_stronger_by_1_over_2a(hidden_code):
    amplitude = 0.02
    measure = information.ReconstructionSensitivity(*hidden_code(amplitude), batch_size=3)
    found = measure(hidden_code.images(count=4, side=64))
    curve = found.curves["white noise"]
    levels, independent = np.array(curve.levels), 4 * 32 * 32 * 3
    response = MEAN_SIZE * levels / (2 * amplitude)
    bound = 5 * np.sqrt(1 - 2 / np.pi) * levels / (2 * amplitude) / np.sqrt(independent)
    assert np.all(np.abs(curve.in_float.change.mean(axis=0) - response) <= bound + 2e-2)
    assert np.all(np.abs(curve.in_float.error.mean(axis=0) - response) <= bound + 2e-2)
    rms = levels / (2 * amplitude)
    found = curve.in_float.change_rms.mean(axis=0)
    np.testing.assert_allclose(found, rms, rtol=5 / np.sqrt(2 * independent), atol=2e-2)


def test_smooth_noise_does_not_reach_a_code_of_high_frequency(hidden_code):
    found = information.ReconstructionSensitivity(*hidden_code())(hidden_code.images(side=64))
    errors = {name: curve.in_float.error[:, -1].mean() for name, curve in found.curves.items() if "noise" in name}
    assert list(errors) == ["white noise", *(f"noise, blurred by {width} px" for width in (1, 2, 4))]
    white, *smooth = errors.values()
    assert smooth == sorted(smooth, reverse=True) and smooth[-1] < white / 20


def test_a_blur_and_a_change_of_size_wipe_the_code_out(hidden_code):
    images = hidden_code.images(side=64)
    found = information.ReconstructionSensitivity(*hidden_code())(images)
    grey = 255 * np.abs(images - 0.5).mean()
    for name, last in (("blur", 2.0), ("smaller and back", 4.0)):
        curve = found.curves[name]
        assert curve.levels[-1] == last
        assert abs(curve.in_float.error[:, -1].mean() / grey - 1) < 0.1
    jpeg = found.curves["JPEG"]
    np.testing.assert_array_equal(jpeg.in_float.error, jpeg.in_8bit.error)  # A JPEG file has 8 bits already.
    assert abs(jpeg.in_float.error[:, -1].mean() / grey - 1) < 0.1
    rounded = found.curves["rounding"]
    np.testing.assert_allclose(rounded.in_float.error[:, 0], found.reconstruction.error_8bit, rtol=1e-5)
    assert rounded.in_float.error[:, -1].mean() > 5 * rounded.in_float.error[:, 0].mean()


def test_the_amplitude_at_which_the_error_doubles_is_that_of_its_definition(hidden_code):
    """Without noise there is no error, which counts as 1/2: the threshold is 1, reached at 1 = sqrt(2/pi) s / 2a."""
    amplitude, levels = 0.02, tuple(np.linspace(0, 0.2, 9))
    measure = information.ReconstructionSensitivity(
        *hidden_code(amplitude), noise_levels=levels, noise_widths=(0.0,), bits=(), jpeg_qualities=(), blur_widths=(),
        resize_factors=(),
    )
    found = measure(hidden_code.images(count=8, side=64))
    assert list(found.curves) == ["white noise"]
    doubled = found.amplitude()
    assert abs(doubled.median / (2 * amplitude / MEAN_SIZE) - 1) < 0.05
    assert doubled.low <= doubled.median <= doubled.high
    assert found.amplitude(threshold="halfway").median == np.inf
    halfway = measure(0.5 + 0.02 * (hidden_code.images(count=8, side=64) - 0.5)).amplitude(threshold="halfway")
    assert 0 < halfway.median < 0.2
    # Rounding alone makes a larger error.
    assert found.amplitude(through_8bit=True).median == 0


def test_the_table_has_a_row_a_level(hidden_code):
    found = information.ReconstructionSensitivity(*hidden_code(), noise_widths=(0.0,))(hidden_code.images())
    rows = found.rows()
    assert len(rows) == 1 + 8 + 5 + 5 + 3 + 2 and rows[0]["corruption"] == "none"
    assert rows[1]["level"] == "0 grey levels" and rows[9]["level"] == "8 bits"
    assert rows[8]["error"].mean == pytest.approx(found.curves["white noise"].in_float.error[:, -1].mean())


def test_thresholds_and_names_are_checked(hidden_code):
    found = information.Sensitivity(information.Reconstruction(*np.ones((3, 2))), {})
    with pytest.raises(ValueError, match="expected one of .* and one of doubled, halfway"):
        found.amplitude()
