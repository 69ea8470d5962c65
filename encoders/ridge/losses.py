"""Held-out errors of targets as functions of the penalty, from block statistics alone."""

from typing import Protocol

import numpy as np

from calcarine.encoders.ridge.arrays import NUMPY, Array, ArrayLibrary
from calcarine.encoders.ridge.fold_bases import FoldBasis
from calcarine.encoders.ridge.statistics import BlockStatistics

Targets = np.ndarray | slice
ALL: Targets = slice(None)


class Loss(Protocol):
    """Held-out squared error over that of the mean predictor, less one."""

    n_targets: int

    def shared(self, targets: Targets, alphas: np.ndarray) -> np.ndarray:
        """Give the loss of some targets at every penalty: shape (n_alphas, n_targets)."""
        ...

    def each(self, targets: Targets, alphas: np.ndarray) -> np.ndarray:
        """Give the loss of some targets, each at a penalty of its own: shape (n_targets,)."""
        ...


class KFoldLoss:
    """The exact K-fold squared error.

    The error that weights w make on held-out samples, less that of the training mean, is
    |Rw|² − 2 wᵀc: no prediction is formed. Errors of all folds are added, so that every sample
    counts once whatever the sizes of the folds.

    Parameters
    ----------
    statistics
        Of some targets; blocks are those of the bases.
    bases
        Features of every fold.
    library
        What multiplies.
    """

    def __init__(
        self, statistics: BlockStatistics, bases: list[FoldBasis], library: ArrayLibrary = NUMPY
    ) -> None:
        self.n_targets = statistics.n_targets
        self._library = library
        self._folds: list[tuple[FoldBasis, Array, Array, Array]] = []
        self._baseline = np.zeros(self.n_targets)
        total = statistics.xty[0] + 0.0
        for block in range(1, statistics.n_blocks):
            total += statistics.xty[block]
        for basis in bases:
            moments = statistics.target_moments(basis.train, basis.test, total, library)
            self._baseline += moments.test_squares
            turn = library.put(basis.axes).T
            train, test = turn @ moments.train_cross, turn @ moments.test_cross
            self._folds.append((basis, library.put(basis.root), train, test))

    def shared(self, targets: Targets, alphas: np.ndarray) -> np.ndarray:
        """Give the loss of some targets at every penalty: shape (n_alphas, n_targets)."""
        gains = np.zeros((len(alphas), len(self._baseline[targets])))
        index = self._library.put_index(targets)
        for basis, root, of_train, of_test in self._folds:
            train, test = of_train[:, index], of_test[:, index]
            inverse = np.float32(1.0 / (basis.eigenvalues + alphas[:, None]))
            shrinkage = self._library.put(inverse)
            explained = self._library.get(shrinkage @ (train * test))
            gains -= 2.0 * explained.astype(np.float64)
            weights, predicted = self._room(root, train)
            for i in range(len(alphas)):
                self._library.xp.multiply(train, shrinkage[i][:, None], out=weights)
                gains[i] += self._squares(root, weights, predicted)
        return self._relative(gains, targets)

    def each(self, targets: Targets, alphas: np.ndarray) -> np.ndarray:
        """Give the loss of some targets, each at a penalty of its own: shape (n_targets,)."""
        gains = np.zeros(len(alphas))
        index = self._library.put_index(targets)
        penalties = self._library.put(np.float32(alphas))[None]
        for basis, root, of_train, of_test in self._folds:
            train, test = of_train[:, index], of_test[:, index]
            eigenvalues = self._library.put(np.float32(basis.eigenvalues))[:, None]
            weights, predicted = self._room(root, train)
            self._library.xp.add(eigenvalues, penalties, out=weights)
            self._library.xp.divide(train, weights, out=weights)
            gains -= 2.0 * self._library.column_products(weights, test)
            gains += self._squares(root, weights, predicted)
        return self._relative(gains, targets)

    def _room(self, root: Array, train: Array) -> tuple[Array, Array]:
        empty = self._library.empty
        return empty(tuple(train.shape)), empty((len(root), train.shape[1]))

    def _squares(self, root: Array, weights: Array, predicted: Array) -> np.ndarray:
        # the lower triangle of the root is zero: strips of rows skip most of it, where a product
        # costs more than to begin one
        n_strips = 8 if self._library.device is None else 1
        step = max(64, -(-root.shape[1] // n_strips))
        for start in range(0, len(root), step):
            rows = slice(start, start + step)
            self._library.xp.matmul(root[rows, start:], weights[start:], out=predicted[rows])
        return self._library.column_products(predicted, predicted)

    def _relative(self, gains: np.ndarray, targets: Targets) -> np.ndarray:
        return _over(gains, self._baseline[targets])


class GcvLoss:
    """Generalised cross-validation, RSS(α)/n / (1 − df/n)², where df counts the mean too.

    Golub, Heath & Wahba (1979), doi:10.1080/00401706.1979.10489751. It takes samples as independent
    of each other.

    Parameters
    ----------
    n_samples
        Number of samples.
    squares
        Sum of the squared deviations of each target, shape (n_targets,).
    cross
        Products of features, along their principal axes, and targets, float32, shape
        (n_axes, n_targets).
    variances
        Squared length of each feature, shape (n_axes,).
    library
        Where `cross` lives.
    """

    def __init__(
        self,
        n_samples: float,
        squares: np.ndarray,
        cross: Array,
        variances: np.ndarray,
        library: ArrayLibrary = NUMPY,
    ) -> None:
        self.n_targets = len(squares)
        self._n_samples, self._squares, self._variances = n_samples, squares, variances
        self._cross_squares, self._library = cross * cross, library

    def shared(self, targets: Targets, alphas: np.ndarray) -> np.ndarray:
        """Give the loss of some targets at every penalty: shape (n_alphas, n_targets)."""
        hat = self._variances / (self._variances + alphas[:, None])
        share = self._library.put(np.float32((2 * hat - hat**2) / self._variances))
        cross = self._cross_squares[:, self._library.put_index(targets)]
        explained = self._library.get(share @ cross).astype(np.float64)
        return self._loss(explained, hat.sum(axis=1)[:, None], targets)

    def each(self, targets: Targets, alphas: np.ndarray) -> np.ndarray:
        """Give the loss of some targets, each at a penalty of its own: shape (n_targets,)."""
        variances = self._library.put(np.float32(self._variances))[:, None]
        hat = variances / (variances + self._library.put(np.float32(alphas))[None])
        cross = self._cross_squares[:, self._library.put_index(targets)]
        explained = self._library.column_products((2 * hat - hat * hat) / variances, cross)
        freedom = self._library.get(hat.sum(0)).astype(np.float64)
        return self._loss(explained, freedom, targets)

    def _loss(self, explained: np.ndarray, hat_trace: np.ndarray, targets: Targets) -> np.ndarray:
        squares = self._squares[targets]
        freedom = (self._n_samples - 1 - hat_trace) / (self._n_samples - 1)
        residual = _over(-explained, squares) + 1.0
        return np.where(squares > 0, residual / freedom**2 - 1.0, 0.0)


def _over(gains: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    return np.divide(gains, baseline, out=np.zeros_like(gains), where=baseline > 0)
