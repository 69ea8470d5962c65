"""The phantom's stationary noise: what brain and sensors do whatever is shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import fft

_GRID_HZ = 0.02


class Spectrum(Protocol):
    """Shape of a power spectrum."""

    def density(self, frequencies_hz: np.ndarray) -> np.ndarray:
        """Give the power at each frequency, in arbitrary units; same shape."""


@dataclass(frozen=True)
class White:
    """Equal power everywhere."""

    def density(self, frequencies_hz: np.ndarray) -> np.ndarray:
        """See `Spectrum`."""
        return np.ones_like(frequencies_hz)


@dataclass(frozen=True)
class PowerLaw:
    """Power that falls as frequency to the minus `exponent`, level below `knee_hz`."""

    exponent: float
    knee_hz: float

    def density(self, frequencies_hz: np.ndarray) -> np.ndarray:
        """See `Spectrum`."""
        return (1 + (frequencies_hz / self.knee_hz) ** 2) ** (-self.exponent / 2)


@dataclass(frozen=True)
class Rhythm:
    """A Gaussian peak in the spectrum."""

    peak_hz: float
    width_hz: float

    def density(self, frequencies_hz: np.ndarray) -> np.ndarray:
        """See `Spectrum`."""
        return np.exp(-((frequencies_hz - self.peak_hz) ** 2) / (2 * self.width_hz**2))


@dataclass(frozen=True)
class NoisePart:
    """One source of noise: a covariance over channels and a spectrum that all channels share.

    Attributes
    ----------
    name
        For a person.
    mixing
        Square root of the covariance over channels in SI units, shape (n_channels, n_parts).
    spectrum
        Shape of its power over frequency.
    """

    name: str
    mixing: np.ndarray
    spectrum: Spectrum


def square_root(covariance: np.ndarray) -> np.ndarray:
    """Give the symmetric square root of a covariance, shape (n, n)."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def draw_noise(
    parts: Sequence[NoisePart], n_samples: int, rate_hz: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw noise of the parts' covariances and spectra.

    Parameters
    ----------
    parts
        Independent of each other.
    n_samples, rate_hz
        Length and sampling rate.
    rng
        Of the run.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_channels, n_samples), mean 0.
    """
    # a length that the transform is fast at; what is too much is cut off
    length = fft.next_fast_len(n_samples, real=True)
    frequencies = fft.rfftfreq(length, 1 / rate_hz)
    waves = np.zeros((len(parts[0].mixing), 2 * len(frequencies)))
    for part in parts:
        power = part.spectrum.density(frequencies)
        power[0] = 0.0
        # each frequency but the ends stands for itself and its negative, in a real and an
        # imaginary part
        gain = np.repeat(np.sqrt(power / power.sum()) * length / 2, 2)
        waves += part.mixing @ (rng.standard_normal((part.mixing.shape[1], len(gain))) * gain)
    return np.asarray(fft.irfft(waves.view(np.complex128), length, axis=1)[:, :n_samples])


def band_share(spectrum: Spectrum, rate_hz: float, band_hz: tuple[float, float]) -> np.ndarray:
    """Give the shares of a part's variance at each frequency of a fine grid within a band.

    Returns
    -------
    numpy.ndarray
        Shape (2, n_frequencies): frequencies in Hz, and shares of the variance of the whole
        recording; their sum is what an ideal band-pass filter leaves.
    """
    frequencies = np.arange(1, int(rate_hz / 2 / _GRID_HZ)) * _GRID_HZ
    power = spectrum.density(frequencies)
    kept = (frequencies >= band_hz[0]) & (frequencies <= band_hz[1])
    return np.stack([frequencies[kept], (power / power.sum())[kept]])


def noise_covariance(
    parts: Sequence[NoisePart],
    rate_hz: float,
    band_hz: tuple[float, float],
    times_s: np.ndarray,
    baseline_s: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the covariance of band-passed, baseline-corrected noise at each time of an epoch.

    Parameters
    ----------
    parts, rate_hz
        The noise.
    band_hz
        Of an ideal band-pass filter.
    times_s
        Of the epoch.
    baseline_s
        Interval whose mean is subtracted.

    Returns
    -------
    tuple of numpy.ndarray
        Covariance of each part in the band without baseline correction, shape
        (n_parts, n_channels, n_channels), and the factor by which baseline correction changes it
        at each time, shape (n_parts, n_times).
    """
    before = times_s[(times_s >= baseline_s[0]) & (times_s <= baseline_s[1])]
    covariances, factors = [], []
    for part in parts:
        frequencies, shares = band_share(part.spectrum, rate_hz, band_hz)
        total = shares.sum()
        # what subtracting the baseline's mean does to a wave of each frequency
        waves = np.exp(2j * np.pi * frequencies * times_s[:, None])
        mean = np.exp(2j * np.pi * frequencies * before[:, None]).mean(axis=0)
        changed = (np.abs(waves - mean) ** 2) @ shares
        covariances.append(total * part.mixing @ part.mixing.T)
        factors.append(changed / total if total > 0 else np.ones(len(times_s)))
    return np.stack(covariances), np.stack(factors)
