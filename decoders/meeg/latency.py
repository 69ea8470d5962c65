"""When something can be decoded best, when first, and whether before it was shown."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from calcarine.data.time_windows import Window


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
    known = np.isfinite(values).all(axis=0)
    values = values[:, known]
    if not values.shape[1]:
        return np.nan, np.nan, np.nan
    centres = np.array([w.centre_s for w in windows])
    own = np.arange(values.shape[1]) if clusters is None else np.asarray(clusters)[known]
    _, cluster = np.unique(own, return_inverse=True)
    n_clusters = int(cluster.max()) + 1
    sums = np.zeros((n_clusters, len(values)))
    np.add.at(sums, cluster, values.T)
    sizes = np.bincount(cluster)
    peak = float(centres[np.argmax(values.mean(axis=1))])
    if n_clusters < 2:
        return peak, np.nan, np.nan
    draws = np.random.default_rng(seed).integers(0, n_clusters, (n_draws, n_clusters))
    counts = np.stack([np.bincount(row, minlength=n_clusters) for row in draws])
    means = (counts @ sums) / (counts @ sizes)[:, None]
    peaks = centres[np.argmax(means, axis=1)]
    low, high = np.quantile(peaks, [(1 - level) / 2, (1 + level) / 2])
    return peak, float(low), float(high)


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
    before = np.array([w.stop_s <= 1e-9 for w in windows])
    n_before = int(before.sum())
    share = float(np.asarray(above)[before].mean()) if n_before else float("nan")
    return share, n_before
