"""Weights of a ridge regression under resampled blocks of trials, to see how stable they are."""

from collections.abc import Iterator

import numpy as np

from calcarine.data.errors import CalcarineError
from calcarine.encoders.ridge.summing import block_statistics


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


def bootstrap_weights(
    features: np.ndarray,
    responses: np.ndarray,
    blocks: np.ndarray,
    alpha: np.ndarray,
    draws: np.ndarray,
) -> Iterator[np.ndarray]:
    """Refit a ridge regression to resampled blocks, each unit with its own penalty.

    All that is needed are the sums of each block: a refit costs one change of basis and no pass
    over the data. Penalties stay those of the whole fit, in proportion to the number of trials.

    Parameters
    ----------
    features
        Shape (n_trials, n_features).
    responses
        Standardised, shape (n_trials, n_units).
    blocks
        Session or run of each trial, shape (n_trials,).
    alpha
        Penalty of each unit, shape (n_units,).
    draws
        From `block_draws`; columns are the blocks in sorted order.

    Yields
    ------
    numpy.ndarray
        Weights, float32, shape (n_features, n_units), one array a draw.

    Raises
    ------
    CalcarineError
        There are fewer than two blocks, or the draws are of another number of blocks.
    """
    names, number = np.unique(blocks, return_inverse=True)
    if len(names) < 2 or draws.shape[1] != len(names):
        raise CalcarineError(
            f"trials come in {len(names)} blocks and draws are of {draws.shape[1]}; resampling "
            "needs two blocks at least and draws of as many. Resample runs where there is only "
            "one session."
        )
    order = np.argsort(number, kind="stable")
    x = np.asarray(features, dtype=np.float64)[order]
    x -= x.mean(axis=0)
    statistics = block_statistics(x, np.asarray(responses)[order], number[order])
    n_all = int(statistics.n_samples.sum())
    for counts in draws:
        n_drawn = counts @ statistics.n_samples
        mean_x = counts @ statistics.sum_x / n_drawn
        mean_y = counts @ statistics.sum_y / n_drawn
        gram = np.tensordot(counts, statistics.gram, axes=1) - n_drawn * np.outer(mean_x, mean_x)
        cross = np.tensordot(counts, statistics.xty.astype(np.float64), axes=1)
        cross -= n_drawn * np.outer(mean_x, mean_y)
        values, vectors = np.linalg.eigh(gram)
        penalty = np.asarray(alpha, dtype=np.float64) * n_drawn / n_all
        shrunk = (vectors.T @ cross) / (np.maximum(values, 0)[:, None] + penalty)
        yield (vectors @ shrunk).astype(np.float32)
