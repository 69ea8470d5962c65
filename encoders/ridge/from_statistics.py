"""Ridge from sums alone, without a look at the data."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from calcarine.data.errors import CalcarineError
from calcarine.encoders.ridge.arrays import NUMPY
from calcarine.encoders.ridge.chunk_solver import (
    Method,
    PenaltyPlan,
    alpha_grid,
    check_names,
    solve_chunk,
)
from calcarine.encoders.ridge.fold_bases import fold_bases, positive
from calcarine.encoders.ridge.folds import Folds
from calcarine.encoders.ridge.penalty_search import Search
from calcarine.encoders.ridge.solution import RidgeSolution, SolutionArrays
from calcarine.encoders.ridge.statistics import BlockStatistics
from calcarine.encoders.ridge.streaming import RidgeStatistics

_TARGETS_AT_A_TIME = 512


@dataclass(frozen=True)
class WholeBasis:
    """Features of all samples together, about their mean.

    Attributes
    ----------
    mean
        Of the features, about the origin of the sums, shape (n_features,).
    axes, variances
        Principal axes, float64, shape (n_features, n_axes), and squared lengths along them.
    """

    mean: np.ndarray
    axes: np.ndarray
    variances: np.ndarray


def whole_basis(statistics: BlockStatistics) -> WholeBasis:
    """Decompose the features of all blocks together.

    Parameters
    ----------
    statistics
        With or without targets.
    """
    n_samples = float(statistics.n_samples.sum())
    mean = statistics.sum_x.sum(axis=0) / n_samples
    gram = statistics.gram.sum(axis=0) - n_samples * np.outer(mean, mean)
    eigenvalues, vectors = np.linalg.eigh(gram)
    keep = np.flatnonzero(positive(eigenvalues))[::-1]
    return WholeBasis(mean, np.ascontiguousarray(vectors[:, keep]), eigenvalues[keep])


def solve_statistics(
    statistics: RidgeStatistics,
    alphas: Sequence[float] | np.ndarray | None = None,
    method: Method = "kfold",
    search: Search = "grid",
    held_out: Sequence[Sequence[str]] | None = None,
) -> RidgeSolution:
    """Fit ridge regression, one penalty a target, to what was summed.

    Parameters
    ----------
    statistics
        Sums over named blocks.
    alphas, method, search
        See `solve_ridge`.
    held_out
        Names of the blocks that each fold holds out; without it one block a fold (leave one run or
        one session out).

    Returns
    -------
    RidgeSolution
        As from `solve_ridge` on all samples at once.

    Raises
    ------
    CalcarineError
        A block does not exist, is in two folds, or `kfold` was asked of a single fold.
    """
    check_names(method, search)
    sums = statistics.blocks()
    folds = _named_folds(statistics.names, held_out, sums.n_samples) if method == "kfold" else None
    plan, basis, features = penalty_plan(sums.select(slice(0, 0)), folds, alphas, search)
    out = SolutionArrays.empty(len(basis.axes), sums.n_targets)
    turn_back = np.float32(basis.axes)
    for chunk in chunks(sums.n_targets):
        part = sums.select(chunk)
        turned = turn_targets(features, part, basis.axes)
        found = solve_chunk(plan, turned)
        coef = turn_back @ found.weights
        origin = statistics.scale * statistics.y_origin[chunk] - statistics.x_origin @ coef
        out.store(chunk, coef, origin + found.y_mean, found)
    return out.solution(None, _working_bytes(sums, len(basis.variances)))


def penalty_plan(
    sums: BlockStatistics,
    folds: Folds | None,
    alphas: Sequence[float] | np.ndarray | None,
    search: Search,
) -> tuple[PenaltyPlan, WholeBasis, BlockStatistics]:
    """Give the plan, the basis, and the sums of the features along its axes.

    Parameters
    ----------
    sums
        Of some blocks, with or without targets.
    folds
        Over those blocks; None for generalised cross-validation.
    alphas, search
        See `solve_ridge`.
    """
    basis = whole_basis(sums)
    features = sums.turned(basis.axes)
    bases = [] if folds is None else fold_bases(features, folds)
    grid = alpha_grid(alphas, float(basis.variances.sum()) / len(basis.axes))
    plan = PenaltyPlan(basis.variances, bases, grid, alphas is None, search, NUMPY)
    return plan, basis, features


def turn_targets(
    features: BlockStatistics, part: BlockStatistics, axes: np.ndarray
) -> BlockStatistics:
    """Put some targets beside features that were turned.

    Parameters
    ----------
    features
        Sums along the axes, without targets.
    part
        Sums about the origin, with the targets.
    axes
        Shape (n_features, n_axes).
    """
    turn = np.float32(axes.T)
    xty = np.stack([turn @ part.xty[block] for block in range(part.n_blocks)])
    return replace(features, sum_y=part.sum_y, sum_yy=part.sum_yy, xty=xty)


def _named_folds(
    names: list[str], held_out: Sequence[Sequence[str]] | None, n_samples: np.ndarray
) -> Folds:
    held_out = [[name] for name in names] if held_out is None else held_out
    flat = [name for fold in held_out for name in fold]
    unknown = sorted(set(flat) - set(names))
    if unknown or len(set(flat)) < len(flat) or len(held_out) < 2:
        raise CalcarineError(
            f"`held_out` is {[list(fold) for fold in held_out]}; expected at least two folds, each "
            f"of blocks of its own, out of {names}."
        )
    test = np.array([[name in fold for name in names] for fold in held_out])
    folds = Folds(np.repeat(np.arange(len(names)), n_samples), ~test, test)
    folds.refuse_single_samples()
    return folds


def chunks(n_targets: int) -> Iterator[slice]:
    """Cut targets into chunks that keep the working set small."""
    for start in range(0, n_targets, _TARGETS_AT_A_TIME):
        yield slice(start, min(start + _TARGETS_AT_A_TIME, n_targets))


def _working_bytes(sums: BlockStatistics, n_axes: int) -> int:
    n_blocks = sums.n_blocks
    square = 8 * n_axes**2 * (2 * n_blocks + 6)
    return square + 4 * _TARGETS_AT_A_TIME * n_axes * (5 * n_blocks + 8)
