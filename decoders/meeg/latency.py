"""When something can be decoded best, when first, and whether before it was shown."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from calcarine.data.scores import few_clusters
from calcarine.data.time_windows import Window

ONSET_S = 1e-9
"""A window that ends by then lies before onset."""


def peak_latency(
    values: np.ndarray,
    windows: Sequence[Window],
    seed: int,
    n_draws: int = 2000,
    clusters: np.ndarray | None = None,
    level: float = 0.95,
) -> tuple[float, float, float]:
    """Find the window of the highest mean, with its bootstrap interval over items.

    Parameters
    ----------
    values
        One value an item and window, the higher the better, shape (n_windows, n_items); NaN items
        are left out.
    windows
        Shape (n_windows,).
    seed, n_draws, level
        Of the bootstrap.
    clusters
        Cluster of each item, drawn together; without it every item stands for itself.

    Returns
    -------
    tuple of float
        Centre of the best window and the bounds of its interval, in seconds after onset; ties go
        to the earliest. NaN where there are no items.
    """
    found = _drawn_means(values, seed, n_draws, clusters)
    if found is None:
        return np.nan, np.nan, np.nan
    centres = np.array([w.centre_s for w in windows])
    peak = float(centres[np.argmax(found.mean)])
    if found.n_clusters < 2:
        return peak, np.nan, np.nan
    peaks = centres[np.argmax(found.drawn, axis=1)]
    low, high = np.quantile(peaks, [(1 - level) / 2, (1 + level) / 2])
    return peak, float(low), float(high)


class _Means(NamedTuple):
    """Means over items, shape (n_windows,), and of bootstrap draws, (n_draws, n_windows)."""

    mean: np.ndarray
    drawn: np.ndarray
    n_clusters: int


def _drawn_means(
    values: np.ndarray, seed: int, n_draws: int, clusters: np.ndarray | None
) -> _Means | None:
    """Draw items, or clusters of them, the same in every window; None where there is no item."""
    known = np.isfinite(values).all(axis=0)
    values = values[:, known]
    if not values.shape[1]:
        return None
    own = np.arange(values.shape[1]) if clusters is None else np.asarray(clusters)[known]
    _, cluster = np.unique(own, return_inverse=True)
    n_clusters = int(cluster.max()) + 1
    sums = np.zeros((n_clusters, len(values)))
    np.add.at(sums, cluster, values.T)
    draws = np.random.default_rng(seed).integers(0, n_clusters, (n_draws, n_clusters))
    counts = np.stack([np.bincount(row, minlength=n_clusters) for row in draws])
    drawn = (counts @ sums) / (counts @ np.bincount(cluster))[:, None]
    return _Means(values.mean(axis=1), drawn, n_clusters)


def corrected_p(
    values: np.ndarray,
    chance: float,
    seed: int,
    n_draws: int = 2000,
    clusters: np.ndarray | None = None,
    convert: Callable[[float], float] = float,
) -> np.ndarray:
    """Test in several windows at once whether scores lie above chance, by the largest statistic.

    The statistic is the distance from chance in standard errors. Its distribution without a signal
    is that of the largest distance, over windows, of a bootstrap draw from what was measured:
    windows that overlap depend on each other, and the draws know how. Among all windows, one or
    more have p ≤ 0.05 in 5 % of recordings without a signal (Westfall & Young 1993; Nichols &
    Holmes 2002, doi:10.1002/hbm.1058).

    Parameters
    ----------
    values
        One value an item and window, the higher the better, shape (n_windows, n_items).
    chance
        Chance level of the converted mean.
    seed, n_draws, clusters
        Of the bootstrap, see `peak_latency`.
    convert
        Monotone function of the mean, see `ItemMetric`.

    Returns
    -------
    numpy.ndarray
        One-sided p, corrected for the number of windows, shape (n_windows,); NaN where there are
        fewer than two items, or clusters.
    """
    found = _drawn_means(values, seed, n_draws, clusters)
    if found is None or found.n_clusters < 2 or not len(values):
        return np.full(len(values), np.nan)
    score = np.array([convert(float(m)) for m in found.mean])
    drawn = np.array([[convert(float(m)) for m in row] for row in found.drawn])
    error = np.maximum(drawn.std(axis=0), 1e-12)
    # one-sided at 0.05, as an interval of 0.9 is at either end
    largest = few_clusters(found.n_clusters, 0.9) * ((drawn - score) / error).max(axis=1)
    above = (score - chance) / error
    return np.asarray((1 + (largest[:, None] >= above).sum(axis=0)) / (1 + n_draws))


def onset_latency(above: np.ndarray, windows: Sequence[Window]) -> float:
    """Find when decoding begins: the first of two windows in a row that are above chance.

    Parameters
    ----------
    above
        Whether the interval of each window lies above chance, bool, shape (n_windows,).
    windows
        In order of time; those before stimulus onset do not count.

    Returns
    -------
    float
        Centre of that window in seconds; NaN where there is none.
    """
    after = [i for i, w in enumerate(windows) if w.start_s >= 0]
    for first, second in pairwise(after):
        if above[first] and above[second]:
            return windows[first].centre_s
    return float("nan")


def share_above_before_onset(above: np.ndarray, windows: Sequence[Window]) -> tuple[float, int]:
    """Count windows above chance among those that end before anything was shown.

    Returns
    -------
    tuple
        Their share (0.025 by chance alone where `above` comes from 95 % intervals; NaN where there
        is no such window), and how many windows there are.
    """
    before = np.array([w.stop_s <= ONSET_S for w in windows])
    n_before = int(before.sum())
    share = float(np.asarray(above)[before].mean()) if n_before else float("nan")
    return share, n_before
