"""The strict protocol's other points as rows: stability, co-occurrence, regions and contrasts."""

from dataclasses import replace

import numpy as np
import pandas as pd

from calcarine.data.scores import Score, bootstrap_interval, share_interval
from calcarine.data.seeds import derive_seed

_MEDIANS = {
    "agreement": "caption_agreement_median",
    "weight_cosine": "weight_cosine_median",
    "fold_agreement": "fold_agreement_median",
}


def protocol_scores(
    table: pd.DataFrame, template: Score, min_reliability: float, seed: int, n_draws: int
) -> list[Score]:
    """Summarise what stands in the table of captions and in no other row.

    Parameters
    ----------
    table
        Validated captions with `agreement weight_cosine fold_agreement rho_given_cooccurring
        shown`.
    template
        Row to fill.
    min_reliability
        Agreement that a reliable unit has.
    seed, n_draws
        Of the intervals.

    Returns
    -------
    list of Score
        Of single units, and of the scrambled encoder's as a control: `share_reliable` and medians
        of agreement and weight cosine under resampling (and of agreement between folds). Of
        reliable units `spearman_given_cooccurring_median`: with the terms that come along with a
        caption's words taken out. Of regions and of contrasts between them `share_shown`.
    """
    rows = []
    for kind, suffix in (("unit", ""), ("scrambled", "/scrambled-encoder")):
        own = table[(table["kind"] == kind) & (table["text"] != "")]
        row = replace(template, model=template.model + suffix)
        reliable = own["agreement"].to_numpy(dtype=np.float64) >= min_reliability
        rows.append(_share(replace(row, metric="share_reliable"), reliable, seed, n_draws))
        for column, metric in _MEDIANS.items():
            if column in own and own[column].notna().any():
                values = own[column].to_numpy(dtype=np.float64)
                rows.append(_median(replace(row, metric=metric), values, seed, n_draws))
    single = table[(table["kind"] == "unit") & (table["text"] != "")]
    stable = single[single["agreement"] >= min_reliability]
    given = replace(
        template, target="reliable-units", metric="spearman_given_cooccurring_median", chance=0.0
    )
    values = stable["rho_given_cooccurring"].to_numpy(dtype=np.float64)
    rows.append(_median(given, values, seed, n_draws))
    for kind, target in (("region", "regions"), ("contrast", "contrasts")):
        shown = table.loc[table["kind"] == kind, "shown"].to_numpy(dtype=bool)
        rows.append(
            _share(replace(template, target=target, metric="share_shown"), shown, seed, n_draws)
        )
    return rows


def _share(row: Score, hits: np.ndarray, seed: int, n_draws: int) -> Score:
    if not len(hits):
        return replace(row, note="not computed: there is none")
    own = derive_seed(seed, row.model, row.target, row.metric)
    low, high = share_interval(hits.astype(np.float64), own, n_draws)
    return replace(row, n_items=len(hits), value=float(hits.mean()), ci_low=low, ci_high=high)


def _median(row: Score, values: np.ndarray, seed: int, n_draws: int) -> Score:
    known = values[np.isfinite(values)]
    if not len(known):
        return replace(row, note="not computed: no unit has a value")
    own = derive_seed(seed, row.model, row.target, row.metric)
    low, high = bootstrap_interval(known, own, n_draws, median=True)
    value = float(np.median(known))
    return replace(row, n_items=len(known), value=value, ci_low=low, ci_high=high)
