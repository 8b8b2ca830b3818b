"""Spectra keep the energy, put waves where they belong, and filters cut exactly there."""

import numpy as np
import pytest
from scipy import fft

from keras_repvis.analysis import information
from keras_repvis.analysis.information import spatial_frequency


def wave(rows, columns, height=32, width=48):
    """One cosine of the transform: its frequency is sqrt((rows / 2H)^2 + (columns / 2W)^2)."""
    y = np.cos(np.pi * rows * (np.arange(height) + 0.5) / height)
    x = np.cos(np.pi * columns * (np.arange(width) + 0.5) / width)
    return (y[:, None] * x)[None, :, :, None]


@pytest.mark.parametrize("rows, columns", [(0, 5), (7, 0), (20, 29), (31, 47)])
def test_a_wave_has_all_its_power_in_its_ring(rows, columns):
    image = 0.5 + 0.1 * wave(rows, columns)
    spectrum = information.radial_spectrum(image, bins=16)
    frequency = np.hypot(rows / 64, columns / 96)
    place = int(frequency / np.sqrt(0.5) * 16)
    assert abs(spectrum.frequencies[place] - frequency) <= np.sqrt(0.5) / 32
    others = np.delete(spectrum.power[0], place)
    assert np.nanmax(others) < 1e-9 < spectrum.power[0, place]


def test_the_power_of_all_rings_is_the_variance():
    image = np.random.default_rng(0).random((2, 20, 31, 3))
    spectrum = information.radial_spectrum(image, bins=10)
    y, x = np.meshgrid(np.arange(20) / 40, np.arange(31) / 62, indexing="ij")
    rings = np.minimum((np.hypot(y, x) / np.sqrt(0.5) * 10).astype(int), 9)
    rings[0, 0] = -1
    counts = np.array([(rings == ring).sum() for ring in range(10)])
    total = (spectrum.power * counts).sum(axis=1) / (20 * 31)
    expected = 255**2 * image.var(axis=(1, 2)).mean(axis=-1)
    np.testing.assert_allclose(total, expected, rtol=1e-9)


def test_a_band_is_cut_exactly():
    low, high = 0.2 * wave(3, 4), 0.1 * wave(20, 10)
    images = 0.5 + low + high
    between = (np.hypot(3 / 64, 4 / 96) + np.hypot(20 / 64, 10 / 96)) / 2
    np.testing.assert_allclose(information.keep_band(images, 0.0, between), 0.5 + low, atol=1e-6)
    np.testing.assert_allclose(information.keep_band(images, between, 1.0), high, atol=1e-6)
    np.testing.assert_allclose(information.keep_band(images, 0.0, 1.0), images, atol=1e-6)
    np.testing.assert_allclose(information.keep_band(images, 0.0, 1e-9), 0.5, atol=1e-6)


def test_amplitudes_of_bands_are_standard_deviations():
    images = 0.5 + 0.2 * wave(3, 4) + 0.1 * wave(20, 10)
    amplitude = spatial_frequency.band_amplitude(images, 0.2, 1.0)
    np.testing.assert_allclose(amplitude, 255 * (0.1 * wave(20, 10)).std(), rtol=1e-9)
    parts = [spatial_frequency.band_amplitude(images, *edges) for edges in ((0.0, 0.1), (0.1, 0.3), (0.3, 1.0))]
    np.testing.assert_allclose(np.sqrt(np.square(parts).sum(axis=0)), 255 * images.std(), rtol=1e-9)


def test_a_jump_between_opposite_borders_is_no_high_frequency():
    """What a Fourier transform makes of a ramp, for comparison."""
    ramp = np.tile(np.linspace(0, 1, 64), (64, 1))
    spectrum = information.radial_spectrum(ramp[None, :, :, None], bins=4).power[0]
    fourier = np.abs(fft.fft2(ramp, norm="ortho")) ** 2
    highest = 255**2 * fourier[0, 28:36].mean()
    assert spectrum[-1] < highest / 1000


def test_bins_are_checked():
    with pytest.raises(ValueError, match="bins=0 is not accepted"):
        information.radial_spectrum(np.zeros((1, 4, 4, 1)), bins=0)
