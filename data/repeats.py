"""Averaging the repeats of a stimulus."""

import numpy as np
import pandas as pd


def repeat_rows(
    trials: pd.DataFrame, rows: np.ndarray, n_repeats: int | None = None
) -> list[np.ndarray]:
    """Group rows of the trial table by stimulus, in order of presentation.

    A trial table is in order of presentation.

    Parameters
    ----------
    trials
        Trial table.
    rows
        Row numbers, for instance a fold's test trials.
    n_repeats
        Take the first `n_repeats` of each stimulus and leave out stimuli that have fewer; without
        it take all.

    Returns
    -------
    list of numpy.ndarray
        Row numbers of each stimulus, stimuli in sorted order of their id.
    """
    ordered = np.sort(rows)
    stimuli = trials["stimulus_id"].iloc[ordered].to_numpy()
    groups = [g.to_numpy() for _, g in pd.Series(ordered).groupby(stimuli, sort=True)]
    if n_repeats is None:
        return groups
    return [g[:n_repeats] for g in groups if len(g) >= n_repeats]


def average_rows(values: np.ndarray, groups: list[np.ndarray]) -> np.ndarray:
    """Average groups of rows.

    Parameters
    ----------
    values
        Shape (n_trials, …).
    groups
        Row numbers of each item.

    Returns
    -------
    numpy.ndarray
        float32, shape (n_items, …).
    """
    out = np.empty((len(groups), *values.shape[1:]), dtype=np.float32)
    for i, group in enumerate(groups):
        out[i] = values[group].mean(axis=0, dtype=np.float64)
    return out
