import numpy as np
import pytest
from scipy.signal import welch

from calcarine.data.phantom.meeg.noise import (
    NoisePart,
    PowerLaw,
    Rhythm,
    White,
    draw_noise,
    noise_covariance,
    square_root,
)

RATE_HZ = 100.0
SPECTRA = [White(), PowerLaw(1.2, 1.0), Rhythm(10.0, 0.8)]


@pytest.fixture
def mixing(rng):
    return rng.normal(size=(3, 3))


def test_square_roots_give_the_covariance_back(mixing):
    covariance = mixing @ mixing.T
    root = square_root(covariance)
    np.testing.assert_allclose(root @ root.T, covariance, atol=1e-12)


@pytest.mark.parametrize("spectrum", SPECTRA)
def test_noise_has_the_planted_covariance_and_spectrum(spectrum, mixing, rng):
    noise = draw_noise([NoisePart("one", mixing, spectrum)], 400_001, RATE_HZ, rng)
    assert noise.shape == (3, 400_001)
    expected = mixing @ mixing.T
    np.testing.assert_allclose(np.cov(noise), expected, atol=0.05 * expected.max())
    frequencies, power = welch(noise[0], RATE_HZ, nperseg=1000)
    inside = (frequencies > 1) & (frequencies < 45)
    shape = spectrum.density(frequencies[inside])
    strong = shape > 0.01 * shape.max()
    ratio = power[inside][strong] / shape[strong]
    np.testing.assert_allclose(ratio / ratio.mean(), 1, atol=0.25)


def test_parts_add_up(mixing, rng):
    parts = [NoisePart("a", mixing, White()), NoisePart("b", 2 * np.eye(3), Rhythm(10.0, 1.0))]
    noise = draw_noise(parts, 300_000, RATE_HZ, rng)
    expected = mixing @ mixing.T + 4 * np.eye(3)
    np.testing.assert_allclose(np.cov(noise), expected, atol=0.05 * expected.max())


def test_the_closed_form_is_what_filtering_and_baseline_leave(mixing, rng):
    """The oracle: cut epochs out of noise that an ideal filter has passed."""
    parts = [NoisePart("a", mixing, PowerLaw(1.2, 1.0)), NoisePart("b", np.eye(3), White())]
    band, baseline = (0.5, 30.0), (-0.1, 0.0)
    times = np.arange(-10, 51) / RATE_HZ
    n_samples, n_epochs = 800_000, 8000
    waves = np.fft.rfft(draw_noise(parts, n_samples, RATE_HZ, rng), axis=1)
    frequencies = np.fft.rfftfreq(n_samples, 1 / RATE_HZ)
    waves[:, (frequencies < band[0]) | (frequencies > band[1])] = 0
    passed = np.fft.irfft(waves, n_samples, axis=1)
    epochs = passed.reshape(3, n_epochs, -1)[:, :, : len(times)].transpose(1, 0, 2)
    epochs = epochs - epochs[:, :, times <= 0].mean(axis=2, keepdims=True)
    covariances, factors = noise_covariance(parts, RATE_HZ, band, times, baseline)
    for time in (5, 15, 30, 60):
        expected = np.einsum("p,pcd->cd", factors[:, time], covariances)
        found = np.cov(epochs[:, :, time].T)
        np.testing.assert_allclose(found, expected, atol=0.06 * expected.max())
