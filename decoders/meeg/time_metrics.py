"""From predictions in windows to scores over time, latencies, and rows of the score table."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from calcarine.data.embeddings import Embeddings
from calcarine.data.predictions import Predictions
from calcarine.data.scores import Score
from calcarine.data.seeds import derive_seed
from calcarine.data.time_scores import TimeScore
from calcarine.data.time_windows import Window
from calcarine.decoders.category_metrics import category_metrics
from calcarine.decoders.item_metrics import ItemMetric
from calcarine.decoders.meeg.latency import (
    ONSET_S,
    corrected_p,
    onset_latency,
    peak_latency,
    share_above_before_onset,
)
from calcarine.decoders.meeg.time_items import TIME_ITEM_COLUMNS
from calcarine.decoders.retrieval_metrics import retrieval_metrics

STAGE = "over-time"
# the last of the list leads: it uses every rank, and does not depend on the size of the gallery
EMBEDDING_METRICS = ("brain_to_image_top1_centred", "brain_to_image_dprime_centred")
CATEGORY_METRICS = ("accuracy", "balanced_accuracy")
CORRECTED = "share_above_chance_before_onset_corrected"
LEVEL = 0.05  # of the corrected test: one window or more, in a recording without a signal
_NO_WINDOW = "not computed: no window lies before onset"
PROTOCOLS = {"growing": "calcarine-onset-locked", "full": "calcarine-full-window"}


class _Part(NamedTuple):
    """Metrics of the items of one brain in one window."""

    brain: str
    window: str
    trained: Window
    tested: Window
    metrics: list[ItemMetric]
    n_items: int
    n_repeats: int
    clusters: np.ndarray | None


@dataclass(frozen=True)
class TimeScoring:
    """What the rows of one model share.

    Attributes
    ----------
    subject, model, target, split
        Columns of the rows.
    seed, n_draws
        Of the bootstrap.
    """

    subject: str
    model: str
    target: str
    split: str
    seed: int
    n_draws: int = 2000


def time_scores(
    predictions: Predictions, embeddings: Embeddings, scoring: TimeScoring
) -> tuple[list[Score], list[TimeScore]]:
    """Score decoding in windows.

    Parameters
    ----------
    predictions
        What the `over-time` step wrote.
    embeddings
        What it should have predicted.
    scoring
        Names and seed.

    Returns
    -------
    tuple
        Rows of `metrics.tsv`: `peak_latency_s`, `onset_latency_s` and
        `share_above_chance_before_onset` (plain, and corrected for the number of windows) of the
        sliding windows, and the scores of the longest
        window from stimulus onset and of the full one, under protocols of their own; and one row a
        window for `over_time.tsv`.
    """
    parts = list(_parts(predictions, embeddings))
    rows = [row for part in parts for row in _time_rows(part, scoring)]
    slides = [p for p in parts if p.window == "sliding" and p.brain == "measured"]
    scores = _latencies(slides, scoring)
    for part in _widest(parts):
        model = scoring.model + ("/shuffled-brain" if part.brain == "shuffled" else "")
        named = replace(scoring, model=model)
        scores += [_score(m, part, named, PROTOCOLS[part.window]) for m in part.metrics]
    return scores, rows


def _parts(predictions: Predictions, embeddings: Embeddings) -> Iterator[_Part]:
    items = predictions.items
    is_category = "concepts" in embeddings.sidecar
    names, match = np.unique(items["stimulus_id"].to_numpy(dtype=str), return_inverse=True)
    gallery = np.asarray(embeddings.flat[embeddings.rows(list(names))])
    of_fold: Mapping[str, list[float]] = predictions.sidecar["train_means"]
    keys = ["brain", *TIME_ITEM_COLUMNS]
    for key, numbers in items.groupby(keys, sort=False).indices.items():
        brain, window, *ends = key
        values, own = np.asarray(predictions.values[numbers]), items.iloc[numbers]
        if is_category:
            wanted: tuple[str, ...] = CATEGORY_METRICS
            metrics = category_metrics(values, gallery[match[numbers]])
        else:
            wanted = EMBEDDING_METRICS
            means = np.array([of_fold[fold] for fold in own["fold"]])
            rows = np.arange(len(numbers))
            metrics = retrieval_metrics(values, gallery, match[numbers], means, rows)
        folds = own["fold"].to_numpy()
        yield _Part(
            str(brain),
            str(window),
            Window(*ends[:2]),
            Window(*ends[2:]),
            [m for name in wanted for m in metrics if m.name == name],
            len(numbers),
            int(own["n_repeats"].iloc[0]),
            folds if len(set(folds)) > 1 else None,
        )


def _time_rows(part: _Part, scoring: TimeScoring) -> Iterator[TimeScore]:
    model = scoring.model + ("/shuffled-brain" if part.brain == "shuffled" else "")
    for metric in part.metrics:
        low, high = np.nan, np.nan
        if part.window != "crosswise":
            low, high = _interval(metric, part, scoring)
        yield TimeScore(
            scoring.subject,
            STAGE,
            model,
            scoring.target,
            metric.name,
            scoring.split,
            part.n_items,
            part.n_repeats,
            part.window,
            *part.trained,
            *part.tested,
            metric.summary(metric.values),
            low,
            high,
            metric.chance,
            metric.ceiling,
        )


def _interval(metric: ItemMetric, part: _Part, scoring: TimeScoring) -> tuple[float, float]:
    # the same draws in every window, so that windows can be compared
    seed = derive_seed(scoring.seed, scoring.subject, STAGE, scoring.model, metric.name)
    return metric.interval(metric.values, seed, scoring.n_draws, part.clusters)


def _widest(parts: list[_Part]) -> Iterator[_Part]:
    for brain in ("measured", "shuffled"):
        for window in PROTOCOLS:
            found = [p for p in parts if p.window == window and p.brain == brain]
            if found:
                yield max(found, key=lambda p: p.tested.stop_s - p.tested.start_s)


def _score(metric: ItemMetric, part: _Part, scoring: TimeScoring, protocol: str) -> Score:
    low, high = _interval(metric, part, scoring)
    start, stop = part.tested
    return Score(
        scoring.subject,
        STAGE,
        scoring.model,
        scoring.target,
        metric.name,
        protocol,
        scoring.split,
        part.n_items,
        part.n_repeats,
        metric.summary(metric.values),
        low,
        high,
        metric.chance,
        metric.ceiling,
        f"window {start:g} to {stop:g} s after onset",
    )


def _sign(metric: ItemMetric) -> float:
    """Give 1 where high values of items are good, −1 where low ones (ranks) are."""
    low, high = metric.summary(np.array([0.1])), metric.summary(np.array([0.9]))
    return 1.0 if high > low else -1.0


def _latencies(slides: list[_Part], scoring: TimeScoring) -> list[Score]:
    """Give latencies of the leading metric, and the check before stimulus onset."""
    windows = [p.tested for p in slides]
    leading = [p.metrics[-1] for p in slides]
    name, chance = leading[0].name, leading[0].chance
    template = Score(
        scoring.subject,
        STAGE,
        scoring.model,
        scoring.target,
        "",
        "calcarine",
        scoring.split,
        slides[0].n_items,
        slides[0].n_repeats,
        np.nan,
        note=f"of {name}, windows of {windows[0].stop_s - windows[0].start_s:g} s",
    )
    seed = derive_seed(scoring.seed, scoring.subject, STAGE, scoring.model, "peak")
    values = _sign(leading[0]) * np.stack([m.values for m in leading])
    peak, low, high = peak_latency(values, windows, seed, scoring.n_draws, slides[0].clusters)
    lower = np.array([_interval(m, p, scoring)[0] for m, p in zip(leading, slides, strict=True)])
    above = lower > chance
    onset = onset_latency(above, windows)
    share, n_before = share_above_before_onset(above, windows)
    return [
        replace(template, metric="peak_latency_s", value=peak, ci_low=low, ci_high=high),
        replace(
            template,
            metric="onset_latency_s",
            value=onset,
            note=template.note if np.isfinite(onset) else "no two windows in a row above chance",
        ),
        replace(
            template,
            metric="share_above_chance_before_onset",
            n_items=n_before,
            value=share,
            chance=0.025,
            note="windows whose 95 % interval lies above chance, not corrected for their number"
            if n_before
            else _NO_WINDOW,
        ),
        _corrected(values, slides, template, seed, scoring.n_draws),
    ]


def _corrected(
    values: np.ndarray, slides: list[_Part], template: Score, seed: int, n_draws: int
) -> Score:
    """Test all windows before onset together."""
    before = [i for i, p in enumerate(slides) if p.tested.stop_s <= ONSET_S]
    row = replace(template, metric=CORRECTED, n_items=len(before), chance=LEVEL)
    if not before:
        return replace(row, note=_NO_WINDOW)
    leading = slides[0].metrics[-1]
    sign = _sign(leading)
    p = corrected_p(
        values[before],
        leading.chance,
        seed,
        n_draws,
        slides[0].clusters,
        lambda mean: leading.convert(sign * mean),
    )
    if not np.isfinite(p).all():
        return replace(row, note="not computed: fewer than two items, or folds")
    note = (
        f"windows above chance at p ≤ {LEVEL:g} after correction for {len(before)} windows "
        f"(largest statistic, bootstrap over items); smallest corrected p {p.min():.3f}"
    )
    return replace(row, value=float((p <= LEVEL).mean()), note=note)
