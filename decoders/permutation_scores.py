"""Scores of decoders that were refitted on shuffled labels: what a fit finds in nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from calcarine.data.scores import Score
from calcarine.decoders.item_metrics import ItemMetric

CONTROL = "shuffled-labels"
_LEVEL = 0.95


def item_values(metric: ItemMetric, items: pd.DataFrame) -> pd.Series:
    """Average the values of each item, indexed by item: several trials of it count as one."""
    return items.assign(value=metric.values).groupby("item")["value"].mean()


def permutation_rows(
    measured: Score, refits: Sequence[tuple[ItemMetric, pd.DataFrame]]
) -> list[Score]:
    """Give the control of a score: its mean over refits on shuffled labels, and how rare it is.

    Parameters
    ----------
    measured
        The score of the decoder itself.
    refits
        The same metric of each refit, with its items.

    Returns
    -------
    list of Score
        Of the model `<model>/shuffled-labels`: the metric, whose interval holds 95 % of the
        *refits*, and `<metric>_permutation_p`, the share of fits (the decoder's own among them)
        that are as far from chance towards the ceiling as the measured one (Phipson & Smyth 2010,
        doi:10.2202/1544-6115.1585).
    """
    metric = refits[0][0]
    values = np.array([m.summary(item_values(m, items).to_numpy()) for m, items in refits])
    sign = np.sign(metric.ceiling - metric.chance)
    row = replace(
        measured, model=f"{measured.model}/{CONTROL}", note=f"interval of {len(values)} refits"
    )
    nothing = replace(row, value=np.nan, ci_low=np.nan, ci_high=np.nan)
    kept = values[np.isfinite(values)]
    if not len(kept) or not np.isfinite(sign):
        return [replace(nothing, note="not computed: the refits have no value")]
    low, high = np.quantile(kept, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    n_as_good = int((sign * kept >= sign * measured.value - 1e-12).sum())
    p = (1 + n_as_good) / (1 + len(kept))
    return [
        replace(row, value=float(kept.mean()), ci_low=float(low), ci_high=float(high)),
        replace(
            nothing,
            metric=f"{metric.name}_permutation_p",
            value=p,
            chance=np.nan,
            ceiling=np.nan,
            note=f"{n_as_good} of {len(kept)} refits at or beyond the measured value",
        ),
    ]


def all_permutation_rows(
    measured: Mapping[str, Score], refits: Sequence[tuple[list[ItemMetric], pd.DataFrame]]
) -> list[Score]:
    """Give the controls of all metrics of a decoder.

    Parameters
    ----------
    measured
        Scores of the decoder itself, by metric.
    refits
        Metrics of each refit, with their items.
    """
    rows: list[Score] = []
    for column, metric in enumerate(refits[0][0] if refits else []):
        if np.isfinite(metric.ceiling):  # the size of the gallery has none
            of_metric = [(metrics[column], items) for metrics, items in refits]
            rows += permutation_rows(measured[metric.name], of_metric)
    return rows
