"""Penalties and weights of one chunk of targets, from its block statistics."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from calcarine.data.errors import CalcarineError
from calcarine.encoders.ridge.arrays import Array, ArrayLibrary
from calcarine.encoders.ridge.fold_bases import FoldBasis
from calcarine.encoders.ridge.losses import GcvLoss, KFoldLoss
from calcarine.encoders.ridge.penalty_search import ChosenPenalties, Search, choose_penalties
from calcarine.encoders.ridge.statistics import BlockStatistics

Method = Literal["kfold", "gcv"]
METHODS, SEARCHES = ("gcv", "kfold"), ("bracket", "continuous", "grid")

_DECADES, _N_ALPHAS = 4.0, 20


@dataclass(frozen=True)
class PenaltyPlan:
    """How penalties are chosen: what all chunks of targets share.

    Attributes
    ----------
    variances
        Squared length of the centred features along the principal axes of all samples, float64,
        shape (n_axes,).
    bases
        Features of every fold along those axes; none for generalised cross-validation.
    alphas
        Grid, rising.
    extend
        Whether the grid may grow.
    search
        See `choose_penalties`.
    library
        What multiplies.
    """

    variances: np.ndarray
    bases: list[FoldBasis]
    alphas: np.ndarray
    extend: bool
    search: Search
    library: ArrayLibrary


@dataclass(frozen=True)
class ChunkSolution:
    """Weights along the principal axes, and penalties, of some targets.

    Attributes
    ----------
    weights
        float32, shape (n_axes, n_targets), where the plan's library keeps its arrays.
    y_mean
        Mean of the targets about their origin, shape (n_targets,).
    penalties
        What was chosen.
    varies
        Whether a target varies at all, bool, shape (n_targets,).
    """

    weights: Array
    y_mean: np.ndarray
    penalties: ChosenPenalties
    varies: np.ndarray


def alpha_grid(alphas: Sequence[float] | np.ndarray | None, scale: float) -> np.ndarray:
    """Give the grid of penalties.

    Parameters
    ----------
    alphas
        What the user asked for; without it 20 values over 8 decades.
    scale
        Mean variance of the features, tr(XᵀX)/n_features, around which the decades lie.

    Raises
    ------
    CalcarineError
        A penalty is not a positive number.
    """
    if alphas is None:
        return np.logspace(-_DECADES, _DECADES, _N_ALPHAS) * (scale or 1.0)
    grid = np.unique(np.asarray(alphas, dtype=np.float64))
    if not grid.size or not np.isfinite(grid).all() or grid[0] <= 0:
        raise CalcarineError(f"`alphas` are {alphas}; expected positive numbers.")
    return grid


def check_names(method: str, search: str) -> None:
    """Refuse a method or a search that does not exist."""
    if method not in METHODS:
        raise CalcarineError(f"`method` is {method!r}; expected one of {list(METHODS)}.")
    if search not in SEARCHES:
        raise CalcarineError(f"`search` is {search!r}; expected one of {list(SEARCHES)}.")


def solve_chunk(plan: PenaltyPlan, statistics: BlockStatistics) -> ChunkSolution:
    """Choose penalties and fit all samples.

    Parameters
    ----------
    plan
        How penalties are chosen.
    statistics
        Of some targets, with features along the principal axes of all samples.
    """
    n_samples = float(statistics.n_samples.sum())
    x_mean = statistics.sum_x.sum(axis=0) / n_samples
    y_mean = statistics.sum_y.sum(axis=0) / n_samples
    cross = statistics.xty[0] + 0.0
    for block in range(1, statistics.n_blocks):
        cross += statistics.xty[block]
    cross -= plan.library.outer(x_mean, n_samples * y_mean)
    squares = np.maximum(statistics.sum_yy.sum(axis=0) - n_samples * y_mean**2, 0.0)
    penalties = _choose(plan, statistics, cross, squares)
    # along the principal axes the Gram matrix of all samples is diagonal
    put = plan.library.put
    weights = cross / (
        put(np.float32(plan.variances))[:, None] + put(np.float32(penalties.alpha))[None]
    )
    offset = y_mean - plan.library.row_product(x_mean, weights)
    return ChunkSolution(weights, offset, penalties, statistics.sum_yy.sum(axis=0) > 0)


def _choose(
    plan: PenaltyPlan, statistics: BlockStatistics, cross: Array, squares: np.ndarray
) -> ChosenPenalties:
    n_samples = float(statistics.n_samples.sum())
    guess = None
    if not plan.bases or plan.search != "grid":
        guess = GcvLoss(n_samples, squares, cross, plan.variances, plan.library)
    loss: KFoldLoss | GcvLoss
    if plan.bases:
        loss = KFoldLoss(statistics, plan.bases, plan.library)
    else:
        assert guess is not None
        loss, guess = guess, None
    return choose_penalties(loss, plan.alphas, plan.extend, plan.search, guess)
