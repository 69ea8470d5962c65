"""Multivariate noise normalisation: noise covariance of training trials and its inverse root."""

from typing import Literal

import numpy as np

from calcarine.data.errors import CalcarineError

Dim = Literal["residual", "time", "epochs"]
_BLOCK = 256  # covariances that are estimated at once
_SMALLEST = 1e-10  # share of the largest eigenvalue below which a direction holds no noise


def ledoit_wolf_many(samples: np.ndarray) -> np.ndarray:
    """Estimate many covariances with Ledoit-Wolf shrinkage (doi:10.1016/S0047-259X(03)00096-4).

    Parameters
    ----------
    samples
        Shape (n_sets, n_samples, n_channels); each set is centred by its own mean.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_sets, n_channels, n_channels).
    """
    x = np.asarray(samples, dtype=np.float64)
    x = x - x.mean(axis=1, keepdims=True)
    n_samples, n_channels = x.shape[1:]
    empirical = np.einsum("sni,snj->sij", x, x) / n_samples
    squares = x**2
    trace = squares.sum(axis=(1, 2)) / n_samples
    mu = trace / n_channels
    norm = (empirical**2).sum(axis=(1, 2))
    fourth = np.einsum("sni,snj->s", squares, squares) / n_samples
    beta = (fourth - norm) / (n_channels * n_samples)
    delta = (norm - 2 * mu * trace + n_channels * mu**2) / n_channels
    shrinkage = np.divide(np.minimum(beta, delta), delta, out=np.zeros_like(delta), where=delta > 0)
    out = (1 - shrinkage)[:, None, None] * empirical
    diagonal = np.arange(n_channels)
    out[:, diagonal, diagonal] += (shrinkage * mu)[:, None]
    return out


def noise_covariance(values: np.ndarray, conditions: np.ndarray, dim: Dim) -> np.ndarray:
    """Estimate the noise covariance between channels.

    Guggenmos et al. 2018, doi:10.1016/j.neuroimage.2018.02.044.

    Parameters
    ----------
    values
        Training trials, shape (n_trials, n_channels, n_times).
    conditions
        What each trial showed, shape (n_trials,).
    dim
        `time`: over the repeats of a condition at each time, averaged over times and conditions.
        `epochs`: over the times of each trial, averaged over trials and conditions; needs no
        repeats and counts the evoked response as noise. `residual`: of all deviations from their
        condition's mean at once; one estimate from many samples.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_channels, n_channels).

    Raises
    ------
    CalcarineError
        `time` or `residual`, and no condition was repeated.
    """
    conditions = np.asarray(conditions).astype(str)
    names, codes, counts = np.unique(conditions, return_inverse=True, return_counts=True)
    repeated = np.flatnonzero(counts >= 2)
    if dim != "epochs" and not len(repeated):
        raise CalcarineError(
            f"noise normalisation with dim {dim!r} compares repeats, and none of {len(names)} "
            "stimuli has two training trials. Use `dim: epochs`."
        )
    rows = np.split(np.argsort(codes, kind="stable"), np.cumsum(counts)[:-1])
    if dim == "residual":
        return _of_residuals(values, [rows[i] for i in repeated])
    if dim == "time":
        own = [rows[i] for i in repeated]
        return np.mean([_averaged(values[r].transpose(2, 0, 1)) for r in own], axis=0)
    return np.mean([_averaged(values[r].transpose(0, 2, 1)) for r in rows], axis=0)


def _averaged(sets: np.ndarray) -> np.ndarray:
    total = np.zeros((sets.shape[2], sets.shape[2]))
    for start in range(0, len(sets), _BLOCK):
        total += ledoit_wolf_many(sets[start : start + _BLOCK]).sum(axis=0)
    return total / len(sets)


def _of_residuals(values: np.ndarray, rows: list[np.ndarray]) -> np.ndarray:
    parts = []
    for own in rows:
        trials = np.asarray(values[own], dtype=np.float64)
        # a mean of n trials takes 1/n of the noise with it
        parts.append((trials - trials.mean(axis=0)) * np.sqrt(len(own) / (len(own) - 1)))
    residuals = np.concatenate(parts).transpose(0, 2, 1)
    return ledoit_wolf_many(residuals.reshape(1, -1, residuals.shape[2]))[0]


def inverse_root(covariance: np.ndarray) -> np.ndarray:
    """Give the symmetric inverse square root of a covariance.

    Directions without variance (an average reference, signal space separation) are left out, so
    that they stay silent.

    Parameters
    ----------
    covariance
        Shape (n_channels, n_channels).
    """
    values, vectors = np.linalg.eigh(np.asarray(covariance, dtype=np.float64))
    kept = values > _SMALLEST * values[-1]
    scale = np.zeros_like(values)
    scale[kept] = values[kept] ** -0.5
    return (vectors * scale) @ vectors.T


def residual_variance(values: np.ndarray, conditions: np.ndarray) -> tuple[float, float]:
    """Check whitening: variance and correlation of what repeats do not share.

    Parameters
    ----------
    values
        Whitened trials, shape (n_trials, n_channels, n_times).
    conditions
        What each trial showed; those that were shown once are left out.

    Returns
    -------
    variance : float
        Mean variance of a channel; 1 for the trials that the whitening was fitted on, and
        `whitened_variance` for others.
    correlation : float
        Mean magnitude of the correlation of two channels; NaN for one channel.
    """
    _, codes, counts = np.unique(
        np.asarray(conditions).astype(str), return_inverse=True, return_counts=True
    )
    rows = [np.flatnonzero(codes == i) for i in np.flatnonzero(counts >= 2)]
    if not rows:
        return float("nan"), float("nan")
    parts = []
    for own in rows:
        trials = np.asarray(values[own], dtype=np.float64)
        parts.append((trials - trials.mean(axis=0)) * np.sqrt(len(own) / (len(own) - 1)))
    residuals = np.concatenate(parts).transpose(1, 0, 2).reshape(values.shape[1], -1)
    covariance = residuals @ residuals.T / residuals.shape[1]
    variance = np.diag(covariance)
    if len(variance) < 2:
        return float(variance.mean()), float("nan")
    spread = np.sqrt(np.outer(variance, variance))
    correlation = np.divide(covariance, spread, out=np.zeros_like(covariance), where=spread > 0)
    off = ~np.eye(len(variance), dtype=bool)
    return float(variance.mean()), float(np.abs(correlation[off]).mean())


def whitened_variance(n_samples: float, n_channels: int) -> float:
    """Give the variance that new data have after whitening with an estimated covariance.

    With the covariance of n independent samples of p channels, E tr(S⁻¹Σ) / p = n / (n − p − 1)
    (mean of an inverse Wishart matrix).

    Examples
    --------
    >>> round(whitened_variance(1000, 60), 3)
    1.065
    """
    if n_samples <= n_channels + 1:
        return float("inf")
    return n_samples / (n_samples - n_channels - 1)
