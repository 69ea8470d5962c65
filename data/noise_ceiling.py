"""Noise ceilings from repeats: how well a perfect model of the stimulus could do."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from calcarine.data.errors import CalcarineError
from calcarine.data.repeats import repeat_rows
from calcarine.data.splits import Fold, folds
from calcarine.data.standardize import Standardizer
from calcarine.data.stored_rows import take_rows

_MEANS_BYTES = 2**28


@dataclass(frozen=True)
class RepeatVariance:
    """Variance within and between stimuli.

    Attributes
    ----------
    noise, signal
        Variance of single measurements around their stimulus, and of stimuli around their mean,
        each of shape (n_units,). `signal` is at least 0.
    n_stimuli, n_measurements
        Stimuli with at least two measurements, and their measurements.
    """

    noise: np.ndarray
    signal: np.ndarray
    n_stimuli: int
    n_measurements: int

    @property
    def ncsnr(self) -> np.ndarray:
        """Noise-ceiling signal-to-noise ratio σ_signal / σ_noise, shape (n_units,)."""
        out = np.where(self.signal > 0, np.inf, 0.0)
        return np.sqrt(np.divide(self.signal, self.noise, out=out, where=self.noise > 0))


def repeat_variance(values: np.ndarray, stimuli: np.ndarray) -> RepeatVariance:
    """Split the variance of repeated measurements into noise and signal.

    σ²_noise is the mean over stimuli of the variance of their repeats (ddof 1); σ²_signal is the
    variance of the stimulus means (ddof 1) less the noise that is left in them. For standardised
    responses of many stimuli that is 1 − σ²_noise (Allen et al. 2022,
    doi:10.1038/s41593-021-00962-x), without its bias for few stimuli.

    Parameters
    ----------
    values
        Standardised responses, shape (n_trials, n_units).
    stimuli
        What each trial showed, shape (n_trials,). Stimuli with one trial are left out.

    Returns
    -------
    RepeatVariance
        Statistics of the repeats.

    Raises
    ------
    CalcarineError
        Fewer than two stimuli are repeated.
    """
    names, codes, counts = np.unique(np.asarray(stimuli), return_inverse=True, return_counts=True)
    repeated = np.flatnonzero(counts >= 2)
    if len(repeated) < 2:
        raise CalcarineError(
            f"{len(repeated)} of {len(names)} stimuli were shown at least twice; a noise ceiling "
            "needs two such stimuli."
        )
    rows = np.split(np.argsort(codes, kind="stable"), np.cumsum(counts)[:-1])
    noise, signal = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    # some units at a time: the means of ten thousand stimuli would be larger than the responses
    width = max(_MEANS_BYTES // (8 * len(repeated)), 64)
    for start in range(0, values.shape[1], width):
        units = slice(start, min(start + width, values.shape[1]))
        means = np.empty((len(repeated), units.stop - start))
        for i, code in enumerate(repeated):
            own = np.asarray(values[rows[code], units], dtype=np.float64)
            noise[units] += own.var(axis=0, ddof=1) / len(repeated)
            means[i] = own.mean(axis=0)
        left = noise[units] * np.mean(1 / counts[repeated])
        signal[units] = np.maximum(0.0, means.var(axis=0, ddof=1) - left)
    return RepeatVariance(noise, signal, len(repeated), int(counts[repeated].sum()))


def noise_ceiling_r(ncsnr: np.ndarray, n_repeats: np.ndarray | int) -> np.ndarray:
    """Give the largest correlation that a model can reach with averaged measurements.

    r = √(ncsnr² / (ncsnr² + m)), where m is the mean over items of 1 / (number of repeats that
    were averaged), so that items with different numbers mix.

    Parameters
    ----------
    ncsnr
        Shape (n_units,).
    n_repeats
        Repeats averaged for each item, shape (n_items,), or one number for all.

    Returns
    -------
    numpy.ndarray
        Between 0 and 1, shape (n_units,).

    Examples
    --------
    >>> noise_ceiling_r(np.array([1.0]), 3).round(3).tolist()
    [0.866]
    >>> noise_ceiling_r(np.array([1.0]), np.array([3, 2, 1])).round(3).tolist()
    [0.788]
    """
    counts = np.atleast_1d(np.asarray(n_repeats, dtype=np.float64))
    if not len(counts) or (counts < 1).any():
        raise CalcarineError(f"repeats must be at least 1; got {counts.tolist()[:5]}.")
    with np.errstate(divide="ignore"):
        return 1 / np.sqrt(1 + np.mean(1 / counts) / np.asarray(ncsnr, dtype=np.float64) ** 2)


def repeats_of_test_items(trials: pd.DataFrame, split: list[Fold]) -> np.ndarray:
    """Count the repeats that are averaged for each test item, over all folds.

    Parameters
    ----------
    trials
        Trial table.
    split
        Its folds.

    Returns
    -------
    numpy.ndarray
        int, shape (n_items,).
    """
    return np.array([len(g) for f in split for g in repeat_rows(trials, f.test)], dtype=int)


def unit_ceilings(
    values: np.ndarray, trials: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, Any] | None]:
    """Estimate the noise ceilings of all units from the repeats in a trial table.

    Responses are standardised first, by session where each has training trials, with statistics
    of training trials. All repeated stimuli count but those of split `unused`.

    Parameters
    ----------
    values
        Responses, shape (n_trials, n_units).
    trials
        Trial table with a split.

    Returns
    -------
    tuple
        Table with `ncsnr`, `noise_ceiling_1` (r, for one measurement) and `noise_ceiling_n` (r,
        for the repeats that a test item has), one row a unit, all NaN where nothing is repeated;
        and the statement that goes with it, None where nothing is repeated.
    """
    split = folds(trials)
    fit = split[0].fit if len(split) == 1 else np.sort(np.concatenate([f.test for f in split]))
    rows = np.flatnonzero(trials["split"].to_numpy() != "unused")
    stimuli = trials["stimulus_id"].to_numpy()[rows]
    counts = pd.Series(stimuli).value_counts()
    is_repeated = np.isin(stimuli, counts.index[counts >= 2])
    nothing = np.full(values.shape[1], np.nan)
    names = ("ncsnr", "noise_ceiling_1", "noise_ceiling_n")
    if (counts >= 2).sum() < 2:
        return pd.DataFrame({name: nothing for name in names}), None
    sessions = trials["session"].to_numpy()
    enough = pd.Series(sessions[fit]).value_counts()
    by_session = set(sessions) == set(enough.index) and (enough >= 2).all()
    groups = sessions if by_session else np.full(len(trials), "all")
    standardizer = Standardizer.fit(take_rows(values, fit), groups[fit])
    scaled = standardizer.transform(take_rows(values, rows), groups[rows])
    variance = repeat_variance(scaled, stimuli)
    n_repeats = repeats_of_test_items(trials, split)
    table = pd.DataFrame(
        {
            "ncsnr": variance.ncsnr,
            "noise_ceiling_1": noise_ceiling_r(variance.ncsnr, 1),
            "noise_ceiling_n": noise_ceiling_r(variance.ncsnr, n_repeats),
        }
    )
    return table, {
        "n_stimuli": variance.n_stimuli,
        "n_measurements": variance.n_measurements,
        "n_repeats": round(float(1 / np.mean(1 / n_repeats)), 6),
        "n_repeats_of_items": {str(n): int((n_repeats == n).sum()) for n in np.unique(n_repeats)},
        "splits": sorted(set(trials["split"].to_numpy()[rows][is_repeated])),
        "standardized_by": "session" if by_session else "all",
        "unit": "r",
    }
