"""Ordinary least squares in pieces, and first-order autocorrelation."""

import numpy as np

_AR_STEP = 0.01


def residuals_of(values: np.ndarray, design: np.ndarray) -> np.ndarray:
    """Take the part of `values` (n_volumes, …) that the columns of a design cannot explain."""
    basis = orthonormal_basis(design)
    return values - basis @ (basis.T @ values)


def orthonormal_basis(design: np.ndarray) -> np.ndarray:
    """Give an orthonormal basis of a design's columns, whatever its rank."""
    scale = np.linalg.norm(design, axis=0)
    scaled = design[:, scale > 0] / scale[scale > 0]
    left, singular, _ = np.linalg.svd(scaled, full_matrices=False)
    return left[:, singular > 1e-8 * singular.max(initial=0.0)]


def ar1_coefficients(series: np.ndarray, design: np.ndarray) -> np.ndarray:
    """Estimate the lag-1 autocorrelation of the residuals (Yule-Walker), as nilearn does.

    Parameters
    ----------
    series
        Shape (n_volumes, n_voxels).
    design
        Shape (n_volumes, n_regressors).

    Returns
    -------
    numpy.ndarray
        Shape (n_voxels,), cut to steps of 0.01.
    """
    rest = residuals_of(np.asarray(series, dtype=np.float64), design)
    n_volumes = len(rest)
    variance = (rest**2).sum(axis=0) / n_volumes
    lagged = (rest[1:] * rest[:-1]).sum(axis=0) / (n_volumes - 1)
    rho = np.divide(lagged, variance, out=np.zeros_like(lagged), where=variance > 0)
    return np.clip(np.trunc(rho / _AR_STEP) * _AR_STEP, -0.99, 0.99)


def whiten(values: np.ndarray, rho: float) -> np.ndarray:
    """Remove AR(1) autocorrelation along the first axis; the first row stays as it is."""
    out = np.array(values, dtype=np.float64)
    out[1:] -= rho * np.asarray(values)[:-1]
    return out
