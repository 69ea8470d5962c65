"""Features turned onto their principal axes, without the directions in which nothing varies."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from calcarine.data.stored_rows import StoredRows, row_blocks
from calcarine.encoders.ridge.arrays import NUMPY, ArrayLibrary

_ROWS_AT_A_TIME = 4096
_COLUMNS_AT_A_TIME = 8192
_PANEL_BYTES = 2**27


@dataclass(frozen=True)
class PrincipalAxes:
    """A change of basis that keeps all that ridge regression can see, or the best part of it.

    Ridge weights lie in the span of the training samples, and the penalty does not feel a
    rotation: solving with `scores` and turning the weights back by `axes` is exact, for any number
    of features, as long as no axis was left out. The turned features are rounded each at its own
    scale, so that directions of small variance keep their digits in float32.

    Attributes
    ----------
    mean
        Mean of the features, float64, shape (n_features,).
    axes
        What turns weights back, float32, shape (n_features, n_axes): orthonormal columns, or a
        random projection times such columns.
    variances
        Squared length of each column of `scores`, float64, falling, shape (n_axes,).
    scores
        Centred features along the axes, float32, shape (n_samples, n_axes).
    kept_share
        Share of the features' variance that the axes keep; 1 where none was left out.
    """

    mean: np.ndarray
    axes: np.ndarray
    variances: np.ndarray
    scores: np.ndarray
    kept_share: float = 1.0


def principal_axes(
    features: np.ndarray, max_axes: int | None = None, library: ArrayLibrary = NUMPY
) -> PrincipalAxes:
    """Find the principal axes of features.

    Parameters
    ----------
    features
        Shape (n_samples, n_features), finite. The smaller of the two products XᵀX and XXᵀ is
        decomposed, in float64.
    max_axes
        Keep the axes of largest variance; without it all along which anything varies.
    library
        What multiplies and decomposes where there are more samples than features.
    """
    n_samples, n_features = features.shape
    mean = _mean(features)
    if n_features > n_samples:
        return _wide(features, mean, max_axes)
    put_mean, gram = library.double(mean), 0.0
    for rows in _slices(n_samples, _ROWS_AT_A_TIME):
        centred = library.double(features[rows]) - put_mean
        gram += centred.T @ centred
    variances, axes = (library.get(part) for part in library.xp.linalg.eigh(gram))
    variances, axes, share = _varying(variances, axes, max(features.shape), max_axes)
    put_axes = library.double(axes)
    scores = np.empty((n_samples, len(variances)), dtype=np.float32)
    for rows in _slices(n_samples, _ROWS_AT_A_TIME):
        turned = (library.double(features[rows]) - put_mean) @ put_axes
        scores[rows] = library.get(library.single(turned))
    return PrincipalAxes(mean, axes.astype(np.float32), variances, scores, share)


def random_axes(features: np.ndarray, n_axes: int, seed: int = 0) -> PrincipalAxes:
    """Project features onto random directions, and turn those onto their principal axes.

    Distances survive up to about 1/√n_axes (Johnson & Lindenstrauss 1984); ridge on the projection
    is ridge whose weights lie in a random subspace (Rahimi & Recht 2008). It is for features too
    many to decompose.

    Parameters
    ----------
    features
        Shape (n_samples, n_features).
    n_axes
        Number of directions, drawn from a normal distribution of variance 1/n_axes.
    seed
        Of the draw.
    """
    n_samples, n_features = features.shape
    mean = _mean(features)
    directions = np.empty((n_features, n_axes), dtype=np.float32)
    projected = np.zeros((n_samples, n_axes))
    rng, total = np.random.default_rng(seed), 0.0
    for columns in _slices(n_features, columns_at_a_time(n_samples)):
        width = len(mean[columns])
        directions[columns] = rng.standard_normal((width, n_axes)) / np.sqrt(n_axes)
        centred = features[:, columns] - mean[columns]
        projected += centred @ directions[columns]
        total += float(np.square(centred).sum())
    turned = principal_axes(projected)
    share = min(float(turned.variances.sum()) / total, 1.0) if total else 1.0
    axes = np.empty((n_features, len(turned.variances)), dtype=np.float32)
    for columns in _slices(n_features, columns_at_a_time(n_samples)):
        axes[columns] = directions[columns] @ turned.axes
    return PrincipalAxes(mean, axes, turned.variances, turned.scores, share)


def columns_at_a_time(n_samples: int) -> int:
    """Say how many features are centred at a time: 128 MB of samples in single precision."""
    return max(min(_COLUMNS_AT_A_TIME, _PANEL_BYTES // (4 * n_samples)), 64)


def _mean(features: np.ndarray) -> np.ndarray:
    if not isinstance(features, StoredRows):
        return np.asarray(np.mean(features, axis=0, dtype=np.float64))
    total = np.zeros(features.shape[1])
    for _, block in row_blocks(features):
        total += block.sum(axis=0, dtype=np.float64)
    return total / len(features)


def _wide(features: np.ndarray, mean: np.ndarray, max_axes: int | None) -> PrincipalAxes:
    n_samples, n_features = features.shape
    kernel = np.zeros((n_samples, n_samples))
    for columns in _slices(n_features, columns_at_a_time(n_samples)):
        centred = features[:, columns] - mean[columns]
        kernel += centred @ centred.T
    variances, samples, share = _varying(*np.linalg.eigh(kernel), max(features.shape), max_axes)
    lengths = np.sqrt(variances)
    axes = np.empty((n_features, len(variances)), dtype=np.float32)
    for columns in _slices(n_features, columns_at_a_time(n_samples)):
        centred = features[:, columns] - mean[columns]
        axes[columns] = centred.T @ (samples / lengths)
    return PrincipalAxes(mean, axes, variances, (samples * lengths).astype(np.float32), share)


def _varying(
    eigenvalues: np.ndarray, vectors: np.ndarray, size: int, max_axes: int | None
) -> tuple[np.ndarray, np.ndarray, float]:
    floor = eigenvalues.max(initial=0.0) * size * np.finfo(np.float64).eps
    known = np.flatnonzero(eigenvalues > floor)[::-1]
    keep = known[:max_axes]
    total = eigenvalues[known].sum()
    share = float(eigenvalues[keep].sum() / total) if len(keep) < len(known) else 1.0
    return eigenvalues[keep], np.ascontiguousarray(vectors[:, keep]), share


def _slices(n: int, size: int) -> Iterator[slice]:
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))
