"""Nulls by permutation, false discovery rates, and rank correlations of many units at once."""

import numpy as np
from scipy.stats import false_discovery_control, rankdata

from calcarine.data.errors import CalcarineError


def standard_ranks(values: np.ndarray) -> np.ndarray:
    """Rank each row, ties averaged, to mean 0 and length 1; a constant row becomes zeros.

    Parameters
    ----------
    values
        Shape (n_rows, n_items).
    """
    ranks = rankdata(values, axis=1)
    ranks = ranks - ranks.mean(axis=1, keepdims=True)
    length = np.linalg.norm(ranks, axis=1, keepdims=True)
    return np.divide(ranks, length, out=np.zeros_like(ranks), where=length > 1e-9)


def spearman_rows(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Correlate the ranks of each row of `a` with those of the same row of `b`.

    Returns
    -------
    numpy.ndarray
        Spearman's ρ, shape (n_rows,); 0 where a row is constant.

    Examples
    --------
    >>> spearman_rows(np.array([[1.0, 2, 3]]), np.array([[2.0, 4, 9]])).round(6)
    array([1.])
    """
    return np.einsum("ij,ij->i", standard_ranks(a), standard_ranks(b))


def permutation_p_values(
    expected: np.ndarray,
    measured: np.ndarray,
    n_permutations: int,
    seed: int,
    blocks: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Test whether what a caption expects of items goes with what was measured.

    Items are permuted alike in all units, so that what units have in common stays.

    Parameters
    ----------
    expected, measured
        Shape (n_units, n_items).
    n_permutations
        How many; the smallest p is 1 / (n + 1).
    seed
        Of the permutations.
    blocks
        Label of each item (a fold): items are permuted within blocks; without it among all.

    Returns
    -------
    tuple of numpy.ndarray
        Spearman's ρ and the one-sided p, (number of permutations that reach ρ, plus one) over
        (n + 1), each shape (n_units,). A constant row has ρ 0 and p 1.

    Raises
    ------
    CalcarineError
        Shapes disagree.
    """
    if expected.shape != measured.shape or expected.ndim != 2:
        raise CalcarineError(
            f"expected and measured responses have shapes {expected.shape} and {measured.shape}; "
            "they must both be (n_units, n_items)."
        )
    rng = np.random.default_rng(seed)
    a = standard_ranks(expected).astype(np.float32)
    b = standard_ranks(measured).astype(np.float32)
    found = np.einsum("ij,ij->i", a, b)
    reached = np.zeros(len(a), dtype=np.int64)
    for _ in range(n_permutations):
        order = _order(rng, a.shape[1], blocks)
        # rounding must not turn an exact tie into a miss
        reached += np.einsum("ij,ij->i", a[:, order], b) >= found - 1e-6
    p_values = (reached + 1) / (n_permutations + 1)
    p_values[~a.any(axis=1) | ~b.any(axis=1)] = 1.0
    return found.astype(np.float64), p_values


def _order(rng: np.random.Generator, n_items: int, blocks: np.ndarray | None) -> np.ndarray:
    if blocks is None:
        return rng.permutation(n_items)
    order = np.arange(n_items)
    for block in np.unique(blocks):
        own = np.flatnonzero(blocks == block)
        order[own] = rng.permutation(own)
    return order


def ranks_within(values: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """Replace values by their standard ranks within blocks of items, so that blocks can be pooled.

    Parameters
    ----------
    values
        Shape (n_rows, n_items).
    blocks
        Label of each item.
    """
    out = np.zeros(values.shape)
    for block in np.unique(blocks):
        own = np.flatnonzero(blocks == block)
        out[:, own] = standard_ranks(values[:, own]) * np.sqrt(len(own))
    return out


def q_values(p_values: np.ndarray) -> np.ndarray:
    """Give the false discovery rate at which each test is a discovery (Benjamini & Hochberg 1995).

    doi:10.1111/j.2517-6161.1995.tb02031.x. NaN tests were not made and do not count.

    Examples
    --------
    >>> q_values(np.array([0.01, 0.04, np.nan])).round(3).tolist()
    [0.02, 0.04, nan]
    """
    out = np.full(len(p_values), np.nan)
    made = np.isfinite(p_values)
    if made.any():
        out[made] = false_discovery_control(p_values[made])
    return out
