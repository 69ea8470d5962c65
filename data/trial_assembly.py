"""From the events of all runs to the trial table of a subject."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import pandas as pd

from calcarine.data.errors import CalcarineError
from calcarine.data.stimuli import stimulus_shas
from calcarine.data.trials import TRIAL_COLUMNS, check_trials

NO_SPLIT = "n/a"


class NamedRun(Protocol):
    """A run as far as its trials need it: BIDS labels and a name."""

    @property
    def subject(self) -> str:
        """BIDS label."""

    @property
    def session(self) -> str:
        """BIDS label."""

    @property
    def run(self) -> str:
        """BIDS label."""

    @property
    def name(self) -> str:
        """Label for trial ids."""


def assemble_trials(
    runs: Sequence[tuple[NamedRun, pd.DataFrame]],
    stimuli: pd.DataFrame,
    stimuli_folder: Path,
    subject: str,
) -> pd.DataFrame:
    """Join the trials of all runs.

    Parameters
    ----------
    runs
        Each run with its events that are trials, as `stimulus_events` gives them.
    stimuli, stimuli_folder
        Stimulus table, and the folder that its files are relative to.
    subject
        For messages.

    Returns
    -------
    pandas.DataFrame
        Trial table in the order of the runs; `split` is not declared yet, and every column of
        events.tsv is kept.

    Raises
    ------
    CalcarineError
        No event is a trial, a picture is not there, or two trials have one id.
    """
    table = pd.concat([_run_table(run, trials) for run, trials in runs], ignore_index=True)
    if not len(table):
        raise CalcarineError(
            f"sub-{subject}: no event of {len(runs)} runs shows a stimulus. Look at "
            "`recording.stimulus_column` and `recording.ignore_trial_types`."
        )
    used = stimuli[stimuli["stimulus_id"].isin(set(table["stimulus_id"]))]
    shas = stimulus_shas(used, stimuli_folder)
    table["stimulus_sha"] = table["stimulus_id"].map(shas)
    table["repeat"] = table.groupby("stimulus_id").cumcount() + 1
    table["split"] = table["split_group"] = NO_SPLIT
    rest = [name for name in table.columns if name not in TRIAL_COLUMNS]
    table[rest] = table[rest].fillna("n/a")
    trials = table[[*TRIAL_COLUMNS, *rest]]
    check_trials(trials, f"sub-{subject}, events.tsv of {len(runs)} runs")
    return trials


def _run_table(run: NamedRun, trials: pd.DataFrame) -> pd.DataFrame:
    table = trials.rename(
        columns={"onset": "onset_s", "duration": "duration_s", "row": "events_row"}
    )
    table["subject"] = run.subject
    table["session"] = run.session
    table["run"] = run.run
    if "trial_id" not in table.columns:
        table["trial_id"] = [f"{run.name}_trial-{i + 1:04d}" for i in range(len(table))]
    return table
