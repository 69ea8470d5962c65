"""What an encoder says of the phantom's voxels by what they are tuned to, against the truth."""

from dataclasses import replace

import numpy as np
import pandas as pd

from calcarine.data.phantom.tuning import factor_codes
from calcarine.data.predictions import Predictions
from calcarine.data.scores import Score
from calcarine.data.seeds import derive_seed
from calcarine.encoders.encoding_scores import correlation, summary_interval
from calcarine.pipelines.phantom_truth import (
    PROTOCOL,
    PlantedMap,
    area_under_curve,
    map_interval,
    planted_truth,
)

HIGH_CEILING = 0.8
"""True ceiling (r) of the mean over repeats from which a voxel's tuning is compared."""


def tuning_scores(
    predictions: Predictions,
    units: pd.DataFrame,
    truth: pd.DataFrame,
    weights: pd.DataFrame,
    stimuli: pd.DataFrame,
    subject: str,
    split: str,
    seed: int,
    n_draws: int,
) -> list[Score]:
    """Score each kind of voxel, and how well planted tuning is recovered.

    Parameters
    ----------
    predictions
        What the `encode` step wrote; the largest number of repeats is taken.
    units, truth
        Units table with `i j k`; planted voxels.
    weights
        Planted weights of factor codes, one row a voxel in the order of the truth, columns as
        `calcarine.data.phantom.tuning.factor_code_names` has them.
    stimuli
        Stimulus table with the scenes' factors.
    subject, split
        Text for the rows.
    seed, n_draws
        Bootstrap over items.

    Returns
    -------
    list of Score
        Target `tuned-to-<kind>`: `r_median`, with measured responses. Target
        `planted-linear-high-ceiling`: `tuning_r_median`, the correlation over test scenes of what
        the encoder predicts with the planted weighted sum of the scene's factors, without noise:
        the median over voxels that are such sums and have a true ceiling of `HIGH_CEILING` or more.
        Weights themselves are not compared: those of one-hot factors are known up to a constant.
    """
    chosen = predictions.most_repeats()
    measured, predicted = np.asarray(chosen.measured), np.asarray(chosen.values)
    planted = planted_truth(units, truth.assign(row=np.arange(len(truth))))
    template = Score(
        subject, "encode", predictions.sidecar["model"], "", "r_median", PROTOCOL, split,
        len(chosen.items), int(chosen.items["n_repeats"].iloc[0]), np.nan, chance=0.0,
    )  # fmt: skip
    draws = derive_seed(seed, subject, template.model, "tuning"), n_draws
    kind = planted["tuned_to"].to_numpy()
    ceiling = planted["noise_ceiling_n"].to_numpy(dtype=float)
    rows = []
    for name in sorted(set(kind) - {"none"}):
        own = kind == name
        row = replace(template, target=f"tuned-to-{name}", ceiling=float(np.median(ceiling[own])))
        rows.append(_median(measured[:, own], predicted[:, own], row, draws))
    high = planted["linear"].to_numpy(bool) & (ceiling >= HIGH_CEILING)
    row = replace(
        template, target="planted-linear-high-ceiling", metric="tuning_r_median", ceiling=1.0
    )
    if not high.any():
        note = f"not computed: no linear voxel has a true ceiling of {HIGH_CEILING:g}"
        return [*rows, replace(row, note=note)]
    shown = stimuli.set_index("stimulus_id").loc[chosen.items["stimulus_id"]]
    codes = factor_codes(shown)
    own_weights = weights.to_numpy(dtype=float)[planted["row"].to_numpy(dtype=int)[high]]
    noiseless = codes @ own_weights[:, : codes.shape[1]].T
    return [*rows, _median(noiseless, predicted[:, high], row, draws)]


def band_place_scores(
    parts: pd.DataFrame,
    units: pd.DataFrame,
    truth: pd.DataFrame,
    template: Score,
    seed: int,
    n_draws: int,
) -> list[Score]:
    """Ask of each band whether it explains early voxels rather than ventral ones.

    Parameters
    ----------
    parts
        Each band's part of R², one row a unit, columns `r2_part_<band>`.
    units, truth
        See `tuning_scores`.
    template
        Row with what all have in common.
    seed, n_draws
        Bootstrap over units.

    Returns
    -------
    list of Score
        Target `planted-early-by-<band>`, metric `map_auc`: the probability that the band's part is
        larger in a voxel tuned to pixels than in one tuned to a category. A band of early features
        comes out above 0.5, one of meaning below.
    """
    kind = planted_truth(units, truth)["tuned_to"].to_numpy()
    own = np.isin(kind, ["pixels", "category"])
    rows = []
    for column in parts:
        band = str(column).removeprefix("r2_part_")
        found = PlantedMap(kind[own] == "pixels", parts[column].fillna(0).to_numpy()[own])
        draws = derive_seed(seed, template.subject, template.model, band), n_draws
        low, high = map_interval([found], *draws)
        rows.append(
            replace(
                template,
                target=f"planted-early-by-{band}",
                metric="map_auc",
                protocol=PROTOCOL,
                value=float(area_under_curve(found)[0]),
                ci_low=low,
                ci_high=high,
                chance=0.5,
                ceiling=np.nan,
            )
        )
    return rows


def _median(wanted: np.ndarray, predicted: np.ndarray, row: Score, draws: tuple[int, int]) -> Score:
    """Give the median r over units, with its interval over items."""

    def median(r: np.ndarray) -> np.ndarray:
        return np.asarray(np.nanmedian(r, axis=1))

    low, high = summary_interval(wanted, predicted, median, *draws)
    value = float(median(correlation(wanted, predicted)[None])[0])
    return replace(row, value=value, ci_low=float(low), ci_high=float(high))
