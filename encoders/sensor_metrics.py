"""Rows of the score tables for an encoder of sensors: over the trial, and over all of it."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from calcarine.data.errors import CalcarineError
from calcarine.data.noise_ceiling import noise_ceiling_r
from calcarine.data.predictions import Predictions
from calcarine.data.scores import Score
from calcarine.data.seeds import derive_seed
from calcarine.data.time_scores import TimeScore
from calcarine.encoders.encoding_scores import (
    CEILING_FLOOR,
    correlation,
    encoding_scores,
    summary_interval,
)

ALL_UNITS = "responses"


@dataclass(frozen=True)
class SensorScores:
    """Everything that is said about one encoder of sensors.

    Attributes
    ----------
    scores
        Rows of `metrics.tsv`: `r_median` and `r_over_ceiling_median` over channels and all samples
        from stimulus onset, `peak_latency_s` of the median over channels, and the controls.
    over_time
        Rows of `over_time.tsv`: median over channels at every sample.
    channels
        One row a channel, at the sample of the peak: `r`, `r2`, `r_over_ceiling`.
    """

    scores: list[Score]
    over_time: list[TimeScore]
    channels: pd.DataFrame


def sensor_scores(
    predictions: Predictions,
    ncsnr: np.ndarray,
    times_s: np.ndarray,
    template: Score,
    seed: int,
    n_draws: int = 2000,
    floor: float = CEILING_FLOOR,
) -> SensorScores:
    """Score an encoder of time courses at the largest number of averaged repeats.

    Parameters
    ----------
    predictions
        What the `encode` step wrote, `measured` included, values of shape (n_items, n_channels,
        n_times).
    ncsnr
        Noise-ceiling signal-to-noise ratio, shape (n_channels, n_times); NaN where nothing is
        known.
    times_s
        Times of the samples.
    template
        `subject`, `model` and `split` of the rows.
    seed, n_draws
        Of the bootstrap over items.
    floor
        No ratio to a noise ceiling (in r) below this.

    Returns
    -------
    SensorScores

    Raises
    ------
    CalcarineError
        Shapes disagree, or no sample lies after onset.
    """
    chosen = predictions.most_repeats()
    if chosen.measured is None or chosen.values.shape[1:] != (len(ncsnr), len(times_s)):
        raise CalcarineError(
            f"predictions of {template.model} have the shape {chosen.values.shape}; expected "
            f"measured responses of {len(ncsnr)} channels at {len(times_s)} samples beside. Run "
            "`encode` again."
        )
    after = times_s >= 0
    if not after.any():
        raise CalcarineError("no sample of the trial lies after onset; there is nothing to score.")
    n_repeats = int(chosen.items["n_repeats"].iloc[0])
    template = replace(
        template,
        stage="encode",
        target=ALL_UNITS,
        protocol="calcarine",
        n_items=len(chosen.items),
        n_repeats=n_repeats,
        chance=0.0,
    )
    curve = _Curve(
        np.asarray(chosen.measured),
        np.asarray(chosen.values),
        noise_ceiling_r(ncsnr, n_repeats),
        times_s,
        floor,
    )
    own_seed = derive_seed(seed, template.subject, template.model)
    low, high = curve.intervals(own_seed, n_draws)
    scores = curve.rows(template, low, high)
    scores += _controls(curve, template, own_seed, n_draws)
    over_time = curve.time_rows(template, low, high)
    peak = curve.peak(curve.r[None])[0]
    measured, predicted = curve.measured[:, :, peak], curve.predicted[:, :, peak]
    channels = encoding_scores(measured, predicted, curve.ceiling[:, peak], floor)
    return SensorScores(scores, over_time, channels)


@dataclass(frozen=True)
class _Curve:
    """Measured and predicted time courses, and what is read off them."""

    measured: np.ndarray
    predicted: np.ndarray
    ceiling: np.ndarray
    times_s: np.ndarray
    floor: float

    @property
    def r(self) -> np.ndarray:
        """Correlation over items, shape (n_channels * n_times,)."""
        return correlation(_flat(self.measured), _flat(self.predicted))

    def medians(self, r: np.ndarray) -> np.ndarray:
        """Median over channels: (n_draws, n_channels * n_times) to (n_draws, n_times)."""
        return _median(r.reshape(len(r), *self.ceiling.shape), 1)

    def peak(self, r: np.ndarray) -> np.ndarray:
        """Find the sample after onset where the median over channels is highest."""
        medians = np.where(self.times_s >= 0, self.medians(r), -np.inf)
        return np.asarray(np.argmax(np.nan_to_num(medians, nan=-np.inf), axis=1))

    def summaries(self, r: np.ndarray) -> np.ndarray:
        """Medians at every sample, then of all after onset, over their ceiling, peak time."""
        after = r.reshape(len(r), *self.ceiling.shape)[:, :, self.times_s >= 0]
        ceiling = self.ceiling[:, self.times_s >= 0]
        high = np.where(ceiling >= self.floor, ceiling, np.nan)
        return np.column_stack(
            [
                self.medians(r),
                _median(after, (1, 2)),
                _median(after / high, (1, 2)),
                self.times_s[self.peak(r)],
            ]
        )

    def intervals(self, seed: int, n_draws: int) -> tuple[np.ndarray, np.ndarray]:
        """Give the bootstrap intervals of all summaries, items drawn with replacement."""
        return summary_interval(
            _flat(self.measured), _flat(self.predicted), self.summaries, seed, n_draws
        )

    def rows(self, template: Score, low: np.ndarray, high: np.ndarray) -> list[Score]:
        """Give the rows of `metrics.tsv`."""
        n_times = len(self.times_s)
        values = self.summaries(self.r[None])[0]
        ceiling = _median(self.ceiling[None, :, self.times_s >= 0], (1, 2))[0]
        no_ceiling = "not computed: no sample has a known noise ceiling of at least "
        out = []
        for i, (metric, chance, most) in enumerate(
            (
                ("r_median", 0.0, ceiling),
                ("r_over_ceiling_median", 0.0, 1.0),
                ("peak_latency_s", np.nan, np.nan),
            ),
            start=n_times,
        ):
            row = replace(template, metric=metric, value=float(values[i]), ceiling=float(most))
            note = "" if np.isfinite(values[i]) else f"{no_ceiling}{self.floor:g}"
            out.append(
                replace(row, ci_low=float(low[i]), ci_high=float(high[i]), chance=chance, note=note)
            )
        return out

    def time_rows(self, template: Score, low: np.ndarray, high: np.ndarray) -> list[TimeScore]:
        """Give the rows of `over_time.tsv`."""
        values = self.medians(self.r[None])[0]
        ceiling = _median(self.ceiling[None], 1)[0]
        return [
            TimeScore(
                template.subject,
                template.stage,
                template.model,
                template.target,
                "r_median",
                template.split,
                template.n_items,
                template.n_repeats,
                "sample",
                time_s,
                time_s,
                time_s,
                time_s,
                float(values[i]),
                float(low[i]),
                float(high[i]),
                0.0,
                float(ceiling[i]),
            )
            for i, time_s in enumerate(self.times_s.tolist())
        ]


def _controls(curve: _Curve, template: Score, seed: int, n_draws: int) -> list[Score]:
    """Score predictions given to other stimuli, and the training mean."""
    rng = np.random.default_rng(derive_seed(seed, "shuffled-stimuli"))
    others = replace(curve, predicted=curve.predicted[rng.permutation(len(curve.predicted))])
    low, high = others.intervals(seed, n_draws)
    n_times = len(curve.times_s)
    shuffled = replace(
        template,
        model=f"{template.model}/shuffled-stimuli",
        metric="r_median",
        value=float(others.summaries(others.r[None])[0, n_times]),
        ci_low=float(low[n_times]),
        ci_high=float(high[n_times]),
    )
    mean = replace(template, model=f"{template.model}/mean-predictor", metric="r_median", value=0.0)
    return [shuffled, mean]


def _flat(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1)


def _median(values: np.ndarray, axis: int | tuple[int, ...]) -> np.ndarray:
    """Take medians over known values, NaN where there is none."""
    known = np.isfinite(values).any(axis=axis)
    filled = np.where(np.expand_dims(known, axis), values, 0.0)
    return np.where(known, np.nanmedian(filled, axis=axis), np.nan)
