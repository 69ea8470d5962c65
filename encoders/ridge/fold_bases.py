"""What the features of every fold contribute to the held-out errors of all targets."""

from dataclasses import dataclass, replace

import numpy as np

from calcarine.encoders.ridge.arrays import NUMPY, Array, ArrayLibrary
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
        Of the centred training Gram matrix, shapes (n_axes,), float64, and (n_features, n_axes),
        float32; null directions are left out.
    root
        Upper trapezoidal R with RᵀR the test Gram matrix along the axes, float32, shape
        (min(n_test, n_axes), n_axes). Axes and root live with the library that made them.
    """

    train: np.ndarray
    test: np.ndarray
    eigenvalues: np.ndarray
    axes: Array
    root: Array


def fold_bases(
    statistics: BlockStatistics, folds: Folds, n_threads: int = 1, library: ArrayLibrary = NUMPY
) -> list[FoldBasis]:
    """Decompose the features of every fold.

    Parameters
    ----------
    statistics
        With or without targets; blocks are those of `folds`.
    folds
        Training and test blocks.
    n_threads
        Number of folds at a time.
    library
        What multiplies and decomposes.
    """
    there = replace(statistics, gram=library.double(statistics.gram))

    def basis(k: int) -> FoldBasis:
        return _fold_basis(there, folds.train[k], folds.test[k], library)

    return list(map_threads(basis, range(folds.n_folds), n_threads))


def _fold_basis(
    statistics: BlockStatistics, train: np.ndarray, test: np.ndarray, library: ArrayLibrary
) -> FoldBasis:
    moments = statistics.feature_moments(train, test, library)
    found, axes = library.xp.linalg.eigh(moments.train_gram)
    eigenvalues = library.get(found)
    keep = positive(eigenvalues)
    eigenvalues, axes = eigenvalues[keep], axes[:, library.put(np.flatnonzero(keep))]
    n_test = int(statistics.n_samples[test].sum())
    root = _gram_root(moments.test_gram, axes, n_test, library)
    return FoldBasis(train, test, eigenvalues, library.single(axes), library.single(root))


def _gram_root(test_gram: Array, axes: Array, n_test: int, library: ArrayLibrary) -> Array:
    if n_test >= axes.shape[1]:
        root = library.cholesky(axes.T @ test_gram @ axes)
        if root is not None:
            return root.T
        # test samples that repeat each other: the rank is lower than their number
    found, vectors = library.xp.linalg.eigh(test_gram)
    eigenvalues = library.get(found)
    keep = np.flatnonzero(positive(eigenvalues))
    lengths = library.double(np.sqrt(eigenvalues[keep]))
    factor = lengths[:, None] * (vectors[:, library.put(keep)].T @ axes)
    return library.upper_root(factor)


def positive(eigenvalues: np.ndarray) -> np.ndarray:
    """Say which eigenvalues are not rounding errors of zero."""
    floor = eigenvalues.max(initial=0.0) * len(eigenvalues) * np.finfo(np.float64).eps
    return eigenvalues > floor
