"""Dissimilarities between the response patterns of conditions.

All dissimilarities of n conditions are a vector of their n (n − 1) / 2 pairs, row by row of the
upper triangle, as `scipy.spatial.distance.squareform` has it.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.spatial.distance import pdist
from sklearn.covariance import LedoitWolf

from calcarine.data.errors import CalcarineError


def n_pairs(n_conditions: int) -> int:
    """Count the pairs of conditions."""
    return n_conditions * (n_conditions - 1) // 2


def n_conditions_of(n: int) -> int:
    """Count the conditions that n pairs belong to.

    Raises
    ------
    CalcarineError
        No number of conditions has so many pairs.

    Examples
    --------
    >>> n_conditions_of(4186)
    92
    """
    n_conditions = (1 + round(np.sqrt(1 + 8 * n))) // 2
    if n < 1 or n_pairs(n_conditions) != n:
        raise CalcarineError(
            f"{n} dissimilarities are no upper triangle; expected n (n − 1) / 2 of them, for "
            "instance 4186 for 92 conditions."
        )
    return n_conditions


def correlation_distance(patterns: np.ndarray) -> np.ndarray:
    """Give 1 − Pearson r of every pair of patterns.

    Parameters
    ----------
    patterns
        Shape (n_conditions, n_units); at least three units.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_pairs,), from 0 to 2.

    Raises
    ------
    CalcarineError
        A pattern is constant: it correlates with nothing.
    """
    checked = _patterns(patterns, 3)
    constant = np.flatnonzero(np.ptp(checked, axis=1) == 0)
    if len(constant):
        raise CalcarineError(
            f"{len(constant)} patterns are constant over units, the first is number {constant[0]}; "
            "a correlation distance needs patterns that vary. Take another distance."
        )
    return np.clip(pdist(checked, "correlation"), 0.0, 2.0)


def cosine_distance(patterns: np.ndarray) -> np.ndarray:
    """Give 1 − cosine of every pair of patterns: float64, shape (n_pairs,)."""
    checked = _patterns(patterns, 1)
    if (np.linalg.norm(checked, axis=1) == 0).any():
        raise CalcarineError("a pattern is zero in all units and has no cosine; leave it out.")
    return np.clip(pdist(checked, "cosine"), 0.0, 2.0)


def squared_euclidean_distance(patterns: np.ndarray) -> np.ndarray:
    """Give the squared Euclidean distance of every pair, divided by the number of units."""
    checked = _patterns(patterns, 1)
    return pdist(checked, "sqeuclidean") / checked.shape[1]


DISTANCES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "correlation": correlation_distance,
    "cosine": cosine_distance,
    "euclidean": squared_euclidean_distance,
}
"""Distances between one pattern a condition."""


def _patterns(patterns: np.ndarray, n_units: int) -> np.ndarray:
    values = np.asarray(patterns, dtype=np.float64)
    if values.ndim != 2 or len(values) < 3 or values.shape[1] < n_units:
        raise CalcarineError(
            f"patterns have the shape {values.shape}; expected (n_conditions, n_units) with at "
            f"least 3 conditions and {n_units} units."
        )
    if not np.isfinite(values).all():
        raise CalcarineError("patterns hold values that are not finite; leave those units out.")
    return values


def noise_precision(residuals: np.ndarray) -> np.ndarray:
    """Estimate the inverse of the noise covariance between units, with shrinkage.

    Parameters
    ----------
    residuals
        What is left of single trials when their condition's mean is taken off, shape (n_trials,
        n_units).

    Returns
    -------
    numpy.ndarray
        float64, shape (n_units, n_units). Ledoit & Wolf (2004,
        doi:10.1016/S0047-259X(03)00096-4) shrinkage makes it invertible where trials are few.

    Raises
    ------
    CalcarineError
        There are fewer than two trials, or a unit never varies.
    """
    values = np.asarray(residuals, dtype=np.float64)
    if values.ndim != 2 or len(values) < 2:
        raise CalcarineError(
            f"residuals have the shape {values.shape}; expected (n_trials, n_units) with at least "
            "two trials."
        )
    if (values.std(axis=0) == 0).any():
        raise CalcarineError(
            f"{int((values.std(axis=0) == 0).sum())} units have no noise at all; leave units "
            "without signal out of the mask."
        )
    return np.linalg.inv(LedoitWolf(assume_centered=True).fit(values).covariance_)


def crossnobis(
    partitions: Sequence[np.ndarray] | np.ndarray, precision: np.ndarray | None = None
) -> np.ndarray:
    """Give the cross-validated squared Mahalanobis distance of every pair of conditions.

    Noise of different partitions (runs) is independent, so that a distance is 0 on average where
    the true patterns are equal; single values may be negative (Walther et al. 2016,
    doi:10.1016/j.neuroimage.2015.12.012).

    Parameters
    ----------
    partitions
        Mean pattern of each condition in each run, shape (n_partitions, n_conditions, n_units). A
        row of NaN: the condition was not shown in that run.
    precision
        Inverse noise covariance, shape (n_units, n_units); without it the identity.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_pairs,): mean over pairs of different partitions in which both conditions
        stand, divided by the number of units.

    Raises
    ------
    CalcarineError
        Fewer than two partitions, or two conditions never stand together in two partitions.
    """
    values = np.asarray(partitions, dtype=np.float64)
    if values.ndim != 3 or len(values) < 2:
        raise CalcarineError(
            f"partitions have the shape {values.shape}; a cross-validated distance needs "
            "(n_partitions, n_conditions, n_units) with at least two partitions (runs)."
        )
    there = np.asarray(np.isfinite(values).all(axis=2))
    filled = np.where(there[:, :, None], values, 0.0)
    weighted = filled if precision is None else filled @ precision
    n_conditions = values.shape[1]
    total, count = np.zeros((n_conditions, n_conditions)), np.zeros((n_conditions, n_conditions))
    for first in range(len(values)):
        for second in range(first + 1, len(values)):
            product = weighted[first] @ filled[second].T
            own = np.diag(product)
            distance = own[:, None] + own[None, :] - product - product.T
            both = np.outer(there[first] & there[second], there[first] & there[second])
            total += np.where(both, distance, 0.0)
            count += both
    upper = np.triu_indices(n_conditions, 1)
    if (count[upper] == 0).any():
        raise CalcarineError(
            f"{int((count[upper] == 0).sum())} pairs of conditions never stand together in two "
            "partitions; take conditions that repeat over runs, or another distance."
        )
    return total[upper] / count[upper] / values.shape[2]


def partition_means(
    values: np.ndarray, conditions: np.ndarray, partitions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Average the trials of a condition within each partition.

    Parameters
    ----------
    values
        Responses, shape (n_trials, n_units).
    conditions, partitions
        Number of each trial's condition and partition from 0, shape (n_trials,).

    Returns
    -------
    means : numpy.ndarray
        float64, shape (n_partitions, n_conditions, n_units); NaN where a partition lacks one.
    residuals : numpy.ndarray
        Trials less the mean of their condition over all partitions, in units that keep the noise's
        variance (scaled by √(m / (m − 1)) for m trials); conditions shown once are left out.
    """
    data = np.asarray(values, dtype=np.float64)
    n_partitions, n_conditions = int(partitions.max()) + 1, int(conditions.max()) + 1
    cell = partitions * n_conditions + conditions
    means = _means(data, cell, n_partitions * n_conditions)
    times = np.bincount(conditions, minlength=n_conditions)[conditions]
    grand = _means(data, conditions, n_conditions)[conditions]
    repeated = times > 1
    scale = np.sqrt(times[repeated] / (times[repeated] - 1))[:, None]
    residuals = (data[repeated] - grand[repeated]) * scale
    return means.reshape(n_partitions, n_conditions, -1), residuals


def _means(values: np.ndarray, groups: np.ndarray, n_groups: int) -> np.ndarray:
    total = np.zeros((n_groups, values.shape[1]))
    np.add.at(total, groups, values)
    count = np.bincount(groups, minlength=n_groups)[:, None].astype(np.float64)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
