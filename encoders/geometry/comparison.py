"""How alike two sets of dissimilarities are."""

from collections.abc import Callable

import numpy as np
from scipy.stats import kendalltau, rankdata

from calcarine.data.errors import CalcarineError


def pearson(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Correlate every row of `first` with every row of `second`.

    Parameters
    ----------
    first, second
        Dissimilarities, shape (n_first, n_pairs) and (n_second, n_pairs).

    Returns
    -------
    numpy.ndarray
        Pearson r, float64, shape (n_first, n_second); NaN where a row is constant.
    """
    a, b = _checked(first, second)
    return _unit(a) @ _unit(b).T


def spearman(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Correlate the ranks of every two rows, ties averaged: shape (n_first, n_second)."""
    a, b = _checked(first, second)
    return _ranks(a) @ _ranks(b).T


def kendall_a(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Give Kendall's τ-a of every two rows: shape (n_first, n_second).

    Unlike ranks with averaged ties it does not favour models that predict ties (Nili et al. 2014,
    doi:10.1371/journal.pcbi.1003553).
    """
    a, b = _checked(first, second)
    n = a.shape[1] * (a.shape[1] - 1) / 2
    untied_a, untied_b = ([n - _tied(row) for row in rows] for rows in (a, b))
    out = np.empty((len(a), len(b)))
    for i, row in enumerate(a):
        for j, other in enumerate(b):
            scale = np.sqrt(untied_a[i] * untied_b[j]) / n
            # τ-b differs by its denominator alone, and comes in n log n
            out[i, j] = kendalltau(row, other).statistic * scale
    return out


def cosine(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Give the cosine of every two rows, which keeps a ratio scale's zero: (n_first, n_second)."""
    a, b = _checked(first, second)
    return _length_1(a) @ _length_1(b).T


COMPARISONS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "spearman": spearman,
    "pearson": pearson,
    "kendall-a": kendall_a,
    "cosine": cosine,
}


def compare(first: np.ndarray, second: np.ndarray, method: str = "spearman") -> np.ndarray:
    """Compare every row of `first` with every row of `second` by a named measure.

    Parameters
    ----------
    first, second
        Dissimilarities, shape (n_first, n_pairs) or (n_pairs,), likewise for `second`. Pairs that
        are NaN in any row are left out of all.
    method
        `spearman`, `pearson`, `kendall-a` or `cosine`.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_first, n_second).

    Raises
    ------
    CalcarineError
        The measure is unknown, the numbers of pairs differ, or fewer than three pairs are known.

    Examples
    --------
    >>> compare(np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 2.0]))
    array([[0.5]])
    """
    if method not in COMPARISONS:
        raise CalcarineError(f"comparison is {method!r}; expected one of {sorted(COMPARISONS)}.")
    a, b = np.atleast_2d(first), np.atleast_2d(second)
    if a.shape[1] != b.shape[1]:
        raise CalcarineError(
            f"{a.shape[1]} dissimilarities cannot be compared with {b.shape[1]}; take the same "
            "conditions in the same order."
        )
    known = np.isfinite(a).all(axis=0) & np.isfinite(b).all(axis=0)
    return COMPARISONS[method](a[:, known], b[:, known])


def _checked(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = (np.asarray(rows, dtype=np.float64) for rows in (first, second))
    if a.shape[1] < 3:
        raise CalcarineError(
            f"only {a.shape[1]} pairs of conditions are known in all RDMs; a comparison needs 3."
        )
    return a, b


def _unit(rows: np.ndarray) -> np.ndarray:
    """Centre rows and give them length 1; NaN where a row is constant."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    # a constant row leaves rounding errors that would correlate with anything
    tiny = 1e-12 * np.maximum(np.abs(rows).max(axis=1, keepdims=True), np.finfo(float).tiny)
    varies = length > tiny * np.sqrt(rows.shape[1])
    return np.divide(centred, length, out=np.full_like(centred, np.nan), where=varies)


def _length_1(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _ranks(rows: np.ndarray) -> np.ndarray:
    return _unit(rankdata(rows, axis=1))


UNIT_ROWS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "spearman": _ranks,
    "pearson": _unit,
    "cosine": _length_1,
}
"""Measures that are a product of two rows, each brought to its own form first."""


def _tied(row: np.ndarray) -> float:
    count = np.unique(row, return_counts=True)[1].astype(np.float64)
    return float((count * (count - 1) / 2).sum())
