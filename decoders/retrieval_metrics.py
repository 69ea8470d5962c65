"""Retrieval by predicted embeddings: both directions, raw and train-centred cosine."""

from dataclasses import replace
from functools import partial

import numpy as np

from calcarine.decoders.item_metrics import ItemMetric
from calcarine.decoders.retrieval import (
    Ranks,
    brain_to_image,
    cosines,
    d_prime,
    image_to_brain,
)

_TOP = (1, 5)


def retrieval_metrics(
    predicted: np.ndarray,
    gallery: np.ndarray,
    match: np.ndarray,
    means: np.ndarray,
    rows: np.ndarray,
) -> list[ItemMetric]:
    """Measure retrieval.

    Parameters
    ----------
    predicted
        Predicted embedding of each item, shape (n_items, embed_dim).
    gallery
        True embeddings of all tested stimuli, each once, shape (n_images, embed_dim).
    match
        Row of the gallery that each item belongs to, shape (n_items,).
    means
        Mean training target of each item's fold, shape (n_items, embed_dim).
    rows
        Items that are scored, against all of the gallery.

    Returns
    -------
    list of ItemMetric
        `<direction>_top1_<cosine>`, `…_top5_…`, `…_median_rank_…` (relative: 0 best, 0.5 chance)
        and `…_dprime_…` for the directions `brain_to_image` and `image_to_brain` and the cosines
        `centred` and `raw`; last of all `brain_to_image_gallery_size`. Top 5 of five or fewer
        candidates is left out.
    """
    metrics = []
    for name, centre in (("centred", means), ("raw", None)):
        scores = cosines(predicted, gallery, centre)
        best = cosines(gallery[match], gallery, centre)
        for direction in (brain_to_image, image_to_brain):
            ranks = _take(direction(scores, match), rows)
            ceiling = _take(direction(best, match), rows)
            metrics += _of_ranks(ranks, ceiling, f"{direction.__name__}_{{}}_{name}")
    size = np.full(len(rows), float(len(gallery)))
    return [*metrics, ItemMetric("brain_to_image_gallery_size", size, np.nan, np.nan)]


def _take(ranks: Ranks, rows: np.ndarray) -> Ranks:
    return Ranks(ranks.n_better[rows], ranks.n_equal[rows], ranks.n_candidates[rows])


def _of_ranks(ranks: Ranks, best: Ranks, name: str) -> list[ItemMetric]:
    to_d_prime = partial(d_prime, n_pairs=float((ranks.n_candidates - 1).sum()))
    tops = [
        ItemMetric(
            name.format(f"top{k}"),
            ranks.top(k),
            ranks.chance(k),
            _mean(best.top(k)),
            is_share=True,
        )
        for k in _TOP
        if k < ranks.n_candidates.max()
    ]
    dprime, relative = name.format("dprime"), ranks.relative
    shares = (0.0, 1.0)
    median_rank = ItemMetric(
        name.format("median_rank"), relative, 0.5, 0.0, median=True, limits=shares
    )
    return [
        *tops,
        replace(median_rank, ceiling=median_rank.summary(best.relative)),
        ItemMetric(
            dprime,
            relative,
            0.0,
            to_d_prime(_mean(best.relative)),
            convert=to_d_prime,
            limits=shares,
        ),
    ]


def _mean(values: np.ndarray) -> float:
    kept = values[np.isfinite(values)]
    return float(kept.mean()) if len(kept) else float("nan")
