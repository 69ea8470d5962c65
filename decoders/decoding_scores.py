"""From predictions and true embeddings to rows of the score table."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from calcarine.data.embeddings import Embeddings
from calcarine.data.errors import CalcarineError
from calcarine.data.predictions import Predictions
from calcarine.data.scores import Score
from calcarine.data.seeds import derive_seed
from calcarine.decoders.brain_items import SHUFFLED_LABELS
from calcarine.decoders.category_metrics import category_metrics
from calcarine.decoders.controls import BRAIN_CONTROLS
from calcarine.decoders.item_metrics import ItemMetric
from calcarine.decoders.permutation_scores import all_permutation_rows
from calcarine.decoders.retrieval_metrics import retrieval_metrics

PROTOCOLS = {
    "signal": "calcarine",
    "embedding": "calcarine-embedding-average",
    "single": "calcarine-single-trial",
}
ITEM_COLUMNS = (
    "subject",
    "stage",
    "model",
    "target",
    "metric",
    "protocol",
    "item",
    "stimulus_id",
    "value",
)


@dataclass(frozen=True)
class Scoring:
    """What the rows of one decoder share.

    Attributes
    ----------
    subject, model, target
        Columns of the rows.
    split
        Name of the split: `test`, `leave-one-run-out`, ….
    seed
        Seed of the bootstrap.
    n_draws
        Bootstrap samples of an interval.
    repeat_curve
        Score 1 … n averaged repeats; otherwise n alone.
    subsets
        Stimuli that are also scored on their own, against the same gallery, by the ending of the
        split's name: `held-out` gives rows of the split `test-held-out`.
    """

    subject: str
    model: str
    target: str
    split: str
    seed: int
    n_draws: int = 2000
    repeat_curve: bool = True
    subsets: Mapping[str, frozenset[str]] = field(default_factory=dict)


def combination_subsets(stimuli: pd.DataFrame) -> dict[str, frozenset[str]]:
    """Read which stimuli show combinations of factors that training does not.

    Parameters
    ----------
    stimuli
        Stimulus table; its column `combination`, if there is one, says `seen` or `held-out`.

    Returns
    -------
    dict
        Stimuli by value of the column; empty where there is no such column, or one value only.
    """
    if "combination" not in stimuli.columns or stimuli["combination"].nunique() < 2:
        return {}
    groups = stimuli.groupby("combination")["stimulus_id"]
    return {str(name): frozenset(ids) for name, ids in groups}


def decoder_scores(
    predictions: Predictions,
    embeddings: Embeddings,
    train_means: Mapping[str, np.ndarray],
    scoring: Scoring,
) -> tuple[list[Score], pd.DataFrame]:
    """Score a decoder: all brains, numbers of repeats and ways of averaging.

    Concept codes are scored as categories (`accuracy`, `balanced_accuracy`), every other embedding
    by retrieval in both directions with raw and train-centred cosine.

    Parameters
    ----------
    predictions
        Of one decoder.
    embeddings
        What it should have predicted.
    train_means
        Mean training target of each fold, by the fold's name: shape (embed_dim,).
    scoring
        Names, seed, and what to score.

    Returns
    -------
    tuple
        Score rows, and a table of the measured items with all repeats averaged, one row an item
        and metric, with the columns `ITEM_COLUMNS`.

    Raises
    ------
    CalcarineError
        Predictions and embedding have different dimensions, or a fold's mean is unknown.
    """
    _check(predictions, embeddings, train_means)
    scores: list[Score] = []
    tables = [pd.DataFrame(columns=list(ITEM_COLUMNS))]
    shown = predictions.most_repeats().items
    for control, chosen in _selections(predictions, scoring.repeat_curve):
        model = scoring.model + control
        for ending, rows in _subsets(chosen, scoring.subsets):
            split = f"{scoring.split}{ending}"
            items = chosen.items.iloc[rows]
            shared = _Items.of(items)
            for metric in _metrics(chosen, rows, embeddings, train_means):
                scores.append(_score(metric, shared, scoring, model, split))
                if not ending and chosen.items.equals(shown):
                    tables.append(_item_table(metric, items, scoring))
    averaged = [s for s in scores if s.model == scoring.model and s.protocol == PROTOCOLS["signal"]]
    measured = {s.metric: s for s in averaged if s.split == scoring.split}
    refits = list(_refits(predictions, embeddings, train_means))
    scores += all_permutation_rows(measured, refits)
    return scores, pd.concat(tables, ignore_index=True)


def _check(
    predictions: Predictions, embeddings: Embeddings, train_means: Mapping[str, np.ndarray]
) -> None:
    model = predictions.sidecar.get("model")
    if predictions.values.shape[1] != embeddings.flat.shape[1]:
        raise CalcarineError(
            f"{model} predicts {predictions.values.shape[1]} dimensions; the embedding "
            f"{embeddings.sidecar['model']} has {embeddings.flat.shape[1]}. Run `decode` again."
        )
    unknown = sorted(set(predictions.items["fold"]) - set(train_means))
    if unknown:
        raise CalcarineError(
            f"{model} was tested in the folds {unknown[:5]}, which its model folder does not know "
            f"({list(train_means)[:5]}). Run `decode` again."
        )


def _metrics(
    chosen: Predictions,
    rows: np.ndarray,
    embeddings: Embeddings,
    train_means: Mapping[str, np.ndarray],
) -> list[ItemMetric]:
    """Measure some of the chosen items against the gallery of all of them."""
    gallery, match = _gallery(chosen, embeddings)
    if "concepts" in embeddings.sidecar:
        folds = chosen.items["fold"].to_numpy(dtype=str)[rows]
        numbers = chosen.items["item"].to_numpy()[rows]
        return category_metrics(chosen.values[rows], gallery[match[rows]], folds, numbers)
    means = np.stack([train_means[fold] for fold in chosen.items["fold"]])
    return retrieval_metrics(chosen.values, gallery, match, means, rows)


def _refits(
    predictions: Predictions, embeddings: Embeddings, train_means: Mapping[str, np.ndarray]
) -> Iterator[tuple[list[ItemMetric], pd.DataFrame]]:
    """Measure each decoder that was refitted on shuffled labels."""
    chosen = predictions.select(SHUFFLED_LABELS, None, "signal")
    if not len(chosen.items):
        return
    for _, rows in chosen.items.groupby("permutation").indices.items():
        items = chosen.items.iloc[rows].reset_index(drop=True)
        own = Predictions(chosen.values[rows], items, chosen.sidecar)
        yield _metrics(own, np.arange(len(rows)), embeddings, train_means), items


def _gallery(chosen: Predictions, embeddings: Embeddings) -> tuple[np.ndarray, np.ndarray]:
    """Give the embedding of each tested stimulus, once, and each item's row in it."""
    names, match = np.unique(chosen.items["stimulus_id"].to_numpy(dtype=str), return_inverse=True)
    return np.asarray(embeddings.flat[embeddings.rows(list(names))]), match


def _selections(predictions: Predictions, repeat_curve: bool) -> Iterator[tuple[str, Predictions]]:
    """List what is scored, each with the ending of its model's name."""
    items = predictions.items
    for averaging in PROTOCOLS:
        of_kind = (items["brain"] == "measured") & (items["averaging"] == averaging)
        levels = sorted(set(items.loc[of_kind, "n_repeats"]))
        for n_repeats in levels if repeat_curve else levels[-1:]:
            yield "", predictions.select("measured", int(n_repeats), averaging)
    for control, brain in BRAIN_CONTROLS.items():
        for averaging in ("signal", "single"):
            chosen = predictions.select(brain, None, averaging)
            if len(chosen.items):
                yield f"/{control}", chosen


def _subsets(
    chosen: Predictions, subsets: Mapping[str, frozenset[str]]
) -> Iterator[tuple[str, np.ndarray]]:
    yield "", np.arange(len(chosen.items))
    for name, stimuli in subsets.items():
        rows = np.flatnonzero(chosen.items["stimulus_id"].isin(list(stimuli)))
        if len(rows):
            yield f"-{name}", rows


@dataclass(frozen=True)
class _Items:
    """Items of which a table has one trial or several, in the order of their numbers."""

    of_trial: np.ndarray
    folds: np.ndarray
    averaging: str
    n_repeats: int

    @classmethod
    def of(cls, trials: pd.DataFrame) -> "_Items":
        _, first, of_trial = np.unique(
            trials["item"].to_numpy(), return_index=True, return_inverse=True
        )
        folds = trials["fold"].to_numpy(dtype=str)[first]
        return cls(of_trial, folds, trials["averaging"].iloc[0], int(trials["n_repeats"].iloc[0]))

    def means(self, values: np.ndarray) -> np.ndarray:
        """Average the known values of each item's trials, NaN where none is known."""
        known = np.isfinite(values)
        n_items = len(self.folds)
        n_known = np.bincount(self.of_trial[known], minlength=n_items)
        sums = np.bincount(self.of_trial[known], values[known], minlength=n_items)
        means: np.ndarray = np.where(n_known > 0, sums / np.maximum(n_known, 1), np.nan)
        return means


def _score(metric: ItemMetric, items: _Items, scoring: Scoring, model: str, split: str) -> Score:
    """Summarise one value an item; several trials of an item count as one."""
    values = items.means(np.asarray(metric.values, dtype=np.float64))
    # the items of a fold share a model and a gallery: only folds are independent of each other
    clusters = items.folds if len(set(items.folds)) > 1 else None
    averaging, n_repeats = items.averaging, items.n_repeats
    seed = derive_seed(scoring.seed, scoring.subject, "evaluate", model, metric.name, averaging)
    low, high = metric.interval(values, seed, scoring.n_draws, clusters)
    n_missing = int((~np.isfinite(values)).sum())
    return Score(
        subject=scoring.subject,
        stage="decode",
        model=model,
        target=scoring.target,
        metric=metric.name,
        protocol=PROTOCOLS[averaging],
        split=split,
        n_items=len(values) - n_missing,
        n_repeats=n_repeats,
        value=metric.summary(values),
        ci_low=low,
        ci_high=high,
        chance=metric.chance,
        ceiling=metric.ceiling,
        note=f"{n_missing} items could not be scored" if n_missing else "",
    )


def _item_table(metric: ItemMetric, items: pd.DataFrame, scoring: Scoring) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "subject": scoring.subject,
            "stage": "decode",
            "model": scoring.model,
            "target": scoring.target,
            "metric": metric.name,
            "protocol": PROTOCOLS[items["averaging"].iloc[0]],
            "item": items["item"].to_numpy(),
            "stimulus_id": items["stimulus_id"].to_numpy(),
            "value": metric.values,
        }
    )
