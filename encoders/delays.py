"""Delays between what was shown and the response to it, for films: FIR features of samples."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from calcarine.data.errors import CalcarineError
from calcarine.data.trials import runs_of

_LEAST_OF_A_STEP = 0.5


def delayed_features(
    features: np.ndarray, trials: pd.DataFrame, delays_s: Sequence[float]
) -> np.ndarray:
    """Give each sample what was shown some seconds before it in its run.

    Parameters
    ----------
    features
        Embedding of what was shown at each sample, shape (n_samples, embed_dim); NaN where it has
        none.
    trials
        Trial table with `session`, `run` and `onset_s`, a row a sample.
    delays_s
        Delays in seconds; of a negative one what comes later is taken.

    Returns
    -------
    numpy.ndarray
        float32, shape (n_samples, embed_dim × n_delays), the delays of a feature side by side (the
        weights of a model reshape to (embed_dim, n_delays, n_units)). Zero where the run has no
        sample within half a step of that time, or one without an embedding.

    Raises
    ------
    CalcarineError
        There is no delay, or no run has two samples.

    Examples
    --------
    >>> table = pd.DataFrame({"session": "1", "run": ["1", "1", "2"], "onset_s": [0.0, 2.0, 4.0]})
    >>> delayed_features(np.array([[1.0], [2.0], [3.0]]), table, [0, 2]).tolist()
    [[1.0, 0.0], [2.0, 1.0], [3.0, 0.0]]
    """
    if not len(delays_s):
        raise CalcarineError("no delays were given; expected one at least, in seconds.")
    runs = runs_of(trials)
    onsets = trials["onset_s"].to_numpy(dtype=np.float64)
    near = _LEAST_OF_A_STEP * step_s(trials)
    known = np.isfinite(features).all(axis=1)
    out = np.zeros((*features.shape, len(delays_s)), dtype=np.float32)
    for run in np.unique(runs):
        rows = np.flatnonzero(runs == run)
        rows = rows[np.argsort(onsets[rows], kind="stable")]
        for column, delay in enumerate(delays_s):
            wanted = onsets[rows] - delay
            found = rows[_nearest(onsets[rows], wanted)]
            there = (np.abs(onsets[found] - wanted) < near) & known[found]
            out[rows[there], :, column] = features[found[there]]
    return out.reshape(len(features), -1)


def step_s(trials: pd.DataFrame) -> float:
    """Give the usual time between one sample and the next of its run, in seconds.

    Raises
    ------
    CalcarineError
        No run has two samples.
    """
    onsets = trials["onset_s"].to_numpy(dtype=np.float64)
    runs = runs_of(trials)
    steps = [np.diff(np.sort(onsets[runs == run])) for run in np.unique(runs)]
    all_steps = np.concatenate(steps)
    if not all_steps.size:
        raise CalcarineError(
            "no run has two samples; delays need samples that follow one another. Set "
            "`recording.responses` to `{kind: block, average: false}`, or leave `delays_s` out."
        )
    return float(np.median(all_steps))


def delayed_sequence(features: np.ndarray, every_s: float, delays_s: Sequence[float]) -> np.ndarray:
    """Delay a film's frames that follow one another at a steady pace, see `delayed_features`.

    Parameters
    ----------
    features
        Shape (n_frames, embed_dim).
    every_s
        Seconds from frame to frame.
    delays_s
        Delays in seconds.
    """
    onsets = every_s * np.arange(len(features))
    trials = pd.DataFrame({"session": "1", "run": "1", "onset_s": onsets})
    return delayed_features(features, trials, delays_s)


def _nearest(sorted_times: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    after = np.clip(np.searchsorted(sorted_times, wanted), 0, len(sorted_times) - 1)
    before = np.clip(after - 1, 0, None)
    closer = np.abs(sorted_times[before] - wanted) <= np.abs(sorted_times[after] - wanted)
    return np.where(closer, before, after)
