"""Rows of the score table for a voxelwise encoder, with its ceiling and its controls."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from calcarine.data.errors import CalcarineError
from calcarine.data.noise_ceiling import noise_ceiling_r
from calcarine.data.predictions import Predictions
from calcarine.data.scores import Score, row_medians
from calcarine.data.seeds import derive_seed
from calcarine.encoders.encoding_scores import (
    CEILING_FLOOR,
    correlation,
    encoding_scores,
    r2,
    summary_interval,
)

ALL_UNITS = "responses"


def encoder_scores(
    predictions: Predictions,
    units: pd.DataFrame,
    subject: str,
    split: str,
    seed: int,
    n_draws: int = 2000,
    floor: float = CEILING_FLOOR,
) -> tuple[list[Score], pd.DataFrame]:
    """Score an encoder's predictions for every number of averaged repeats.

    Metrics are `r_median`, `r2_median` and `r_over_ceiling_median` over all units, and for the
    largest number of repeats over the units of each region (target: the region's name). Two
    controls stand beside them: `<model>/shuffled-stimuli`, the predictions given to other stimuli,
    and `<model>/mean-predictor`.

    Parameters
    ----------
    predictions
        What the `encode` step wrote, `measured` included.
    units
        Units table with `ncsnr`, and `roi` where regions are known.
    subject, split
        Text for the rows.
    seed
        Seed of the configuration; the intervals descend from it by subject and model.
    n_draws
        Number of bootstrap samples of items.
    floor
        No ratio to a noise ceiling (in r) below this.

    Returns
    -------
    tuple
        Rows, and a table with `r`, `r2` and `r_over_ceiling` of every unit at the largest number
        of repeats.

    Raises
    ------
    CalcarineError
        The predictions hold no measured responses, or other units.
    """
    if predictions.measured is None or predictions.values.shape[1] != len(units):
        raise CalcarineError(
            f"predictions of {predictions.sidecar.get('model')} have {predictions.values.shape[1]} "
            f"units, {'no' if predictions.measured is None else 'some'} measured responses; "
            f"expected {len(units)} units with measured responses. Run `encode` again."
        )
    model = predictions.sidecar["model"]
    template = Score(
        subject, "encode", model, ALL_UNITS, "", "calcarine", split, 0, 0, np.nan, chance=0.0
    )
    draws = (derive_seed(seed, subject, model), n_draws)
    rows: list[Score] = []
    for level in sorted(int(n) for n in predictions.items["n_repeats"].unique()):
        chosen = predictions.select("measured", level, "signal")
        template = replace(template, n_items=len(chosen.items), n_repeats=level)
        ceiling = noise_ceiling_r(units["ncsnr"].to_numpy(dtype=np.float64), level)
        is_last = level == predictions.items["n_repeats"].max()
        regions = _regions(units) if is_last else {}
        rows += _rows(chosen, ceiling, regions, template, draws, floor)
    measured, predicted = _arrays(chosen)
    rows += _controls(chosen, template, draws)
    return rows, encoding_scores(measured, predicted, ceiling, floor)


def _regions(units: pd.DataFrame) -> dict[str, np.ndarray]:
    if "roi" not in units.columns:
        return {}
    roi = units["roi"].fillna("n/a").astype(str).to_numpy()
    return {str(name): roi == name for name in np.unique(roi) if name != "n/a"}


@dataclass(frozen=True)
class _Summary:
    """A median over some units: of r, or of r over the units' ceilings."""

    target: str
    metric: str
    units: np.ndarray
    scale: np.ndarray
    ceiling: float
    note: str = ""

    def of(self, r: np.ndarray) -> np.ndarray:
        return _median(r[:, self.units] / self.scale[self.units])


def _summaries(
    r: np.ndarray, ceiling: np.ndarray, masks: dict[str, np.ndarray], floor: float
) -> list[_Summary]:
    out = []
    for target, mask in masks.items():
        known = mask & np.isfinite(r)
        high = known & (ceiling >= floor)
        missing = f"not computed: no unit has a known noise ceiling of at least {floor:g}"
        reached = float(_median(ceiling[None, known])[0])
        out += [
            _Summary(target, "r_median", known, np.ones(len(r)), reached),
            _Summary(
                target, "r_over_ceiling_median", high, ceiling, 1.0, "" if high.any() else missing
            ),
        ]
    return out


def _rows(
    chosen: Predictions,
    ceiling: np.ndarray,
    regions: dict[str, np.ndarray],
    template: Score,
    draws: tuple[int, int],
    floor: float,
) -> list[Score]:
    """Score all units and every region."""
    measured, predicted = _arrays(chosen)
    r = correlation(measured, predicted)
    masks = {ALL_UNITS: np.ones(len(r), dtype=bool), **regions}
    summaries = _summaries(r, ceiling, masks, floor)

    def medians(drawn: np.ndarray) -> np.ndarray:
        return np.stack([summary.of(drawn) for summary in summaries], axis=1)

    stretch = _stretch(chosen)
    low, high = summary_interval(measured, predicted, medians, *draws, n_in_stretch=stretch)
    rows = [
        replace(
            template,
            target=summary.target,
            metric=summary.metric,
            value=float(summary.of(r[None])[0]),
            ci_low=float(low[i]),
            ci_high=float(high[i]),
            ceiling=summary.ceiling,
            note=summary.note,
        )
        for i, summary in enumerate(summaries)
    ]
    explained = float(_median(r2(measured, predicted)[None])[0])
    most = float(_median(ceiling[None] ** 2)[0])
    return [*rows, replace(template, metric="r2_median", value=explained, ceiling=most)]


def _arrays(chosen: Predictions) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(chosen.measured), np.asarray(chosen.values)


def _median(values: np.ndarray) -> np.ndarray:
    """Take medians over units, NaN without any: (n_draws, n_units) to (n_draws,)."""
    known = values[:, np.isfinite(values).any(axis=0)]
    if not known.shape[1]:
        return np.full(len(values), np.nan)
    return row_medians(known)


def _stretch(chosen: Predictions) -> int:
    return int(chosen.sidecar.get("n_in_stretch", 1))


def _others(n_items: int, stretch: int, rng: np.random.Generator) -> np.ndarray:
    """Give every item another's prediction; in a film all are moved along by the same time."""
    if stretch == 1:
        return rng.permutation(n_items)
    if n_items <= 2 * stretch:
        return np.roll(np.arange(n_items), n_items // 2)
    return np.roll(np.arange(n_items), int(rng.integers(stretch, n_items - stretch + 1)))


def _controls(chosen: Predictions, template: Score, draws: tuple[int, int]) -> list[Score]:
    """Score predictions given to other stimuli, and the training mean."""
    measured, predicted = _arrays(chosen)
    stretch = _stretch(chosen)
    rng = np.random.default_rng(derive_seed(draws[0], "shuffled-stimuli"))
    others = predicted[_others(len(predicted), stretch, rng)]
    low, high = summary_interval(measured, others, _median, *draws, n_in_stretch=stretch)
    shuffled = replace(
        template,
        model=f"{template.model}/shuffled-stimuli",
        metric="r_median",
        value=float(_median(correlation(measured, others)[None])[0]),
        ci_low=float(low),
        ci_high=float(high),
    )
    zero = np.zeros_like(predicted)
    mean = replace(template, model=f"{template.model}/mean-predictor")
    return [
        shuffled,
        replace(
            mean, metric="r_median", value=float(_median(correlation(measured, zero)[None])[0])
        ),
        replace(mean, metric="r2_median", value=float(_median(r2(measured, zero)[None])[0])),
    ]
