"""Comparisons in which each pair counts some times, without sorting anew for every weighting."""

from collections.abc import Callable

import numpy as np

Weighted = Callable[[np.ndarray], np.ndarray]


def weighted_ranks(rows: np.ndarray) -> Weighted:
    """Prepare ranks of rows under weights.

    Parameters
    ----------
    rows
        Finite, shape (n_rows, n_pairs).

    Returns
    -------
    callable
        Takes integer weights, shape (n_pairs,), and gives the ranks, shape (n_rows, n_pairs), that
        the values have in a list where each stands as often as its weight says; ties averaged.
        Values are sorted once, here.
    """
    groups = [np.unique(row, return_inverse=True)[1] for row in rows]

    def ranks(weights: np.ndarray) -> np.ndarray:
        out = np.empty(rows.shape)
        for i, group in enumerate(groups):
            together = np.bincount(group, weights)
            out[i] = (np.cumsum(together) - (together - 1) / 2)[group]
        return out

    return ranks


def weighted_correlation(a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Correlate every two rows with weights: shape (n_a, n_b); NaN where a row is constant."""
    share = weights / weights.sum()
    a, b = a - (a @ share)[:, None], b - (b @ share)[:, None]
    length_a, length_b = np.sqrt(a**2 @ share), np.sqrt(b**2 @ share)
    scale = np.outer(length_a, length_b)
    tiny = 1e-12 * np.outer(np.abs(a).max(axis=1), np.abs(b).max(axis=1))
    product = (a * share) @ b.T
    return np.divide(product, scale, out=np.full_like(product, np.nan), where=scale > tiny)


def _spearman(a: np.ndarray, b: np.ndarray) -> Weighted:
    ranks_a, ranks_b = weighted_ranks(a), weighted_ranks(b)
    return lambda weights: weighted_correlation(ranks_a(weights), ranks_b(weights), weights)


def _pearson(a: np.ndarray, b: np.ndarray) -> Weighted:
    return lambda weights: weighted_correlation(a, b, weights)


def _cosine(a: np.ndarray, b: np.ndarray) -> Weighted:
    def compared(weights: np.ndarray) -> np.ndarray:
        scale = np.sqrt(np.outer(a**2 @ weights, b**2 @ weights))
        return ((a * weights) @ b.T) / scale

    return compared


WEIGHTED: dict[str, Callable[[np.ndarray, np.ndarray], Weighted]] = {
    "spearman": _spearman,
    "pearson": _pearson,
    "cosine": _cosine,
}
"""By the names of `COMPARISONS`: two sets of rows to a function of the weights of pairs."""
