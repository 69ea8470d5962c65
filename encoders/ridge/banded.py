"""Banded ridge: each target shares its penalty out over families of features."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from calcarine.data.errors import CalcarineError
from calcarine.encoders.ridge.band_search import (
    TARGETS_AT_A_TIME,
    BandProblem,
    BestSoFar,
    band_scores,
    centred_products,
    refine,
    relative_grid,
    try_shares,
)
from calcarine.encoders.ridge.bands import band_shares, make_bands
from calcarine.encoders.ridge.folds import Folds, grouped_folds
from calcarine.encoders.ridge.reading import check_shapes, raw_chunks, read_chunk
from calcarine.encoders.ridge.statistics import BlockStatistics
from calcarine.encoders.ridge.summing import add_responses, feature_statistics
from calcarine.encoders.ridge.threads import blas_threads


@dataclass(frozen=True)
class BandedSettings:
    """How shares are searched.

    Attributes
    ----------
    n_candidates
        Dirichlet draws of shares, beside equal shares and each band alone.
    shares
        Candidates in place of all these, shape (n_candidates, n_bands), not negative.
    n_refinements
        Rounds of steps along the gradient.
    equal_bands
        Give bands the same total variance first, so that shares compare whatever their units and
        sizes; without it shares multiply the features as they are.
    max_axes
        Principal axes of largest variance that each band keeps; without it all, which is exact.
    seed
        Of the draws.
    max_working_bytes
        Limit of the memory beside inputs and weights; targets are taken in as many portions as it
        needs, and each portion repeats the decompositions.
    n_threads
        Chunks of targets at a time; without it as many as numpy's products have threads.
    """

    n_candidates: int = 15
    shares: np.ndarray | None = None
    n_refinements: int = 2
    equal_bands: bool = True
    max_axes: int | None = None
    seed: int = 0
    max_working_bytes: int = 2**30
    n_threads: int | None = None


DEFAULT = BandedSettings()


@dataclass(frozen=True)
class BandedSolution:
    """Weights, shares and penalties of every target.

    Attributes
    ----------
    coef, intercept
        float32, shapes (n_features, n_targets) and (n_targets,).
    shares
        Share of each band in the prior variance of the weights, shape (n_bands, n_targets); columns
        add to one, where `shares` of the settings do.
    alpha
        Penalty at those shares, shape (n_targets,).
    penalties
        What each band's weights are penalised by: α / (γ × unit²), infinite for a band without a
        share; shape (n_bands, n_targets).
    cv_score
        Cross-validated R² about the training mean, shape (n_targets,).
    band_scores
        Its split over the bands by the product measure, shape (n_bands, n_targets); a column adds
        up to `cv_score`. A part may be negative, where a band hurts.
    edge_share
        Shares of targets whose penalty is the smallest and the largest offered.
    kept_shares
        Share of each band's variance along the axes that it kept, shape (n_bands,).
    """

    coef: np.ndarray
    intercept: np.ndarray
    shares: np.ndarray
    alpha: np.ndarray
    penalties: np.ndarray
    cv_score: np.ndarray
    band_scores: np.ndarray
    edge_share: tuple[float, float]
    kept_shares: np.ndarray


def solve_banded(
    features: np.ndarray,
    responses: np.ndarray,
    bands: Sequence[object] | np.ndarray,
    groups: np.ndarray | None = None,
    alphas: Sequence[float] | np.ndarray | None = None,
    n_folds: int | None = 5,
    folds: Folds | None = None,
    settings: BandedSettings = DEFAULT,
) -> BandedSolution:
    """Fit ridge regression whose bands of features are penalised differently, target by target.

    The criterion is |y − Xw − b|² + Σ_b (α/γ_b)|w_b|² (Nunez-Elizalde, Huth & Gallant 2019,
    doi:10.1016/j.neuroimage.2019.04.012). Shares γ and penalty α of each target are those of least
    exact K-fold error, over random shares (Dupré la Tour et al. 2022,
    doi:10.1016/j.neuroimage.2022.119728) and then along its gradient. A candidate rescales the
    sums; the responses are read once.

    Parameters
    ----------
    features
        Shape (n_samples, n_features), finite.
    responses
        Shape (n_samples, n_targets), finite; an array or a memory map.
    bands
        Band of each feature, shape (n_features,).
    groups, n_folds, folds
        Cross-validation, see `solve_ridge`.
    alphas
        Penalties relative to the mean variance of the features at each share; without them 20
        values over 8 decades.
    settings
        How shares are searched.

    Raises
    ------
    CalcarineError
        As `solve_ridge`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((90, 8))
    >>> y = x[:, :4] @ rng.standard_normal((4, 2)) + 0.3 * rng.standard_normal((90, 2))
    >>> found = solve_banded(x, y, ["early"] * 4 + ["late"] * 4)
    >>> bool((found.band_scores[0] > 0.8).all())
    True
    """
    check_shapes(features, responses)
    if folds is None:
        folds = Folds.held_out(grouped_folds(len(features), groups, n_folds))
    folds.refuse_single_samples()
    order = np.argsort(folds.blocks, kind="stable")
    blocks = folds.blocks[order]
    turned = make_bands(features[order], bands, settings.equal_bands, settings.max_axes)
    statistics = feature_statistics(turned.scores, blocks)
    n_threads = settings.n_threads or blas_threads()
    problem = BandProblem(turned, statistics, folds, relative_grid(alphas), n_threads)
    portion = _portion(statistics, len(features), settings.max_working_bytes)
    n_targets = responses.shape[1]
    parts = []
    chunks = raw_chunks(responses, min(portion, n_targets))
    quiet = None if n_targets > portion else True
    for targets, raw in tqdm(
        chunks, total=-(-n_targets // portion), desc="banded ridge", unit="portion", disable=quiet
    ):
        chunk = read_chunk(targets, raw, order, "refuse")
        sums = add_responses(statistics, turned.scores, chunk.values, blocks)
        parts.append(_solve(problem, sums, chunk.origin, settings))
    return _join(parts)


def _portion(statistics: BlockStatistics, n_samples: int, limit: int) -> int:
    n_blocks, n_axes = statistics.sum_x.shape
    fixed = 4 * n_samples * n_axes + 8 * n_axes**2 * (2 * n_blocks + 12)
    a_target = 4 * (3 * n_samples + 2 * n_blocks * n_axes + 4 * n_axes)
    room = (limit - fixed) // a_target
    if room < 64:
        raise CalcarineError(
            f"banded ridge of {n_samples} samples × {n_axes} axes in {n_blocks} blocks takes "
            f"{(fixed + 64 * a_target) / 2**20:.0f} MB beside its inputs and weights; "
            f"`max_working_bytes` allows {limit / 2**20:.0f} MB. Raise it, or reduce the features."
        )
    return int(room)


def _solve(
    problem: BandProblem, sums: BlockStatistics, origin: np.ndarray, settings: BandedSettings
) -> BandedSolution:
    n_bands = problem.bands.n_bands
    best = BestSoFar.start(n_bands, sums.n_targets)
    candidates = _candidates(n_bands, settings)
    try_shares(problem, sums, candidates, best)
    if settings.n_refinements and (best.loss < 0).any():
        refine(problem, sums, best, settings.n_refinements, settings.seed)
    coef, offset = _refit(problem, sums, best)
    shares = best.shares[best.share_of].T
    room = np.full(shares.shape, np.inf)
    scaled = shares * problem.bands.unit[:, None] ** 2
    penalties = np.divide(best.alpha, scaled, out=room, where=shares > 0)
    varies = sums.sum_yy.sum(axis=0) > 0
    lower, upper = best.at_edge[:, varies].mean(axis=1) if varies.any() else (0.0, 0.0)
    return BandedSolution(
        coef,
        (origin + offset).astype(np.float32),
        shares,
        best.alpha,
        penalties,
        -best.loss,
        band_scores(problem, sums, best),
        (float(lower), float(upper)),
        np.array([axes.kept_share for axes in problem.bands.axes]),
    )


def _candidates(n_bands: int, settings: BandedSettings) -> np.ndarray:
    if settings.shares is None:
        return band_shares(n_bands, settings.n_candidates, settings.seed)
    shares = np.atleast_2d(np.asarray(settings.shares, dtype=np.float64))
    if shares.shape[1] != n_bands or (shares < 0).any() or not shares.any(axis=1).all():
        raise CalcarineError(
            f"`shares` has shape {shares.shape}; expected (n_candidates, {n_bands}), not negative, "
            "no row all zero."
        )
    return shares


def _refit(
    problem: BandProblem, sums: BlockStatistics, best: BestSoFar
) -> tuple[np.ndarray, np.ndarray]:
    """Fit all samples at the chosen shares and penalties; weights, and intercept less origin."""
    n_samples = float(sums.n_samples.sum())
    weights = np.empty((sums.xty.shape[1], sums.n_targets), dtype=np.float32)
    for number in np.unique(best.share_of):
        members = np.flatnonzero(best.share_of == number)
        whole = problem.whole(best.shares[number])
        turn = whole.axes.astype(np.float32)
        for start in range(0, len(members), TARGETS_AT_A_TIME):
            targets = members[start : start + TARGETS_AT_A_TIME]
            cross = centred_products(sums.select(targets))[0]
            penalty = best.alpha[targets].astype(np.float32)
            shrunk = whole.variances.astype(np.float32)[:, None] + penalty
            weights[:, targets] = turn @ ((turn.T @ cross) / shrunk)
    x_mean = sums.sum_x.sum(axis=0) / n_samples
    y_mean = sums.sum_y.sum(axis=0) / n_samples
    coef, at_mean = problem.bands.weights_of_features(weights)
    return coef, y_mean - x_mean @ weights - at_mean


def _join(parts: list[BandedSolution]) -> BandedSolution:
    sizes = np.array([len(part.alpha) for part in parts], dtype=np.float64)
    lower, upper = sizes @ np.array([part.edge_share for part in parts]) / sizes.sum()

    def join(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts], axis=-1)

    return BandedSolution(
        join("coef"),
        join("intercept"),
        join("shares"),
        join("alpha"),
        join("penalties"),
        join("cv_score"),
        join("band_scores"),
        (float(lower), float(upper)),
        parts[0].kept_shares,
    )
