"""The trial table: one row a trial, one definition, one reader and one writer."""

from pathlib import Path

import numpy as np
import pandas as pd

from calcarine.data.atomic import new_file
from calcarine.data.digests import frame_sha
from calcarine.data.errors import CalcarineError

TRIAL_COLUMNS = (
    "trial_id",
    "subject",
    "session",
    "run",
    "onset_s",
    "duration_s",
    "stimulus_id",
    "stimulus_sha",
    "concept",
    "repeat",
    "split",
    "split_group",
)
_TEXT = ("trial_id", "subject", "session", "run", "stimulus_id", "stimulus_sha", "concept")
_TEXT_TYPES = {name: "str" for name in (*_TEXT, "split", "split_group")}


def check_trials(trials: pd.DataFrame, source: str) -> None:
    """Refuse a table that is not a trial table.

    Parameters
    ----------
    trials
        The table.
    source
        Where it came from, for the message.

    Raises
    ------
    CalcarineError
        A column is missing, or two trials have the same `trial_id`.
    """
    missing = [name for name in TRIAL_COLUMNS if name not in trials.columns]
    if missing:
        raise CalcarineError(
            f"{source}: the trial table lacks the columns {missing}; it has "
            f"{list(trials.columns)}. Run the `prepare` step again."
        )
    twice = trials.index[trials["trial_id"].duplicated(keep=False)]
    if len(twice):
        name = trials.loc[twice[0], "trial_id"]
        rows = [int(i) + 2 for i in twice if trials.loc[i, "trial_id"] == name]
        raise CalcarineError(
            f"{source}: the trial id {name!r} stands in rows {rows}; every trial needs its own. "
            "Remove the copies or give them other ids."
        )


def write_trials(path: Path, trials: pd.DataFrame) -> None:
    """Write a trial table as TSV, its own columns first."""
    check_trials(trials, str(path))
    rest = [name for name in trials.columns if name not in TRIAL_COLUMNS]
    with new_file(path) as temporary:
        trials[[*TRIAL_COLUMNS, *rest]].to_csv(
            temporary, sep="\t", index=False, na_rep="n/a", lineterminator="\n"
        )


def read_trials(path: Path) -> pd.DataFrame:
    """Read a trial table.

    Labels such as `01` stay text; rows are in the order of the response array.

    Raises
    ------
    CalcarineError
        The file is absent or is not a trial table.
    """
    try:
        trials = pd.read_csv(
            path, sep="\t", dtype=_TEXT_TYPES, na_values=["n/a"], keep_default_na=False
        )
    except FileNotFoundError as error:
        raise CalcarineError(f"{path} is not there. Run the `prepare` step first.") from error
    except (ValueError, OSError) as error:  # pandas' errors of parsing are ValueErrors
        raise CalcarineError(
            f"{path} is no trial table ({error}). Run the `prepare` step again."
        ) from error
    text = [name for name in _TEXT_TYPES if name in trials.columns]
    trials[text] = trials[text].fillna("n/a")
    check_trials(trials, str(path))
    return trials


def runs_of(trials: pd.DataFrame) -> np.ndarray:
    """Name the run of each trial, over all sessions, shape (n_trials,)."""
    return (trials["session"].astype(str) + "/" + trials["run"].astype(str)).to_numpy(dtype=str)


def trial_order_sha(trials: pd.DataFrame) -> str:
    """Hash which trials stand in which order; responses keep it in their sidecar."""
    return frame_sha(trials[["trial_id", "stimulus_id", "run", "onset_s"]].round({"onset_s": 4}))
