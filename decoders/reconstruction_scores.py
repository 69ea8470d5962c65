"""Scores of reconstructed pictures, every condition beside its chance and its ceiling."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from calcarine.data.reconstructions import Reconstructions
from calcarine.data.scores import Score, bootstrap_interval
from calcarine.decoders.controls import CEILING
from calcarine.decoders.decoding_scores import ITEM_COLUMNS
from calcarine.decoders.picture_metrics import Pictures, is_constant
from calcarine.decoders.picture_views import Comparison, View

STAGE = "reconstruct"


@dataclass(frozen=True)
class ItemScores:
    """One metric of one condition, item by item.

    Attributes
    ----------
    condition, target, metric, protocol
        What was compared, in which space, how.
    items
        Row numbers of the items that the condition has pictures of, shape (n,).
    values
        Shape (n,); NaN where a picture is constant.
    chance
        The score of pictures of other items.
    note
        What a reader has to know.
    """

    condition: str
    target: str
    metric: str
    protocol: str
    items: np.ndarray
    values: np.ndarray
    chance: float = np.nan
    note: str = ""

    def mean(self, chosen: np.ndarray) -> float:
        """Average over the chosen items (bool, one an item of the reconstruction)."""
        values = self.values[chosen[self.items]]
        return float(np.nanmean(values)) if np.isfinite(values).any() else np.nan


def item_scores(
    made: Reconstructions, shown: Pictures, views: dict[str, Iterable[View]]
) -> list[ItemScores]:
    """Score the items of every condition.

    Parameters
    ----------
    made
        The pictures.
    shown
        What was shown, at its own size: uint8 (height, width, 3), one an item.
    views
        What is compared, by protocol.

    Notes
    -----
    A constant picture correlates with nothing: such items are NaN in every metric, are no
    distractors either, and are counted in the note.
    """
    return [
        score
        for protocol, looks in views.items()
        for view in looks
        for score in _by_view(made, shown, protocol, view)
    ]


def _by_view(
    made: Reconstructions, shown: Pictures, protocol: str, view: View
) -> Iterator[ItemScores]:
    truth = view.represent(shown) if view.represent is not None else {}
    is_blank = is_constant(shown)
    for condition in made.sidecar["conditions"]:
        items = made.made(condition)
        pictures = made.of(condition)
        kept = ~(is_blank[items] | is_constant(pictures))
        found: dict[str, Comparison] = {}
        if view.represent is not None and view.compare is not None and kept.any():
            own = {name: _take(rows, items[kept]) for name, rows in truth.items()}
            found = view.compare(own, view.represent(pictures[kept]))
        note = view.note
        if not kept.all() and not note:
            note = f"constant pictures left out: {int((~kept).sum())}"
        for metric in view.metrics:
            values, chance = np.full(len(items), np.nan), np.nan
            if metric in found:
                values[kept], chance = found[metric].values, found[metric].chance
            yield ItemScores(condition, view.target, metric, protocol, items, values, chance, note)


def _take(represented: Any, rows: np.ndarray) -> Any:
    if isinstance(represented, np.ndarray):
        return represented[rows]
    return [represented[row] for row in rows]


def score_rows(
    subject: str,
    name: str,
    made: Reconstructions,
    scores: list[ItemScores],
    splits: dict[str, np.ndarray],
    seed: int,
    n_bootstrap: int = 2000,
) -> list[Score]:
    """Summarise items as rows of `metrics.tsv`.

    Parameters
    ----------
    subject, name
        Subject label and name of the reconstruction; a condition's model is `name/condition`.
    made
        The pictures that were scored.
    scores
        Scores of single items.
    splits
        Items of each split that is reported, bool (n_items,).
    seed, n_bootstrap
        Bootstrap over items.

    Notes
    -----
    The ceiling of a row is what the ceiling condition of its own path scores.
    """
    ceilings = {
        (made.sidecar["paths"][s.condition], s.protocol, s.metric): s
        for s in scores
        if made.sidecar["controls"].get(s.condition) == CEILING
    }
    folds = made.items["fold"].to_numpy()
    rows = []
    for split, chosen in splits.items():
        for s in scores:
            ceiling = ceilings.get((made.sidecar["paths"][s.condition], s.protocol, s.metric))
            kept = chosen[s.items]
            values = s.values[kept]
            # items of one fold share a model, and are drawn together
            clusters = folds[s.items][kept] if len(set(folds)) > 1 else None
            low, high = bootstrap_interval(values, seed, n_bootstrap, clusters=clusters)
            rows.append(
                Score(
                    subject,
                    STAGE,
                    f"{name}/{s.condition}",
                    s.target,
                    s.metric,
                    s.protocol,
                    split,
                    n_items=int(np.isfinite(values).sum()),
                    n_repeats=int(made.items["n_repeats"].max()),
                    value=s.mean(chosen),
                    ci_low=low,
                    ci_high=high,
                    chance=s.chance,
                    ceiling=np.nan if ceiling is None or ceiling is s else ceiling.mean(chosen),
                    note=s.note,
                )
            )
    return rows


def item_table(
    subject: str, name: str, made: Reconstructions, scores: list[ItemScores]
) -> pd.DataFrame:
    """Lay the scores of single items out as a long table, one row an item and metric.

    Metrics that could not be computed have no rows.
    """
    stimuli = made.items["stimulus_id"].to_numpy()
    tables = [
        pd.DataFrame(
            {
                "subject": subject,
                "stage": STAGE,
                "model": f"{name}/{s.condition}",
                "target": s.target,
                "metric": s.metric,
                "protocol": s.protocol,
                "item": s.items,
                "stimulus_id": stimuli[s.items],
                "value": s.values,
            }
        )
        for s in scores
        if np.isfinite(s.values).any()
    ]
    return pd.concat([pd.DataFrame(columns=list(ITEM_COLUMNS)), *tables], ignore_index=True)
