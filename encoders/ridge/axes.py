"""Features turned onto their principal axes, without the directions in which nothing varies."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

_ROWS_AT_A_TIME = 4096


@dataclass(frozen=True)
class PrincipalAxes:
    """An orthogonal change of basis that keeps everything ridge regression can see.

    Ridge weights lie in the span of the training samples, and the penalty does not feel a
    rotation: solving with `scores` and turning the weights back by `axes` is exact, for any number
    of features. The turned features are rounded each at its own scale, so that directions of small
    variance keep their digits in float32.

    Attributes
    ----------
    mean
        Mean of the features, float64, shape (n_features,).
    axes
        Orthonormal columns, float32, shape (n_features, n_axes); n_axes ≤ min(n_samples,
        n_features).
    variances
        Squared length of each column of `scores`, float64, falling, shape (n_axes,).
    scores
        Centred features along the axes, float32, shape (n_samples, n_axes).
    """

    mean: np.ndarray
    axes: np.ndarray
    variances: np.ndarray
    scores: np.ndarray


def principal_axes(features: np.ndarray) -> PrincipalAxes:
    """Find the principal axes of features.

    Parameters
    ----------
    features
        Shape (n_samples, n_features), finite. The smaller of the two products XᵀX and XXᵀ is
        decomposed, in float64.
    """
    n_samples, n_features = features.shape
    mean = np.asarray(np.mean(features, axis=0, dtype=np.float64))
    if n_features > n_samples:
        return _wide(features, mean)
    gram = np.zeros((n_features, n_features))
    for rows in _row_blocks(n_samples):
        centred = features[rows] - mean
        gram += centred.T @ centred
    variances, axes = _varying(*np.linalg.eigh(gram), max(features.shape))
    scores = np.empty((n_samples, len(variances)), dtype=np.float32)
    for rows in _row_blocks(n_samples):
        scores[rows] = (features[rows] - mean) @ axes
    return PrincipalAxes(mean, axes.astype(np.float32), variances, scores)


def _wide(features: np.ndarray, mean: np.ndarray) -> PrincipalAxes:
    centred = features - mean
    variances, samples = _varying(*np.linalg.eigh(centred @ centred.T), max(features.shape))
    lengths = np.sqrt(variances)
    axes = (centred.T @ (samples / lengths)).astype(np.float32)
    return PrincipalAxes(mean, axes, variances, (samples * lengths).astype(np.float32))


def _varying(
    eigenvalues: np.ndarray, vectors: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    floor = eigenvalues.max(initial=0.0) * size * np.finfo(np.float64).eps
    keep = np.flatnonzero(eigenvalues > floor)[::-1]
    return eigenvalues[keep], np.ascontiguousarray(vectors[:, keep])


def _row_blocks(n_samples: int) -> Iterator[slice]:
    for start in range(0, n_samples, _ROWS_AT_A_TIME):
        yield slice(start, start + _ROWS_AT_A_TIME)
