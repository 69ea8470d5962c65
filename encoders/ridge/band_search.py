"""Shares of the bands and penalty of every target, from the same sums as plain ridge."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from calcarine.encoders.ridge.bands import Bands
from calcarine.encoders.ridge.chunk_solver import alpha_grid
from calcarine.encoders.ridge.fold_bases import FoldBasis, fold_bases
from calcarine.encoders.ridge.folds import Folds
from calcarine.encoders.ridge.from_statistics import WholeBasis, whole_basis
from calcarine.encoders.ridge.held_out import explained_squares, ratio
from calcarine.encoders.ridge.losses import GcvLoss, KFoldLoss
from calcarine.encoders.ridge.penalty_search import choose_penalties
from calcarine.encoders.ridge.statistics import BlockStatistics
from calcarine.encoders.ridge.threads import map_threads

TARGETS_AT_A_TIME = 512
_LEAST_SHARE = 1e-6
_STEPS = (1.5, 0.75, 0.4, 0.2)  # in log share, of the steepest band
_N_PROPOSALS = 8


@dataclass(frozen=True)
class BandProblem:
    """What all targets share.

    Attributes
    ----------
    bands
        Turned features.
    statistics
        Sums of the turned features over blocks, without targets.
    folds
        Training and test blocks.
    alphas
        Penalties, relative to the mean variance of the stretched features.
    n_threads
        Chunks of targets at a time.
    """

    bands: Bands
    statistics: BlockStatistics
    folds: Folds
    alphas: np.ndarray
    n_threads: int

    def bases(self, shares: np.ndarray) -> list[FoldBasis]:
        """Decompose the stretched features of every fold; weights come out unstretched."""
        stretch = self.bands.stretch(shares)
        stretched = replace(
            self.statistics,
            sum_x=self.statistics.sum_x * stretch,
            gram=self.statistics.gram * np.outer(stretch, stretch),
        )
        column = stretch.astype(np.float32)[:, None]
        found = fold_bases(stretched, self.folds, self.n_threads)
        return [replace(basis, axes=column * basis.axes) for basis in found]

    def whole(self, shares: np.ndarray) -> WholeBasis:
        """Decompose the stretched features of all samples; weights come out unstretched."""
        stretch = self.bands.stretch(shares)
        basis = whole_basis(
            replace(
                self.statistics,
                sum_x=self.statistics.sum_x * stretch,
                gram=self.statistics.gram * np.outer(stretch, stretch),
            )
        )
        return replace(basis, axes=stretch[:, None] * basis.axes)

    def grid(self, shares: np.ndarray) -> np.ndarray:
        """Give the penalties at some shares of the bands."""
        totals = [self.bands.axes[b].variances.sum() for b in range(self.bands.n_bands)]
        n_features = sum(len(columns) for columns in self.bands.columns)
        variance = float(np.array(totals) @ (shares * self.bands.unit**2)) / n_features
        return self.alphas * (variance or 1.0)


def relative_grid(alphas: Sequence[float] | np.ndarray | None) -> np.ndarray:
    """Give penalties relative to the mean variance: the user's, or 20 over 8 decades."""
    return alpha_grid(alphas, 1.0)


@dataclass
class BestSoFar:
    """The best shares and penalty of every target; `share_of` numbers rows of `shares`."""

    shares: np.ndarray
    share_of: np.ndarray
    alpha: np.ndarray
    loss: np.ndarray
    at_edge: np.ndarray

    @classmethod
    def start(cls, n_bands: int, n_targets: int) -> "BestSoFar":
        """Begin with nothing."""
        return cls(
            np.zeros((0, n_bands)),
            np.zeros(n_targets, dtype=np.int64),
            np.ones(n_targets),
            np.full(n_targets, np.inf),
            np.zeros((2, n_targets), dtype=bool),
        )


def try_shares(
    problem: BandProblem, statistics: BlockStatistics, candidates: np.ndarray, best: BestSoFar
) -> None:
    """Evaluate candidates for all targets by the exact K-fold error, and keep what is better.

    Parameters
    ----------
    problem
        What all targets share.
    statistics
        Sums of some targets.
    candidates
        Shares, shape (n_candidates, n_bands).
    best
        Updated in place.
    """
    first = len(best.shares)
    best.shares = np.concatenate([best.shares, candidates])
    for number, shares in enumerate(candidates, start=first):
        bases, grid, whole = problem.bases(shares), problem.grid(shares), problem.whole(shares)

        def evaluate(
            chunk: slice,
            number: int = number,
            bases: list[FoldBasis] = bases,
            grid: np.ndarray = grid,
            whole: WholeBasis = whole,
        ) -> None:
            own = statistics.select(chunk)
            loss, guess = KFoldLoss(own, bases), _guess(own, whole)
            # the first candidate settles the targets that nothing predicts; a later one that
            # predicts nothing will not be taken, at whatever penalty
            sweep = number == 0
            found = choose_penalties(loss, grid, False, "bracket", guess, sweep_hopeless=sweep)
            better = found.loss < best.loss[chunk]
            best.share_of[chunk][better] = number
            best.alpha[chunk][better] = found.alpha[better]
            best.loss[chunk][better] = found.loss[better]
            edges = np.stack([found.at_lower, found.at_upper])
            best.at_edge[:, chunk][:, better] = edges[:, better]

        list(map_threads(evaluate, _chunks(statistics.n_targets), problem.n_threads))


def _guess(statistics: BlockStatistics, whole: WholeBasis) -> GcvLoss:
    cross, squares = centred_products(statistics)
    turned = whole.axes.astype(np.float32).T @ cross
    return GcvLoss(float(statistics.n_samples.sum()), squares, turned, whole.variances)


def centred_products(statistics: BlockStatistics) -> tuple[np.ndarray, np.ndarray]:
    """Give products of features and targets of all samples, about their means, and squares.

    Parameters
    ----------
    statistics
        Of some targets.

    Returns
    -------
    tuple
        float32, shape (n_features, n_targets), and float64, shape (n_targets,).
    """
    n_samples = float(statistics.n_samples.sum())
    x_mean = statistics.sum_x.sum(axis=0) / n_samples
    y_sum = statistics.sum_y.sum(axis=0)
    cross = statistics.xty.sum(axis=0) - np.outer(x_mean, y_sum).astype(np.float32)
    squares = statistics.sum_yy.sum(axis=0) - y_sum**2 / n_samples
    return cross, np.maximum(squares, 0.0)


def refine(
    problem: BandProblem, statistics: BlockStatistics, best: BestSoFar, n_rounds: int, seed: int
) -> None:
    """Move shares down the gradient of the held-out error.

    In every round each target proposes a step from its best shares along its own gradient; the
    proposals of all targets are gathered into a few candidates, because a candidate costs one
    decomposition a fold; a target takes one only where its exact error falls.

    Parameters
    ----------
    problem
        What all targets share.
    statistics
        Sums of some targets.
    best
        Updated in place.
    n_rounds
        Number of rounds; steps become shorter from one to the next.
    seed
        Of the gathering.
    """
    if problem.bands.n_bands < 2:
        return
    for step in (_STEPS[min(k, len(_STEPS) - 1)] for k in range(n_rounds)):
        proposed = np.zeros((statistics.n_targets, problem.bands.n_bands))
        for number in np.unique(best.share_of):
            targets = np.flatnonzero(best.share_of == number)
            shares = best.shares[number]
            slope = share_gradient(
                problem, statistics.select(targets), shares, best.alpha[targets]
            ).T
            slope = slope - slope.mean(axis=1, keepdims=True)
            steepest = np.abs(slope).max(axis=1, keepdims=True)
            move = np.divide(slope, steepest, out=np.zeros_like(slope), where=steepest > 0)
            proposed[targets] = np.log(np.clip(shares, _LEAST_SHARE, None)) - step * move
        try_shares(problem, statistics, _gather(proposed[best.loss < 0], seed), best)


def _gather(proposed: np.ndarray, seed: int) -> np.ndarray:
    """Condense proposals (log shares, one row a target) into a few candidates."""
    shares = np.exp(proposed - proposed.max(axis=1, keepdims=True, initial=-np.inf))
    logs = np.log(shares / shares.sum(axis=1, keepdims=True))
    different = np.unique(np.round(logs, 6), axis=0)
    if len(different) > _N_PROPOSALS:
        from sklearn.cluster import KMeans  # takes a second

        different = KMeans(_N_PROPOSALS, n_init=1, random_state=seed).fit(logs).cluster_centers_
    shares = np.exp(different)
    return shares / shares.sum(axis=1, keepdims=True)


def share_gradient(
    problem: BandProblem, statistics: BlockStatistics, shares: np.ndarray, alpha: np.ndarray
) -> np.ndarray:
    """Differentiate the K-fold error, relative to the mean predictor's, by the log of each share.

    With M = DGD + α and u = M⁻¹Dc, weights are w = Du, and a share moves the error by
    α Σ_{j of the band} z_j u_j, where z = M⁻¹D(∂error/∂w).

    Parameters
    ----------
    problem
        What all targets share.
    statistics
        Sums of some targets.
    shares
        γ of each band, shape (n_bands,).
    alpha
        Penalty of each target, shape (n_targets,).

    Returns
    -------
    numpy.ndarray
        Shape (n_bands, n_targets).
    """
    gradient = np.zeros((len(shares), statistics.n_targets))
    baseline = np.zeros(statistics.n_targets)
    stretch = problem.bands.stretch(shares)
    inverse = np.divide(1.0, stretch**2, out=np.zeros_like(stretch), where=stretch > 0)
    penalty = alpha.astype(np.float32)
    for basis in problem.bases(shares):
        moments = statistics.target_moments(basis.train, basis.test)
        shrunk = basis.eigenvalues.astype(np.float32)[:, None] + penalty
        inner = (basis.axes.T @ moments.train_cross) / shrunk
        slope = basis.root.T @ (basis.root @ inner) - basis.axes.T @ moments.test_cross
        product = (basis.axes @ inner) * (basis.axes @ (2 * slope / shrunk))
        baseline += moments.test_squares
        for band, own in enumerate(problem.bands.axis_numbers):
            gradient[band] += alpha * (inverse[own] @ product[own])
    return ratio(gradient, baseline)


def band_scores(problem: BandProblem, statistics: BlockStatistics, best: BestSoFar) -> np.ndarray:
    """Split the cross-validated R² of every target over the bands (see `explained_squares`).

    Parameters
    ----------
    problem
        What all targets share.
    statistics
        Sums of some targets.
    best
        Shares and penalties.

    Returns
    -------
    numpy.ndarray
        Shape (n_bands, n_targets); a column adds up to the target's score.
    """
    scores = np.zeros((problem.bands.n_bands, statistics.n_targets))
    for number in np.unique(best.share_of):
        bases = problem.bases(best.shares[number])
        members = np.flatnonzero(best.share_of == number)
        for start in range(0, len(members), TARGETS_AT_A_TIME):
            targets = members[start : start + TARGETS_AT_A_TIME]
            own, penalty = statistics.select(targets), best.alpha[targets].astype(np.float32)
            parts, baseline = np.zeros((len(scores), len(targets))), np.zeros(len(targets))
            for basis in bases:
                cross = own.target_moments(basis.train, basis.test).train_cross
                shrunk = basis.eigenvalues.astype(np.float32)[:, None] + penalty
                weights = basis.axes @ ((basis.axes.T @ cross) / shrunk)
                part, squares = explained_squares(
                    replace(own, sum_x=problem.statistics.sum_x, gram=problem.statistics.gram),
                    basis.train,
                    basis.test,
                    weights,
                    problem.bands.axis_numbers,
                )
                parts += part
                baseline += squares
            scores[:, targets] = ratio(parts, baseline)
    return scores


def _chunks(n_targets: int) -> list[slice]:
    starts = range(0, n_targets, TARGETS_AT_A_TIME)
    return [slice(start, min(start + TARGETS_AT_A_TIME, n_targets)) for start in starts]
