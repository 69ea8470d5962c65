"""Nested scores, learning curves and the stability of weights, all from the same sums."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from calcarine.data.errors import CalcarineError
from calcarine.encoders.ridge.chunk_solver import Method, solve_chunk
from calcarine.encoders.ridge.folds import Folds
from calcarine.encoders.ridge.from_statistics import (
    chunks,
    penalty_plan,
    turn_targets,
    whole_basis,
)
from calcarine.encoders.ridge.held_out import explained_squares, ratio
from calcarine.encoders.ridge.penalty_search import Search
from calcarine.encoders.ridge.statistics import BlockStatistics
from calcarine.encoders.ridge.streaming import RidgeStatistics


@dataclass(frozen=True)
class NestedScore:
    """Scores whose penalties never saw the samples that are scored.

    Attributes
    ----------
    r2
        1 − (squared error) / (that of the training mean) over all outer test blocks together, shape
        (n_targets,).
    block_r2
        The same for every outer block, shape (n_blocks, n_targets).
    alpha
        Penalty of every outer fold, shape (n_blocks, n_targets).
    """

    r2: np.ndarray
    block_r2: np.ndarray
    alpha: np.ndarray


@dataclass(frozen=True)
class LearningCurve:
    """Score against the amount of training data.

    Attributes
    ----------
    n_samples
        Number of training samples at each point, shape (n_points,).
    r2
        On the test blocks, shape (n_points, n_targets).
    alpha
        Penalties, shape (n_points, n_targets).
    """

    n_samples: np.ndarray
    r2: np.ndarray
    alpha: np.ndarray


@dataclass(frozen=True)
class WeightStability:
    """How weights vary over samples of blocks drawn with replacement.

    Attributes
    ----------
    mean, deviation
        Of each weight over the draws, float32, shape (n_features, n_targets).
    agreement
        Mean cosine of a draw's weights with those of the fit to all blocks, shape (n_targets,): a
        direction that is read as selectivity should come near 1.
    n_draws
        Number of draws.
    """

    mean: np.ndarray
    deviation: np.ndarray
    agreement: np.ndarray
    n_draws: int


def nested_score(
    statistics: RidgeStatistics,
    alphas: Sequence[float] | np.ndarray | None = None,
    method: Method = "kfold",
    search: Search = "grid",
) -> NestedScore:
    """Hold out each block once, and choose its penalties by the other blocks alone.

    Parameters
    ----------
    statistics
        Sums over blocks: runs or sessions. With `kfold` the inner folds hold out one further block
        each, so that at least three are needed.
    alphas, method, search
        See `solve_ridge`.

    Raises
    ------
    CalcarineError
        There are too few blocks.
    """
    sums = statistics.blocks()
    least = 3 if method == "kfold" else 2
    if sums.n_blocks < least:
        raise CalcarineError(
            f"nested cross-validation with method {method!r} needs at least {least} blocks; there "
            f"are {statistics.names}."
        )
    gains, baselines, chosen = [], [], []
    for block in range(sums.n_blocks):
        test = np.arange(sums.n_blocks) == block
        gain, baseline, alpha = _score(sums, ~test, test, alphas, method, search)
        gains.append(gain)
        baselines.append(baseline)
        chosen.append(alpha)
    gain, baseline = np.stack(gains), np.stack(baselines)
    return NestedScore(
        ratio(gain.sum(axis=0), baseline.sum(axis=0)), ratio(gain, baseline), np.stack(chosen)
    )


def learning_curve(
    statistics: RidgeStatistics,
    test: Sequence[str],
    order: Sequence[str] | None = None,
    alphas: Sequence[float] | np.ndarray | None = None,
    method: Method = "gcv",
) -> LearningCurve:
    """Train on one block, two blocks, …, and score on the same test blocks.

    Parameters
    ----------
    statistics
        Sums over blocks.
    test
        Names of the blocks that are scored.
    order
        Names of the training blocks in the order in which they come; without it all others in the
        order of the sums.
    alphas, method
        See `solve_ridge`. Penalties of each point come from its training blocks; `kfold` holds out
        one of them at a time and starts with two.

    Raises
    ------
    CalcarineError
        A name is unknown or on both sides.
    """
    sums, names = statistics.blocks(), statistics.names
    order = [name for name in names if name not in test] if order is None else list(order)
    if not set(order) | set(test) <= set(names) or set(order) & set(test) or not test or not order:
        raise CalcarineError(
            f"test blocks are {list(test)} and training blocks {order}; expected two disjoint sets "
            f"out of {names}."
        )
    tested = np.isin(names, list(test))
    sizes, scores, chosen = [], [], []
    for n_blocks in range(2 if method == "kfold" else 1, len(order) + 1):
        train = np.isin(names, order[:n_blocks])
        gain, baseline, alpha = _score(sums, train, tested, alphas, method, "grid")
        sizes.append(int(sums.n_samples[train].sum()))
        scores.append(ratio(gain, baseline))
        chosen.append(alpha)
    return LearningCurve(np.array(sizes), np.stack(scores), np.stack(chosen))


def weight_stability(
    statistics: RidgeStatistics, alpha: np.ndarray, n_draws: int = 100, seed: int = 0
) -> WeightStability:
    """Draw blocks with replacement and fit again, see `drawn_weights`.

    Parameters
    ----------
    statistics
        Sums over blocks that are independent of each other: sessions or runs.
    alpha
        Penalty of each target, shape (n_targets,).
    n_draws
        Number of draws.
    seed
        Of the draws.

    Raises
    ------
    CalcarineError
        There is one block only.
    """
    sums = statistics.blocks()
    if sums.n_blocks < 2:
        raise CalcarineError(
            f"the stability of weights needs blocks to draw from; there is {statistics.names} only."
        )
    (full,) = drawn_weights(sums, alpha, np.ones((1, sums.n_blocks)))
    mean, squares = np.zeros_like(full), np.zeros_like(full)
    agreement = np.zeros(sums.n_targets)
    draws = block_draws(sums.n_blocks, n_draws, seed)
    for draw, coef in enumerate(drawn_weights(sums, alpha, draws), start=1):
        agreement += _cosine(coef, full)
        step = coef - mean
        mean += step / np.float32(draw)
        squares += step * (coef - mean)
    deviation = np.sqrt(squares / np.float32(max(n_draws - 1, 1)))
    return WeightStability(mean, deviation, agreement / n_draws, n_draws)


def block_draws(n_blocks: int, n_draws: int, seed: int) -> np.ndarray:
    """Draw blocks with replacement.

    Parameters
    ----------
    n_blocks
        Blocks there are.
    n_draws
        How often as many are drawn.
    seed
        Of the draws.

    Returns
    -------
    numpy.ndarray
        How often each block is in each draw, int64, shape (n_draws, n_blocks).
    """
    drawn = np.random.default_rng(seed).integers(0, n_blocks, size=(n_draws, n_blocks))
    return np.stack([np.bincount(row, minlength=n_blocks) for row in drawn])


def drawn_weights(
    sums: BlockStatistics, alpha: np.ndarray, draws: np.ndarray
) -> Iterator[np.ndarray]:
    """Fit again to drawn blocks, each target with its own penalty.

    A fit costs one change of basis and no pass over the data. Penalties stay those of the whole
    fit, in proportion to the number of samples.

    Parameters
    ----------
    sums
        Sums over blocks.
    alpha
        Penalty of each target, shape (n_targets,).
    draws
        How often each block counts, shape (n_draws, n_blocks), see `block_draws`.

    Yields
    ------
    numpy.ndarray
        Weights, float32, shape (n_features, n_targets), one array a draw.
    """
    n_all = sums.n_samples.sum()
    for counts in draws:
        yield _weights(sums, counts, alpha * float(counts @ sums.n_samples / n_all))


def _weights(sums: BlockStatistics, counts: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Fit blocks that count several times, at given penalties."""
    basis = whole_basis(sums.select(slice(0, 0)).weighted(counts))
    turn = basis.axes.astype(np.float32)
    coef = np.empty((len(turn), sums.n_targets), dtype=np.float32)
    for chunk in chunks(sums.n_targets):
        part = sums.select(chunk).weighted(counts)
        cross = part.xty[0] - np.outer(np.float32(basis.mean), np.float32(part.sum_y[0]))
        shrunk = basis.variances.astype(np.float32)[:, None] + np.float32(alpha[chunk])
        coef[:, chunk] = turn @ ((turn.T @ cross) / shrunk)
    return coef


def _cosine(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(left, axis=0) * np.linalg.norm(right, axis=0)
    return ratio(np.einsum("pv,pv->v", left, right).astype(np.float64), lengths)


def _score(
    sums: BlockStatistics,
    train: np.ndarray,
    test: np.ndarray,
    alphas: Sequence[float] | np.ndarray | None,
    method: Method,
    search: Search,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit some blocks and score others: what is explained, of what, and the penalties."""
    inner = _blocks(sums.select(slice(0, 0)), train)
    n_inner = inner.n_blocks
    folds = Folds.held_out(np.arange(n_inner)) if method == "kfold" else None
    plan, basis, features = penalty_plan(inner, folds, alphas, search)
    gain, baseline, chosen = (np.empty(sums.n_targets) for _ in range(3))
    for chunk in chunks(sums.n_targets):
        part = sums.select(chunk)
        found = solve_chunk(plan, turn_targets(features, _blocks(part, train), basis.axes))
        coef = np.float32(basis.axes) @ found.weights
        explained, squares = explained_squares(part, train, test, coef)
        gain[chunk], baseline[chunk], chosen[chunk] = explained[0], squares, found.penalties.alpha
    return gain, baseline, chosen


def _blocks(sums: BlockStatistics, chosen: np.ndarray) -> BlockStatistics:
    return replace(
        sums,
        n_samples=sums.n_samples[chosen],
        sum_x=sums.sum_x[chosen],
        gram=sums.gram[chosen],
        sum_y=sums.sum_y[chosen],
        sum_yy=sums.sum_yy[chosen],
        xty=sums.xty[chosen],
    )
