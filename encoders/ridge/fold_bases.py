"""What the features of every fold contribute to the held-out errors of all targets."""

from dataclasses import dataclass

import numpy as np

from calcarine.encoders.ridge.folds import Folds
from calcarine.encoders.ridge.statistics import BlockStatistics
from calcarine.encoders.ridge.threads import map_threads


@dataclass(frozen=True)
class FoldBasis:
    """The features of one fold, about the mean of its training samples.

    Attributes
    ----------
    train, test
        Which blocks are trained on and which tested, bool, shape (n_blocks,).
    eigenvalues, axes
        Of the centred training Gram matrix, shapes (n_axes,) and (n_features, n_axes), float32
        axes; null directions are left out.
    root
        Upper trapezoidal R with RᵀR the test Gram matrix along the axes, float32, shape
        (min(n_test, n_axes), n_axes).
    """

    train: np.ndarray
    test: np.ndarray
    eigenvalues: np.ndarray
    axes: np.ndarray
    root: np.ndarray


def fold_bases(statistics: BlockStatistics, folds: Folds, n_threads: int = 1) -> list[FoldBasis]:
    """Decompose the features of every fold.

    Parameters
    ----------
    statistics
        With or without targets; blocks are those of `folds`.
    folds
        Training and test blocks.
    n_threads
        Number of folds at a time.
    """
    numbers = range(folds.n_folds)
    return list(
        map_threads(
            lambda k: _fold_basis(statistics, folds.train[k], folds.test[k]), numbers, n_threads
        )
    )


def _fold_basis(statistics: BlockStatistics, train: np.ndarray, test: np.ndarray) -> FoldBasis:
    moments = statistics.feature_moments(train, test)
    eigenvalues, axes = np.linalg.eigh(moments.train_gram)
    keep = positive(eigenvalues)
    eigenvalues, axes = eigenvalues[keep], axes[:, keep]
    root = _gram_root(moments.test_gram, axes, int(statistics.n_samples[test].sum()))
    return FoldBasis(
        train,
        test,
        eigenvalues,
        np.ascontiguousarray(axes, dtype=np.float32),
        np.ascontiguousarray(root, dtype=np.float32),
    )


def _gram_root(test_gram: np.ndarray, axes: np.ndarray, n_test: int) -> np.ndarray:
    if n_test >= axes.shape[1]:
        try:
            return np.linalg.cholesky(axes.T @ test_gram @ axes).T
        except np.linalg.LinAlgError:
            pass  # test samples that repeat each other: the rank is lower than their number
    eigenvalues, vectors = np.linalg.eigh(test_gram)
    keep = positive(eigenvalues)
    factor = np.sqrt(eigenvalues[keep])[:, None] * (vectors[:, keep].T @ axes)
    return np.asarray(np.linalg.qr(factor, mode="r"))


def positive(eigenvalues: np.ndarray) -> np.ndarray:
    """Say which eigenvalues are not rounding errors of zero."""
    floor = eigenvalues.max(initial=0.0) * len(eigenvalues) * np.finfo(np.float64).eps
    return eigenvalues > floor
