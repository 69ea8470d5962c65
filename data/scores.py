"""The score table `metrics.tsv`: long, plain, the same in every modality."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import betaincinv
from scipy.stats import norm as normal
from scipy.stats import t as student_t

from calcarine.data.tables import write_tsv


@dataclass(frozen=True)
class Score:
    """One row of `metrics.tsv`.

    Attributes
    ----------
    subject, stage, model, target, metric
        Who, which step, which model (a control is `model/control`), which target, what number.
    protocol
        How it was measured: `phantom`, `mindeye`, `brain-diffuser`, `takagi`, `meta`, `calcarine`.
    split
        Which trials: `test`, `test-held-out`, `leave-one-run-out`, …
    n_items, n_repeats
        Number of items scored and of repeats averaged for each.
    value, ci_low, ci_high
        The number and its 95 % interval. NaN where it could not be computed.
    chance, ceiling
        What guessing and what a perfect model would get. NaN where there is no such number.
    note
        Why a value is missing, for instance `not computed: weights of X not found`.
    """

    subject: str
    stage: str
    model: str
    target: str
    metric: str
    protocol: str
    split: str
    n_items: int
    n_repeats: int
    value: float
    ci_low: float = np.nan
    ci_high: float = np.nan
    chance: float = np.nan
    ceiling: float = np.nan
    note: str = ""


SCORE_COLUMNS = tuple(Score.__dataclass_fields__)


def write_scores(path: Path, scores: Iterable[Score]) -> None:
    """Write `metrics.tsv` with six significant digits, so that equal runs give equal bytes."""
    write_tsv(path, pd.DataFrame([asdict(s) for s in scores], columns=list(SCORE_COLUMNS)))


def read_scores(path: Path) -> pd.DataFrame:
    """Read `metrics.tsv`."""
    text = ("subject", "stage", "model", "target", "metric", "protocol", "split", "note")
    table = pd.read_csv(
        path, sep="\t", dtype={n: "str" for n in text}, na_values=["n/a"], keep_default_na=False
    )
    table["note"] = table["note"].fillna("")
    return table


def bootstrap_interval(
    values: np.ndarray,
    seed: int,
    n_draws: int = 2000,
    level: float = 0.95,
    median: bool = False,
    clusters: np.ndarray | None = None,
    limits: tuple[float, float] = (-np.inf, np.inf),
) -> tuple[float, float]:
    """Give the percentile interval of a mean or a median, items drawn with replacement.

    Parameters
    ----------
    values
        One value an item, shape (n_items,); NaN items are left out.
    seed
        Seed of the draws.
    n_draws
        Number of bootstrap samples.
    level
        Coverage, between 0 and 1.
    median
        Give the interval of the median instead of the mean.
    clusters
        Cluster of each item, shape (n_items,): items that depend on each other, as those of one
        fold do, are drawn together. Without it every item stands for itself.
    limits
        Where the summary can lie at all: the widening for few clusters does not know.

    Returns
    -------
    tuple of float
        Lower and upper bound; NaN where there are fewer than two items, or clusters.
    """
    values = np.asarray(values, dtype=np.float64)
    is_known = np.isfinite(values)
    if clusters is None:
        table = values[is_known][:, None]
    else:
        table = _by_cluster(values[is_known], np.asarray(clusters)[is_known])
    if len(table) < 2:
        return np.nan, np.nan
    draws = np.random.default_rng(seed).integers(0, len(table), size=(n_draws, len(table)))
    drawn = table[draws].reshape(n_draws, -1)
    summaries = row_medians(drawn) if median else np.nanmean(drawn, axis=1)
    low, high = np.quantile(summaries, [(1 - level) / 2, (1 + level) / 2])
    if clusters is None:
        return float(low), float(high)
    middle, wider = float(np.median(summaries)), few_clusters(len(table), level)
    ends = middle + wider * (np.array([low, high]) - middle)
    low, high = np.clip(ends, *limits)
    return float(low), float(high)


def row_medians(values: np.ndarray) -> np.ndarray:
    """Take the median of each row without its NaN, as `numpy.nanmedian` does, but fast.

    That function masks each short row by itself; here all rows are sorted at once.

    Parameters
    ----------
    values
        Shape (n_rows, n_values).

    Returns
    -------
    numpy.ndarray
        Shape (n_rows,); NaN for a row of NaN.

    Examples
    --------
    >>> row_medians(np.array([[3.0, np.nan, 1.0], [5.0, 7.0, 6.0]]))
    array([2., 6.])
    """
    ordered = np.sort(values, axis=1)
    n_known = np.sum(~np.isnan(ordered), axis=1)
    places = np.stack([np.maximum(n_known - 1, 0) // 2, n_known // 2], axis=1)
    middle = np.take_along_axis(ordered, np.minimum(places, ordered.shape[1] - 1), axis=1)
    medians: np.ndarray = np.where(n_known > 0, middle.mean(axis=1), np.nan)
    return medians


def few_clusters(n_clusters: int, level: float) -> float:
    """Give the factor by which a percentile interval of few clusters is too narrow.

    √(n / (n − 1)) · t / z (Hesterberg 2015, doi:10.1080/00031305.2015.1089789): 1.58 for five
    clusters, 1.04 for fifty.
    """
    quantile = (1 + level) / 2
    ratio = student_t.ppf(quantile, n_clusters - 1) / normal.ppf(quantile)
    return float(np.sqrt(n_clusters / (n_clusters - 1)) * ratio)


def share_interval(
    hits: np.ndarray,
    seed: int,
    n_draws: int = 2000,
    level: float = 0.95,
    clusters: np.ndarray | None = None,
) -> tuple[float, float]:
    """Give the interval of a share of hits.

    Independent hits and misses have the exact binomial interval (Clopper & Pearson 1934,
    doi:10.1093/biomet/26.4.404): a bootstrap of no hit at all would be [0, 0], and shares near
    chance among many candidates are often just that. Fractions and clusters are bootstrapped,
    and where all clusters agree they count as so many independent items.

    Parameters
    ----------
    hits
        Share of hits of each item, shape (n_items,), between 0 and 1; NaN items are left out.
    seed, n_draws, level, clusters
        See `bootstrap_interval`.

    Returns
    -------
    tuple of float
        Lower and upper bound; NaN where there are fewer than two items, or clusters.

    Examples
    --------
    >>> low, high = share_interval(np.zeros(60), seed=0)
    >>> round(low, 3), round(high, 3)
    (0.0, 0.06)
    """
    values = np.asarray(hits, dtype=np.float64)
    is_known = np.isfinite(values)
    values = values[is_known]
    groups = np.arange(len(values)) if clusters is None else np.asarray(clusters)[is_known]
    is_plain = clusters is None and np.isin(values, (0.0, 1.0)).all()
    n_independent = len(np.unique(groups))
    if n_independent < 2:
        return np.nan, np.nan
    if not is_plain:
        ends = bootstrap_interval(values, seed, n_draws, level, clusters=groups, limits=(0.0, 1.0))
        if ends[0] != ends[1]:
            return max(0.0, ends[0]), min(1.0, ends[1])
    return _exact_interval(round(values.mean() * n_independent), n_independent, level)


def _exact_interval(n_hits: int, n_items: int, level: float) -> tuple[float, float]:
    """Give the Clopper-Pearson interval, whose ends are quantiles of beta distributions."""
    rest = (1 - level) / 2
    low = betaincinv(n_hits, n_items - n_hits + 1, rest) if n_hits > 0 else 0.0
    high = betaincinv(n_hits + 1, n_items - n_hits, 1 - rest) if n_hits < n_items else 1.0
    return float(low), float(high)


def _by_cluster(values: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Lay values out one row a cluster, filled up with NaN."""
    _, row, size = np.unique(clusters, return_inverse=True, return_counts=True)
    table = np.full((len(size), int(size.max(initial=0))), np.nan)
    order = np.argsort(row, kind="stable")
    place = np.arange(len(values)) - np.repeat(np.cumsum(size) - size, size)
    table[row[order], place] = values[order]
    return table
