"""Rows of the score table for the bands of an encoder: what each adds to the score."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from calcarine.data.predictions import Predictions
from calcarine.data.scores import Score
from calcarine.data.seeds import derive_seed

_DRAWS_AT_A_TIME = 64


def band_scores(
    predictions: Predictions,
    units: pd.DataFrame,
    subject: str,
    split: str,
    seed: int,
    n_draws: int = 2000,
) -> tuple[list[Score], pd.DataFrame]:
    """Split an encoder's R² over its bands, for the largest number of averaged repeats.

    The metric `r2_part_<band>_mean` is the mean over units of Σ ŷ_b(2y − ŷ) / Σ y², the product
    measure (see `explained_squares`); the parts of all bands add up to `r2_mean`, for all units
    (target `responses`) and for each region. Means, because medians would not add up. A part may be
    negative, where a band hurts.

    Parameters
    ----------
    predictions
        What the `encode` step wrote, with `measured` and `parts`.
    units
        Units table, with `roi` where regions are known.
    subject, split
        Text for the rows.
    seed
        Seed of the configuration; the intervals descend from it by subject and model.
    n_draws
        Number of bootstrap samples of items.

    Returns
    -------
    tuple
        Rows, and a table with `r2_part_<band>` of every unit. Both are empty without bands.
    """
    if predictions.parts is None or predictions.measured is None:
        return [], pd.DataFrame(index=range(len(units)))
    chosen = predictions.most_repeats()
    names = list(predictions.sidecar["bands"])
    gains, squares = _by_item(chosen)
    whole = squares.sum(axis=0)
    share = _ratio(gains.sum(axis=1), whole)
    metrics = [f"r2_part_{name}_mean" for name in names] + ["r2_mean"]
    template = Score(
        subject=subject,
        stage="encode",
        model=predictions.sidecar["model"],
        target="",
        metric="",
        protocol="calcarine",
        split=split,
        n_items=squares.shape[0],
        n_repeats=int(chosen.items["n_repeats"].max()),
        value=np.nan,
        chance=0.0,
    )
    rows = []
    draws = derive_seed(seed, subject, template.model, "bands")
    masks = _masks(units)
    low, high = _interval(gains, squares, masks, draws, n_draws)
    for m, (target, mask) in enumerate(masks.items()):
        values = _means(share[None], mask)[0]
        for k, metric in enumerate(metrics):
            rows.append(
                replace(
                    template,
                    target=target,
                    metric=metric,
                    value=float(values[k]),
                    ci_low=float(low[m, k]),
                    ci_high=float(high[m, k]),
                )
            )
    table = pd.DataFrame({f"r2_part_{n}": share[b] for b, n in enumerate(names)})
    return rows, table


def _by_item(chosen: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Sum each item's gains (n_bands, n_items, n_units) and squares (n_items, n_units)."""
    measured = np.asarray(chosen.measured, dtype=np.float64)
    parts = np.asarray(chosen.parts, dtype=np.float64)
    gains = parts * (2 * measured - parts.sum(axis=0))
    number = np.unique(chosen.items["item"].to_numpy(), return_inverse=True)[1]
    order = np.argsort(number, kind="stable")
    first = np.flatnonzero(np.diff(number[order], prepend=-1))
    return (
        np.add.reduceat(gains[:, order], first, axis=1),
        np.add.reduceat(measured[order] ** 2, first, axis=0),
    )


def _masks(units: pd.DataFrame) -> dict[str, np.ndarray]:
    masks = {"responses": np.ones(len(units), dtype=bool)}
    if "roi" in units:
        roi = units["roi"].fillna("n/a").astype(str).to_numpy()
        masks |= {str(name): roi == name for name in np.unique(roi) if name != "n/a"}
    return masks


def _ratio(gains: np.ndarray, squares: np.ndarray) -> np.ndarray:
    whole = np.broadcast_to(squares, gains.shape)
    return np.divide(gains, whole, out=np.full(gains.shape, np.nan), where=whole > 0)


def _means(share: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Average over units with a score, and add the sum over bands: (n_draws, n_bands + 1)."""
    own = share[:, :, mask & np.isfinite(share).all(axis=(0, 1))]
    means = own.mean(axis=2) if own.shape[2] else np.full(own.shape[:2], np.nan)
    return np.concatenate([means, means.sum(axis=1, keepdims=True)], axis=1)


def _interval(
    gains: np.ndarray, squares: np.ndarray, masks: dict[str, np.ndarray], seed: int, n_draws: int
) -> tuple[np.ndarray, np.ndarray]:
    drawn = [
        np.stack([_means(share, mask) for mask in masks.values()], axis=1)
        for share in _draws(gains, squares, seed, n_draws)
    ]
    low, high = np.quantile(np.concatenate(drawn), [0.025, 0.975], axis=0)
    return low, high


def _draws(gains: np.ndarray, squares: np.ndarray, seed: int, n_draws: int) -> Iterator[np.ndarray]:
    """Draw items with replacement: shares of shape (n_draws, n_bands, n_units)."""
    n_items, rng = len(squares), np.random.default_rng(seed)
    for start in range(0, n_draws, _DRAWS_AT_A_TIME):
        n_now = min(_DRAWS_AT_A_TIME, n_draws - start)
        drawn = rng.integers(0, n_items, (n_now, n_items))
        counts = np.stack([np.bincount(d, minlength=n_items) for d in drawn]).astype(np.float64)
        whole = (counts @ squares)[:, None]
        yield _ratio(np.stack([counts @ band for band in gains], axis=1), whole)
