"""What else moves a response to a trial: the stimuli before it, and what the person did."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from calcarine.data.errors import CalcarineError
from calcarine.data.trials import runs_of


def history_features(features: np.ndarray, trials: pd.DataFrame, n_back: int) -> np.ndarray:
    """Give each trial the embeddings of the stimuli before it in the same run.

    Parameters
    ----------
    features
        Embedding of each trial's stimulus, shape (n_trials, embed_dim).
    trials
        Trial table with `session`, `run` and `onset_s`, in the order of `features`.
    n_back
        How many trials to look back.

    Returns
    -------
    numpy.ndarray
        float32, shape (n_trials, n_back × embed_dim), the last stimulus first; zero where the run
        has no earlier trial, or none whose stimulus has an embedding. Only what was shown is used,
        never how the brain responded to it, so that a test trial may follow a training trial.

    Examples
    --------
    >>> table = pd.DataFrame({"session": "1", "run": ["1", "1", "2"], "onset_s": [4.0, 0.0, 8.0]})
    >>> history_features(np.array([[1.0], [2.0], [3.0]]), table, 1).tolist()
    [[2.0], [0.0], [0.0]]
    """
    if n_back < 1:
        raise CalcarineError(f"history of {n_back} trials; expected at least 1.")
    order = np.lexsort([trials["onset_s"].to_numpy(dtype=float)])
    runs = runs_of(trials)
    width = features.shape[1]
    out = np.zeros((len(trials), n_back * width), dtype=np.float32)
    known = np.isfinite(features).all(axis=1)
    for run in np.unique(runs):
        rows = order[runs[order] == run]
        for back in range(1, n_back + 1):
            later, earlier = rows[back:], rows[:-back]
            there = known[earlier]
            place = slice((back - 1) * width, back * width)
            out[later[there], place] = features[earlier[there]]
    return out


def behaviour_features(trials: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """Give each trial's behaviour as numbers.

    Parameters
    ----------
    trials
        Trial table.
    columns
        Names of columns that events.tsv brought, e.g. `response_time`.

    Returns
    -------
    numpy.ndarray
        float32, shape (n_trials, n_features): a column as it is, zero where it is not known,
        followed by a column that says so (1) if any trial lacks it; words as one column a word.

    Raises
    ------
    CalcarineError
        A column is not there or says nothing.
    """
    parts = []
    for name in columns:
        if name not in trials:
            raise CalcarineError(
                f"the trials have no column {name!r}; they have {sorted(trials.columns)}. Correct "
                "`behaviour` or add the column to events.tsv."
            )
        parts.append(_numbers(trials[name], name))
    return np.concatenate(parts, axis=1).astype(np.float32)


def _numbers(column: pd.Series, name: str) -> np.ndarray:
    words = column.astype("str")
    missing = (column.isna() | words.isin(["n/a", "nan", ""])).to_numpy()
    if missing.all():
        raise CalcarineError(f"the column {name!r} says nothing in any trial; leave it out.")
    numbers = pd.to_numeric(words.where(~missing), errors="coerce").to_numpy(dtype=np.float64)
    if np.isfinite(numbers[~missing]).all():
        found = np.where(missing, 0.0, numbers)[:, None]
    else:
        values = sorted(set(words[~missing]))
        found = (words.to_numpy()[:, None] == np.array(values)[None]).astype(np.float64)
    return np.concatenate([found, missing[:, None]], axis=1) if missing.any() else found
