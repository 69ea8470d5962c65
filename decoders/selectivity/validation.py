"""Whether captions are true: they have to predict measured responses to stimuli not seen before.

Every test here sets what a caption leads one to expect, item by item, against measured responses;
the embedding that made the caption takes no part.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from calcarine.decoders.selectivity.permutation import (
    permutation_p_values,
    q_values,
    ranks_within,
    standard_ranks,
)
from calcarine.decoders.selectivity.terms import Terms
from calcarine.decoders.text_judges import TextJudge, similarity_to_items


@dataclass(frozen=True)
class Thresholds:
    """What a caption needs to be shown as a finding.

    Attributes
    ----------
    min_reliability
        Agreement of captions under resampling.
    max_q
        False discovery rate.
    ceiling_floor
        No ratio to a noise ceiling (in r) below this one.
    """

    min_reliability: float = 0.5
    max_q: float = 0.05
    ceiling_floor: float = 0.3


def validate_captions(
    sets: pd.DataFrame,
    measured: np.ndarray,
    item_captions: Sequence[Sequence[str]],
    judge: TextJudge,
    thresholds: Thresholds,
    n_permutations: int,
    seed: int,
    folds: np.ndarray | None = None,
) -> pd.DataFrame:
    """Test each caption on measured responses to held-out items, beside its controls.

    Parameters
    ----------
    sets
        One row a caption: `kind unit region text agreement ceiling` (noise ceiling in r, NaN where
        unknown).
    measured
        Responses to the items, shape (n_items, n_sets).
    item_captions
        Captions of each item, which no model saw.
    judge
        Compares captions with captions.
    thresholds
        When a caption is a finding.
    n_permutations, seed
        Of the null, see `permutation_p_values`.
    folds
        In a cross-validation, the number of each item's fold, shape (n_items,): an item is
        expected by the caption of its fold alone (`fold_texts` of `sets`), ranks are taken and
        permuted within folds, and a caption also needs folds that agree.

    Returns
    -------
    pandas.DataFrame
        `sets` with `rho` (Spearman's, expected with measured), `rho_over_ceiling`, the controls
        `rho_shuffled` (mean over captions of the other units of its region), `rho_commonest` (the
        region's commonest caption) and `rho_population` (caption of all units together),
        `p_value`, `q_value` (within its kind), `shown` and `reason` (why not).
    """
    expected = expected_of_items(sets, item_captions, judge, folds)
    described = np.isfinite(expected).all(axis=0)
    expected, responses = expected[:, described], np.asarray(measured)[described].T
    blocks = None if folds is None else folds[described]
    if blocks is not None:
        expected, responses = ranks_within(expected, blocks), ranks_within(responses, blocks)
    rho, p_values = permutation_p_values(expected, responses, n_permutations, seed, blocks)
    empty = sets["text"].to_numpy() == ""
    p_values[empty], rho[empty] = np.nan, np.nan
    out = sets.copy()
    out["rho"], out["p_value"] = rho, p_values
    ceiling = sets["ceiling"].to_numpy(dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(ceiling >= thresholds.ceiling_floor, rho / ceiling, np.nan)
    out["rho_over_ceiling"] = share
    for name, values in _controls(sets, expected, responses).items():
        out[name] = values
    out["q_value"] = np.nan
    for kind in sets["kind"].unique():
        own = (sets["kind"] == kind).to_numpy()
        out.loc[own, "q_value"] = q_values(p_values[own])
    out["reason"] = _reasons(out, thresholds)
    out["shown"] = out["reason"] == ""
    return out


def expected_of_items(
    sets: pd.DataFrame,
    item_captions: Sequence[Sequence[str]],
    judge: TextJudge,
    folds: np.ndarray | None = None,
) -> np.ndarray:
    """Say what captions lead one to expect of items.

    Parameters
    ----------
    sets, item_captions, judge, folds
        See `validate_captions`.

    Returns
    -------
    numpy.ndarray
        Shape (n_sets, n_items); NaN for items without captions.
    """
    if folds is None:
        return similarity_to_items(judge, sets["text"].astype(str).tolist(), item_captions)
    out = np.full((len(sets), len(item_captions)), np.nan)
    for fold in np.unique(folds):
        own = np.flatnonzero(folds == fold)
        said = [str(texts[int(fold)]) for texts in sets["fold_texts"]]
        items = [item_captions[int(i)] for i in own]
        out[:, own] = similarity_to_items(judge, said, items)
    return out


def _reasons(table: pd.DataFrame, thresholds: Thresholds) -> list[str]:
    """Say why a caption is withheld; empty where it is a finding."""
    reasons = []
    agreement = table["agreement"].to_numpy(dtype=np.float64)
    if "fold_agreement" in table:
        agreement = np.fmin(agreement, table["fold_agreement"].to_numpy(dtype=np.float64))
    for text, agreed, q in zip(table["text"], agreement, table["q_value"], strict=True):
        if text == "":
            reasons.append("no word stands out")
        elif not agreed >= thresholds.min_reliability:
            reasons.append(f"reliability below {thresholds.min_reliability:g}")
        elif not q <= thresholds.max_q:
            reasons.append(f"q above {thresholds.max_q:g}")
        else:
            reasons.append("")
    return reasons


def _controls(
    sets: pd.DataFrame, expected: np.ndarray, responses: np.ndarray
) -> dict[str, np.ndarray]:
    """Score each unit with captions that are not its own."""
    expected_ranks, measured_ranks = standard_ranks(expected), standard_ranks(responses)
    texts = sets["text"].to_numpy(dtype=str)
    shuffled, commonest = np.full(len(sets), np.nan), np.full(len(sets), np.nan)
    single = (sets["kind"] == "unit").to_numpy()
    regions = sets["region"].to_numpy(dtype=str)
    for region in np.unique(regions[single]):
        rows = np.flatnonzero(single & (regions == region))
        grid = measured_ranks[rows] @ expected_ranks[rows].T
        if len(rows) > 1:
            shuffled[rows] = (grid.sum(axis=1) - grid.diagonal()) / (len(rows) - 1)
        said = [i for i, row in enumerate(rows) if texts[row] != ""]
        if said:
            names, counts = np.unique(texts[rows[said]], return_counts=True)
            first = next(i for i in said if texts[rows[i]] == names[counts.argmax()])
            commonest[rows] = grid[:, first]
    population = np.full(len(sets), np.nan)
    everybody = np.flatnonzero(sets["kind"] == "population")
    if len(everybody):
        population = measured_ranks @ expected_ranks[everybody[0]]
    return {"rho_shuffled": shuffled, "rho_commonest": commonest, "rho_population": population}


def cooccurring_terms(
    keywords: Sequence[str], terms: Terms, n_most: int = 3, min_phi: float = 0.1
) -> list[str]:
    """Name the terms that come along with a caption's keywords in the bank.

    Parameters
    ----------
    keywords
        Terms of the caption.
    terms
        Of the bank.
    n_most
        How many at most for each keyword.
    min_phi
        Correlation over entries from which on a term counts as coming along.

    Returns
    -------
    list of str
        Terms that share no word with the keywords.
    """
    own_words = {word for keyword in keywords for word in keyword.split()}
    others = [i for i, t in enumerate(terms.names) if not own_words & set(t.split())]
    found: list[str] = []
    n_entries = terms.shares.shape[0]
    mean = np.asarray(terms.shares.sum(axis=0)).ravel() / n_entries
    squares = np.asarray(terms.shares.multiply(terms.shares).sum(axis=0)).ravel() / n_entries
    spread = np.sqrt(np.maximum(squares - mean**2, 1e-12))
    for keyword in keywords:
        column = terms.names.index(keyword)
        joint = (terms.shares.T @ terms.shares[:, [column]]).toarray()[:, 0] / n_entries
        phi = (joint - mean * mean[column]) / (spread * spread[column])
        best = sorted(others, key=lambda i: -phi[i])[:n_most]
        found += [terms.names[i] for i in best if phi[i] >= min_phi]
    return list(dict.fromkeys(found))


def rho_given(expected: np.ndarray, measured: np.ndarray, confounds: np.ndarray) -> float:
    """Correlate ranks after what other terms explain is taken out of both.

    Parameters
    ----------
    expected, measured
        Shape (n_items,).
    confounds
        What comes along, shape (n_items, n_confounds).

    Returns
    -------
    float
        Partial Spearman's ρ; 0 where nothing of either is left.

    Examples
    --------
    >>> x = np.arange(6.0)
    >>> rho_given(x, x, x[:, None])
    0.0
    """
    ranks = standard_ranks(np.stack([expected, measured]))
    design = np.column_stack([np.ones(len(expected)), standard_ranks(confounds.T).T])
    coefficients = np.linalg.lstsq(design, ranks.T, rcond=None)[0]
    left = ranks.T - design @ coefficients
    size = np.linalg.norm(left, axis=0)
    if (size < 1e-9).any():
        return 0.0
    return float(left[:, 0] @ left[:, 1] / (size[0] * size[1]))
