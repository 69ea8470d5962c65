"""The penalty of every target: held-out errors on a grid, from block statistics alone."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from calcarine.encoders.ridge.statistics import BlockStatistics

# losses relative to the mean predictor, shape (n_alphas, n_targets), of some targets
LossCurve = Callable[[np.ndarray | slice, np.ndarray], np.ndarray]

_TIE = 3e-7  # losses that float32 cannot tell apart go to the larger penalty
_N_FURTHER = 10


@dataclass(frozen=True)
class FoldBasis:
    """What a fold's features contribute to the errors of every target.

    Attributes
    ----------
    held_out
        Number of the block.
    eigenvalues, axes
        Of the centred training Gram matrix, shapes (n_axes,) and (n_features, n_axes), float32
        axes; null directions are left out.
    root
        Upper trapezoidal R with RᵀR the test Gram matrix along the axes, float32, shape
        (min(n_test, n_axes), n_axes).
    """

    held_out: int
    eigenvalues: np.ndarray
    axes: np.ndarray
    root: np.ndarray


@dataclass(frozen=True)
class ChosenPenalties:
    """Penalties of some targets.

    Attributes
    ----------
    alpha
        Shape (n_targets,).
    loss
        Held-out squared error over that of the mean predictor, less one; shape (n_targets,).
    at_lower, at_upper
        Whether the choice is the smallest or the largest that was tried, shape (n_targets,).
    tried
        All penalties that some target was tried with, rising.
    """

    alpha: np.ndarray
    loss: np.ndarray
    at_lower: np.ndarray
    at_upper: np.ndarray
    tried: np.ndarray


def fold_bases(statistics: BlockStatistics) -> list[FoldBasis]:
    """Decompose the features of every fold, each block held out once.

    Parameters
    ----------
    statistics
        With or without targets.
    """
    bases = []
    for held_out in range(statistics.n_blocks):
        moments = statistics.feature_moments(held_out)
        eigenvalues, axes = np.linalg.eigh(moments.train_gram)
        keep = _positive(eigenvalues)
        eigenvalues, axes = eigenvalues[keep], axes[:, keep]
        root = _gram_root(moments.test_gram, axes, int(statistics.n_samples[held_out]))
        bases.append(
            FoldBasis(
                held_out,
                eigenvalues,
                np.ascontiguousarray(axes, dtype=np.float32),
                np.ascontiguousarray(root, dtype=np.float32),
            )
        )
    return bases


def _gram_root(test_gram: np.ndarray, axes: np.ndarray, n_test: int) -> np.ndarray:
    if n_test >= axes.shape[1]:
        try:
            return np.linalg.cholesky(axes.T @ test_gram @ axes).T
        except np.linalg.LinAlgError:
            pass  # test samples that repeat each other: the rank is lower than their number
    eigenvalues, vectors = np.linalg.eigh(test_gram)
    keep = _positive(eigenvalues)
    factor = np.sqrt(eigenvalues[keep])[:, None] * (vectors[:, keep].T @ axes)
    return np.asarray(np.linalg.qr(factor, mode="r"))


def _positive(eigenvalues: np.ndarray) -> np.ndarray:
    floor = eigenvalues.max(initial=0.0) * len(eigenvalues) * np.finfo(np.float64).eps
    return eigenvalues > floor


def kfold_losses(statistics: BlockStatistics, bases: list[FoldBasis]) -> LossCurve:
    """Give the exact K-fold squared error of targets as a function of the penalty.

    The error that weights w make on a held-out block, less that of the training mean, is
    |Rw|² − 2 wᵀc: no prediction is formed. Errors of all folds are added, so that every sample
    counts once whatever the sizes of the folds.
    """

    def losses(targets: np.ndarray | slice, alphas: np.ndarray) -> np.ndarray:
        of_targets = statistics.select(targets)
        total_xty = of_targets.xty.sum(axis=0)
        gains = np.zeros((len(alphas), of_targets.n_targets))
        baseline = np.zeros(of_targets.n_targets)
        for basis in bases:
            moments = of_targets.target_moments(basis.held_out, total_xty)
            baseline += moments.test_squares
            train, test = basis.axes.T @ moments.train_cross, basis.axes.T @ moments.test_cross
            gains += _fold_gains(basis, train, test, alphas)
        return _relative(gains, baseline)

    return losses


def _fold_gains(
    basis: FoldBasis, train: np.ndarray, test: np.ndarray, alphas: np.ndarray
) -> np.ndarray:
    """Squared error of every penalty less that of the mean, shape (n_alphas, n_targets)."""
    shrinkage = (1.0 / (basis.eigenvalues + alphas[:, None])).astype(np.float32)
    gains = -2.0 * (shrinkage @ (train * test)).astype(np.float64)
    weights = np.empty_like(train)
    predicted = np.empty((len(basis.root), train.shape[1]), dtype=np.float32)
    for i in range(len(alphas)):
        np.multiply(train, shrinkage[i][:, None], out=weights)
        _upper_product(basis.root, weights, predicted)
        gains[i] += np.einsum("mv,mv->v", predicted, predicted)
    return gains


def _upper_product(root: np.ndarray, weights: np.ndarray, out: np.ndarray) -> None:
    # the lower triangle of the root is zero: strips of rows skip most of it
    step = max(64, -(-root.shape[1] // 8))
    for start in range(0, len(root), step):
        stop = start + step
        np.matmul(root[start:stop, start:], weights[start:], out=out[start:stop])


def gcv_losses(statistics: BlockStatistics, variances: np.ndarray) -> LossCurve:
    """Give generalised cross-validation of targets as a function of the penalty.

    RSS(α)/n / (1 − df/n)², where df counts the mean too (Golub, Heath & Wahba 1979,
    doi:10.1080/00401706.1979.10489751).

    Parameters
    ----------
    statistics
        One block of features along their principal axes.
    variances
        Squared length of each feature, shape (n_features,).
    """
    n_samples = int(statistics.n_samples[0])

    def losses(targets: np.ndarray | slice, alphas: np.ndarray) -> np.ndarray:
        of_targets = statistics.select(targets)
        mean = of_targets.sum_y[0] / n_samples
        squares = np.maximum(of_targets.sum_yy[0] - n_samples * mean**2, 0.0)
        hat = variances / (variances + alphas[:, None])
        explained = np.float32((2 * hat - hat**2) / variances) @ np.square(of_targets.xty[0])
        freedom = (n_samples - 1 - hat.sum(axis=1)) / (n_samples - 1)
        residual = _relative(-explained.astype(np.float64), squares) + 1.0
        return np.where(squares > 0, residual / freedom[:, None] ** 2 - 1.0, 0.0)

    return losses


def _relative(gains: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    return np.divide(gains, baseline, out=np.zeros_like(gains), where=baseline > 0)


def choose_penalties(
    losses: LossCurve, alphas: np.ndarray, n_targets: int, extend: bool
) -> ChosenPenalties:
    """Choose the penalty of least loss for every target.

    Parameters
    ----------
    losses
        Loss curve of the targets.
    alphas
        Grid, rising, evenly spaced in log α if it is to be extended.
    n_targets
        Number of targets.
    extend
        Go on beyond the grid, in steps of the same size, for the targets whose best penalty
        stands at its end and beats the mean predictor. Where the largest penalty does not
        beat it, none larger can do much, and the choice stays there.
    """
    on_grid = losses(slice(None), alphas)
    alpha, loss = _least(on_grid, alphas)
    edges = {0: np.full(n_targets, alphas[0]), -1: np.full(n_targets, alphas[-1])}
    tried = alphas
    for end, edge in edges.items() if extend else ():
        targets = np.flatnonzero((alpha == edge) & (loss < 0))
        if targets.size:
            step = alphas[1] / alphas[0] if end else alphas[0] / alphas[1]
            further = alphas[end] * step ** np.arange(1.0, _N_FURTHER + 1)
            curve = np.concatenate([on_grid[:, targets], losses(targets, further)])
            alpha[targets], loss[targets] = _least(curve, np.concatenate([alphas, further]))
            edge[targets] = further[-1]
            tried = np.union1d(tried, further)
    return ChosenPenalties(alpha, loss, alpha == edges[0], alpha == edges[-1], tried)


def _least(curve: np.ndarray, alphas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    least = curve.min(axis=0)
    tied = curve <= least + _TIE * np.abs(least)
    best = np.argmax(np.where(tied, alphas[:, None], 0.0), axis=0)
    return alphas[best], curve[best, np.arange(len(best))]
