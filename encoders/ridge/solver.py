"""Ridge regression of many targets, each with its own penalty."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from tqdm import tqdm

from calcarine.data.errors import CalcarineError
from calcarine.encoders.ridge.axes import PrincipalAxes, principal_axes
from calcarine.encoders.ridge.folds import grouped_folds
from calcarine.encoders.ridge.penalty_search import (
    ChosenPenalties,
    FoldBasis,
    choose_penalties,
    fold_bases,
    gcv_losses,
    kfold_losses,
)
from calcarine.encoders.ridge.statistics import (
    BlockStatistics,
    add_responses,
    feature_statistics,
)

Method = Literal["kfold", "gcv"]
_DECADES, _N_ALPHAS = 4.0, 20
_ROWS_AT_A_TIME = 512
_WORKING_FLOATS = 32 * 2**20


@dataclass(frozen=True)
class RidgeSolution:
    """Weights and penalties of every target.

    Attributes
    ----------
    coef
        float32, shape (n_features, n_targets).
    intercept
        float32, shape (n_targets,).
    alpha
        Chosen penalties, float64, shape (n_targets,).
    cv_score
        1 − (held-out squared error) / (that of the training mean), over all samples together:
        shape (n_targets,), at most 1, 0 for a constant target.
    alphas
        Penalties that were tried, rising, shape (n_alphas,).
    edge_share
        Share of the targets whose choice is the smallest and the largest penalty that they were
        tried with: (lower, upper). A high lower share says that weaker penalties would do better;
        targets that cannot be predicted gather at the upper end.
    """

    coef: np.ndarray
    intercept: np.ndarray
    alpha: np.ndarray
    cv_score: np.ndarray
    alphas: np.ndarray
    edge_share: tuple[float, float]


@dataclass(frozen=True)
class _Problem:
    """What all chunks of targets share."""

    axes: PrincipalAxes
    order: np.ndarray | None
    blocks: np.ndarray
    statistics: BlockStatistics
    bases: list[FoldBasis]
    alphas: np.ndarray
    extend: bool


def solve_ridge(
    features: np.ndarray,
    responses: np.ndarray,
    groups: np.ndarray | None = None,
    alphas: Sequence[float] | np.ndarray | None = None,
    n_folds: int | None = 5,
    method: Method = "kfold",
    chunk_size: int | None = None,
) -> RidgeSolution:
    """Fit ridge regression with one penalty a target, chosen by cross-validation.

    The criterion is |y − Xw − b|² + α|w|², the intercept b is not penalised. K-fold errors are
    exact, with centring by the means of each training set; they are computed from sums a fold, so
    that working memory does not grow with the number of targets.

    Parameters
    ----------
    features
        Shape (n_samples, n_features), finite; more features than samples are welcome.
    responses
        Shape (n_samples, n_targets), finite; an array or a memory map, read in chunks of targets.
    groups
        Group of each sample, shape (n_samples,): samples of one group (the repeats of a stimulus)
        are never on both sides of a fold.
    alphas
        Penalties to choose from. Without them 20 values over 8 decades around the mean variance
        tr(XᵀX)/n_features of the centred features, extended by up to 4 decades each way for the
        targets that need it.
    n_folds
        Number of folds; None leaves out one group at a time.
    method
        `kfold`, or `gcv`: generalised cross-validation, which takes a tenth of the time and knows
        no groups: average repeats first, and do not use it on autocorrelated samples.
    chunk_size
        Number of targets at a time; without it as many as fit into about 128 MB.

    Returns
    -------
    RidgeSolution
        Weights of a fit to all samples.

    Raises
    ------
    CalcarineError
        Shapes disagree, a value is not finite (with its position), there are fewer groups than
        folds, or `gcv` was asked for with repeated groups.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((60, 8))
    >>> y = x @ rng.standard_normal((8, 3))
    >>> bool((solve_ridge(x, y).cv_score > 0.99).all())
    True
    """
    _check_shapes(features, responses)
    problem = _set_up(features, _folds(method, len(features), groups, n_folds), alphas)
    n_targets = responses.shape[1]
    coef = np.empty((features.shape[1], n_targets), dtype=np.float32)
    intercept = np.empty(n_targets, dtype=np.float32)
    chunk_size = chunk_size or _chunk_size(problem)
    chosen, varies = [], []
    starts = range(0, n_targets, chunk_size)
    for start in tqdm(
        starts, desc="ridge", unit="chunk", disable=None if len(starts) > 1 else True
    ):
        chunk = slice(start, start + chunk_size)
        origin, values = _read_chunk(responses, chunk, problem.order)
        statistics = add_responses(problem.statistics, problem.axes.scores, values, problem.blocks)
        penalties = _choose(problem, statistics)
        coef[:, chunk], offset = _weights(problem, statistics, penalties.alpha)
        intercept[chunk] = origin + offset
        chosen.append(penalties)
        varies.append(statistics.sum_yy.sum(axis=0) > 0)
    return _gather(coef, intercept, chosen, np.concatenate(varies))


def _check_shapes(features: np.ndarray, responses: np.ndarray) -> None:
    if features.ndim != 2 or responses.ndim != 2 or len(features) != len(responses):
        raise CalcarineError(
            f"features have shape {features.shape} and responses {responses.shape}; expected "
            "(n_samples, n_features) and (n_samples, n_targets) with as many samples."
        )
    if len(features) < 2 or not features.shape[1] or not responses.shape[1]:
        raise CalcarineError(
            f"features have shape {features.shape} and responses {responses.shape}; at least two "
            "samples, one feature and one target are needed."
        )
    _refuse_non_finite(features, "features", 0)


def _refuse_non_finite(values: np.ndarray, what: str, first_column: int) -> None:
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        places = [(int(row), int(column) + first_column) for row, column in bad[:5]]
        raise CalcarineError(
            f"{len(bad)} values of the {what} are NaN or inf, the first at (sample, column) "
            f"{places}{' …' * (len(bad) > 5)}. Leave those columns out of the mask or those "
            "samples out of the fit."
        )


def _folds(
    method: Method, n_samples: int, groups: np.ndarray | None, n_folds: int | None
) -> np.ndarray:
    if method == "kfold":
        return grouped_folds(n_samples, groups, n_folds)
    if method != "gcv":
        raise CalcarineError(f"`method` is {method!r}; expected one of ['gcv', 'kfold'].")
    if groups is not None and len(np.unique(groups)) < len(groups):
        raise CalcarineError(
            f"method 'gcv' takes {n_samples} samples as independent, but they belong to "
            f"{len(np.unique(groups))} groups. Average the samples of a group, or use 'kfold'."
        )
    return np.zeros(n_samples, dtype=np.int64)


def _set_up(
    features: np.ndarray, folds: np.ndarray, alphas: Sequence[float] | np.ndarray | None
) -> _Problem:
    order = None
    if (np.diff(folds) < 0).any():
        order = np.argsort(folds, kind="stable")
        features, folds = features[order], folds[order]
    axes = principal_axes(features)
    statistics = feature_statistics(axes.scores, folds)
    bases = fold_bases(statistics) if statistics.n_blocks > 1 else []
    scale = float(axes.variances.sum()) / features.shape[1] or 1.0
    grid = _alpha_grid(alphas, scale)
    return _Problem(axes, order, folds, statistics, bases, grid, alphas is None)


def _alpha_grid(alphas: Sequence[float] | np.ndarray | None, scale: float) -> np.ndarray:
    if alphas is None:
        return np.logspace(-_DECADES, _DECADES, _N_ALPHAS) * scale
    grid = np.unique(np.asarray(alphas, dtype=np.float64))
    if not grid.size or not np.isfinite(grid).all() or grid[0] <= 0:
        raise CalcarineError(f"`alphas` are {alphas}; expected positive numbers.")
    return grid


def _chunk_size(problem: _Problem) -> int:
    n_samples, n_axes = problem.axes.scores.shape
    per_target = 2 * n_samples + (problem.statistics.n_blocks + 6) * n_axes
    return int(np.clip(_WORKING_FLOATS // per_target, 64, 1024))


def _read_chunk(
    responses: np.ndarray, chunk: slice, order: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Give means and float32 deviations of some targets; a constant target deviates nowhere."""
    raw = responses[:, chunk]
    if order is not None:
        raw = raw[order]
    dtype = np.result_type(raw.dtype, np.float32)
    sums = np.zeros(raw.shape[1])
    for start in range(0, len(raw), _ROWS_AT_A_TIME):
        sums += raw[start : start + _ROWS_AT_A_TIME].sum(axis=0, dtype=dtype)
    if not np.isfinite(sums).all():
        _refuse_non_finite(responses[:, chunk], "responses", chunk.start)
    origin = (sums / len(raw)).astype(dtype)
    values = np.subtract(raw, origin, dtype=dtype).astype(np.float32, copy=False)
    constant = np.flatnonzero(values[0] == values[-1])
    constant = constant[(values[:, constant] == values[0, constant]).all(axis=0)]
    origin[constant] += values[0, constant]
    values[:, constant] = 0.0
    return origin, values


def _choose(problem: _Problem, statistics: BlockStatistics) -> ChosenPenalties:
    if problem.bases:
        losses = kfold_losses(statistics, problem.bases)
    else:
        losses = gcv_losses(statistics, problem.axes.variances)
    return choose_penalties(losses, problem.alphas, statistics.n_targets, problem.extend)


def _weights(
    problem: _Problem, statistics: BlockStatistics, alpha: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Fit all samples; give weights, and the intercept less the origin of the targets."""
    n_samples = statistics.n_samples.sum()
    x_sum, y_sum = statistics.sum_x.sum(axis=0), statistics.sum_y.sum(axis=0)
    cross = statistics.xty.sum(axis=0)
    cross -= np.outer(np.float32(x_sum), np.float32(y_sum / n_samples))
    # along the principal axes the Gram matrix of all samples is diagonal
    turned = cross / (problem.axes.variances.astype(np.float32)[:, None] + np.float32(alpha))
    coef = problem.axes.axes @ turned
    return coef, (y_sum - x_sum @ turned) / n_samples - problem.axes.mean @ coef


def _gather(
    coef: np.ndarray, intercept: np.ndarray, chosen: list[ChosenPenalties], varies: np.ndarray
) -> RidgeSolution:
    loss = np.concatenate([c.loss for c in chosen])
    lower = np.concatenate([c.at_lower for c in chosen])[varies]
    upper = np.concatenate([c.at_upper for c in chosen])[varies]
    return RidgeSolution(
        coef,
        intercept,
        np.concatenate([c.alpha for c in chosen]),
        -loss,
        np.unique(np.concatenate([c.tried for c in chosen])),
        (float(lower.mean()), float(upper.mean())) if lower.size else (0.0, 0.0),
    )
