"""Ridge regression of many targets, each with its own penalty."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from tqdm import tqdm

from calcarine.data.errors import CalcarineError
from calcarine.data.stored_rows import StoredRows
from calcarine.encoders.ridge.arrays import Array, array_library
from calcarine.encoders.ridge.axes import PrincipalAxes
from calcarine.encoders.ridge.chunk_solver import (
    ChunkSolution,
    Method,
    PenaltyPlan,
    alpha_grid,
    check_names,
    solve_chunk,
)
from calcarine.encoders.ridge.fold_bases import fold_bases
from calcarine.encoders.ridge.folds import Folds, grouped_folds
from calcarine.encoders.ridge.penalty_search import Search
from calcarine.encoders.ridge.reading import (
    Chunk,
    NanTargets,
    check_shapes,
    raw_chunks,
    read_chunk,
)
from calcarine.encoders.ridge.routes import (
    Route,
    RouteChoice,
    choose_route,
    route_axes,
    route_costs,
)
from calcarine.encoders.ridge.solution import RidgeSolution, SolutionArrays
from calcarine.encoders.ridge.statistics import BlockStatistics
from calcarine.encoders.ridge.summing import add_responses, feature_statistics
from calcarine.encoders.ridge.threads import blas_threads, map_threads
from calcarine.encoders.ridge.working_set import Sizes, chunk_size_within, working_set_bytes


@dataclass(frozen=True)
class RidgeSettings:
    """How the work is done; nothing here changes what is estimated, but `route` and `scale`.

    Attributes
    ----------
    scale
        Responses are multiplied by this (1/300 for percent signal change stored as int16).
    nan_targets
        `refuse` targets with values that are not finite, by name, or `mask` them: their results are
        NaN.
    route
        How many features are dealt with, see `routes`: `auto` is exact unless that is out of reach.
    max_axes
        Axes of the routes `pca` and `random`.
    seed
        Of the route `random`.
    chunk_size
        Number of targets at a time; without it as many as `max_working_bytes` holds.
    max_working_bytes
        Limit of the memory beside inputs and weights.
    n_threads
        Chunks at a time; without it as many as numpy's products have threads.
    device
        None: numpy; `cpu`, `cuda`, …: torch on that device.
    """

    scale: float = 1.0
    nan_targets: NanTargets = "refuse"
    route: Route = "auto"
    max_axes: int = 2048
    seed: int = 0
    chunk_size: int | None = None
    max_working_bytes: int = 2**30
    n_threads: int | None = None
    device: str | None = None


DEFAULT = RidgeSettings()


@dataclass(frozen=True)
class _Problem:
    """What all chunks of targets share."""

    axes: PrincipalAxes
    turned_features: Array
    turn_back: Array
    order: np.ndarray | None
    blocks: np.ndarray
    statistics: BlockStatistics
    plan: PenaltyPlan
    route: RouteChoice
    chunk_size: int
    working_bytes: int
    n_threads: int


def solve_ridge(
    features: np.ndarray,
    responses: np.ndarray,
    groups: np.ndarray | None = None,
    alphas: Sequence[float] | np.ndarray | None = None,
    n_folds: int | None = 5,
    method: Method = "kfold",
    search: Search = "grid",
    folds: Folds | None = None,
    settings: RidgeSettings = DEFAULT,
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
        Shape (n_samples, n_targets); an array or a memory map, read in chunks of targets.
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
    search
        `grid`, `bracket` or `continuous`, see `choose_penalties`.
    folds
        Any other cross-validation (`purged_folds`, `Folds.of_roles`) in place of `groups` and
        `n_folds`.
    settings
        How the work is done.

    Raises
    ------
    CalcarineError
        Shapes disagree, a value is not finite (with its position), there are fewer groups than
        folds, a fold tests one sample, `gcv` was asked for with repeated groups, or the working set
        would be larger than allowed.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((60, 8))
    >>> y = x @ rng.standard_normal((8, 3))
    >>> bool((solve_ridge(x, y).cv_score > 0.99).all())
    True
    """
    check_shapes(features, responses)
    check_names(method, search)
    folds = _folds(method, len(features), groups, n_folds, folds)
    problem = _set_up(features, responses, folds, alphas, search, settings)
    out = SolutionArrays.empty(features.shape[1], responses.shape[1])
    starts = range(0, responses.shape[1], problem.chunk_size)

    def solve(item: tuple[slice, np.ndarray]) -> None:
        chunk = read_chunk(*item, problem.order, settings.nan_targets, problem.plan.library)
        _store(out, problem, chunk, _solve_read(problem, chunk), settings.scale)

    chunks = raw_chunks(responses, problem.chunk_size)
    done = map_threads(solve, chunks, problem.n_threads)
    quiet = None if len(starts) > 1 else True
    for _ in tqdm(done, total=len(starts), desc="ridge", unit="chunk", disable=quiet):
        pass
    return out.solution(problem.route, problem.working_bytes)


def _folds(
    method: Method,
    n_samples: int,
    groups: np.ndarray | None,
    n_folds: int | None,
    folds: Folds | None,
) -> Folds | None:
    if method == "kfold":
        if folds is None:
            folds = Folds.held_out(grouped_folds(n_samples, groups, n_folds))
        if len(folds.blocks) != n_samples:
            raise CalcarineError(
                f"`folds` are of {len(folds.blocks)} samples, the features of {n_samples}."
            )
        folds.refuse_single_samples()
        return folds
    if groups is not None and len(np.unique(groups)) < len(groups):
        raise CalcarineError(
            f"method 'gcv' takes {n_samples} samples as independent, but they belong to "
            f"{len(np.unique(groups))} groups. Average the samples of a group, or use 'kfold'."
        )
    return None


def _set_up(
    features: np.ndarray,
    responses: np.ndarray,
    folds: Folds | None,
    alphas: Sequence[float] | np.ndarray | None,
    search: Search,
    settings: RidgeSettings,
) -> _Problem:
    (n_samples, n_features), n_targets = features.shape, responses.shape[1]
    blocks = np.zeros(n_samples, dtype=np.int64) if folds is None else folds.blocks
    order = np.argsort(blocks, kind="stable") if (np.diff(blocks) < 0).any() else None
    n_folds, n_blocks = 0 if folds is None else folds.n_folds, int(blocks.max()) + 1
    n_alphas = 20 if alphas is None else np.size(alphas)
    costs = route_costs(n_samples, n_features, n_targets, n_folds, n_alphas, settings.max_axes)
    route = choose_route(costs, settings.route)
    n_axes = min(n_samples - 1, n_features)
    n_axes = min(n_axes, settings.max_axes) if route in ("pca", "random") else n_axes
    library = array_library(settings.device)
    n_threads = settings.n_threads or (blas_threads() if library.device is None else 1)
    sizes = Sizes(
        n_samples, n_features, n_targets, n_axes, n_blocks, n_folds, n_threads,
        order is not None and not isinstance(features, StoredRows),
        type(responses) is not np.ndarray, route == "random", library.device is not None,
    )  # fmt: skip
    chunk = settings.chunk_size or chunk_size_within(sizes, settings.max_working_bytes)
    if order is not None:
        is_stored = isinstance(features, StoredRows)
        features = features.take(order) if is_stored else features[order]
        blocks = blocks[order]
    axes, choice = route_axes(features, route, costs, settings.max_axes, settings.seed, library)
    turned = library.put(axes.scores)
    statistics = feature_statistics(turned, blocks, folds is not None, library)
    bases = [] if folds is None else fold_bases(statistics, folds, n_threads, library)
    grid = alpha_grid(alphas, float(axes.variances.sum()) / n_features)
    plan = PenaltyPlan(axes.variances, bases, grid, alphas is None, search, library)
    statistics = replace(statistics, gram=np.zeros((n_blocks, 0, 0)))  # the bases hold it all
    return _Problem(
        axes, turned, library.put(axes.axes), order, blocks, statistics, plan,
        choice, chunk, working_set_bytes(sizes, chunk), min(n_threads, -(-n_targets // chunk)),
    )  # fmt: skip


def _solve_read(problem: _Problem, chunk: Chunk) -> ChunkSolution:
    statistics = add_responses(
        problem.statistics,
        problem.turned_features,
        chunk.values,
        problem.blocks,
        problem.plan.library,
    )
    return solve_chunk(problem.plan, statistics)


def _store(
    out: SolutionArrays, problem: _Problem, chunk: Chunk, found: ChunkSolution, scale: float
) -> None:
    library = problem.plan.library
    there = problem.turn_back @ found.weights
    intercept = chunk.origin + found.y_mean - library.row_product(problem.axes.mean, there)
    coef = library.get(there)
    out.store(chunk.targets, scale * coef if scale != 1 else coef, scale * intercept, found)
    out.mask(chunk.targets, chunk.masked)
