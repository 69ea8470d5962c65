"""Paired comparisons of encoders: by how much one predicts the same units better than another."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from calcarine.data.phantom.truth import read_truth
from calcarine.data.scores import Score
from calcarine.data.seeds import derive_seed
from calcarine.encoders.encoding_scores import bootstrap_correlations, correlation
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_data import PhantomSource
from calcarine.pipelines.paired_encoders import read_paired
from calcarine.pipelines.phantom_truth import PROTOCOL, planted_truth

METRIC = "r_mean_gain_over_"
_TAILS = (0.025, 0.975)


def comparison_results(
    config: Config, subject: str, name: str, split: str, units: pd.DataFrame
) -> list[Score]:
    """Compare an encoder with others, unit by unit and item by item.

    Parameters
    ----------
    config, subject, name, split
        Whose, the name in the section `comparisons`, and that of the test split.
    units
        Units table.

    Returns
    -------
    list of Score
        Model `encoder-<model>`, metric `r_mean_gain_over_<baseline>`: the mean over units of the
        difference of r, its interval by bootstrap over the items, which both share. Targets are all
        units, each region, and on the phantom each kind of voxel (`tuned-to-<kind>`) and those
        that are not tuned to parts. The note says whether the interval lies above 0, or above
        minus the margin that the configuration states.

    Raises
    ------
    CalcarineError
        Both have predicted other items.
    """
    section = config.comparisons[name]
    names = section.model, *section.baselines
    own, *others = read_paired(config, subject, names, f"comparisons.{name}").values()
    seed = derive_seed(config.seed, subject, "comparison", name)
    n_draws = config.evaluate.n_bootstrap
    groups = list(_groups(config, subject, units))
    template = Score(
        subject, "encode", f"encoder-{section.model}", "", "", "", split, len(own.items),
        int(own.items["n_repeats"].max()), np.nan, chance=0.0,
    )  # fmt: skip
    rows = []
    for baseline, other in zip(section.baselines, others, strict=True):
        measured = np.asarray(own.measured)
        pair = np.asarray(own.values), np.asarray(other.values)
        gain = correlation(measured, pair[0]) - correlation(measured, pair[1])
        drawn = bootstrap_correlations(measured, pair[0], seed, n_draws)
        drawn -= bootstrap_correlations(measured, pair[1], seed, n_draws)
        row = replace(template, metric=METRIC + baseline)
        rows += [
            _row(
                replace(row, target=t, protocol=p),
                gain[own_units],
                drawn[:, own_units],
                section.margin,
            )
            for t, p, own_units in groups
        ]
    return rows


def _groups(
    config: Config, subject: str, units: pd.DataFrame
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Give target, protocol and units of each row."""
    yield "responses", "calcarine", np.ones(len(units), dtype=bool)
    if "roi" in units:
        roi = units["roi"].astype(str).to_numpy()
        for region in sorted(set(roi) - {"n/a"}):
            yield region, "calcarine", roi == region
    if isinstance(config.source, PhantomSource):
        kind = planted_truth(units, read_truth(config.bids, subject))["tuned_to"].to_numpy()
        for name in sorted(set(kind) - {"none"}):
            yield f"tuned-to-{name}", PROTOCOL, kind == name
        yield "not-tuned-to-part", PROTOCOL, ~np.isin(kind, ["part", "none"])


def _row(row: Score, gain: np.ndarray, drawn: np.ndarray, margin: float) -> Score:
    known = np.isfinite(gain)
    if not known.any():
        return replace(row, note="not computed: the responses of all these units are constant")
    low, high = np.nanquantile(np.nanmean(drawn[:, known], axis=1), _TAILS)
    if low > 0:
        note = "better"
    elif low > -margin:
        note = f"not worse by the stated margin of {margin:g}"
    else:
        note = f"not shown to be within the stated margin of {margin:g}"
    return replace(
        row, value=float(gain[known].mean()), ci_low=float(low), ci_high=float(high), note=note
    )
