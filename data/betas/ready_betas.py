"""Betas of one subject, session by session, and how they become responses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from calcarine.data.errors import CalcarineError
from calcarine.data.layout import Layout
from calcarine.data.noise_ceiling import unit_ceilings
from calcarine.data.responses import Responses, write_responses
from calcarine.data.stimuli import read_stimuli
from calcarine.data.trial_assembly import assemble_trials

EVENT_COLUMNS = ("session", "run", "onset", "duration", "stimulus_id")
BETAS_WINDOW_S = (0.0, 0.0)
"""A beta is of one trial: overlap of responses was the publisher's to undo."""


@dataclass(frozen=True)
class ReadyBetas:
    """Betas of one subject; their values are read when they are wanted.

    Attributes
    ----------
    events
        One row a trial, in the order of the values: `session run onset duration stimulus_id` and
        whatever else is known (`phase` says `train` or `test` where the publisher does).
    units
        Units table without noise ceilings: places, `roi`, perhaps what the publisher measured.
    sidecar
        `space`, `affine` and so on, see `calcarine.data.responses`.
    sessions
        Reads one session each, in the order of `events`: float32, shape (n_trials, n_units).
    notes
        What a person should know of the values, for quality.json.
    """

    events: pd.DataFrame
    units: pd.DataFrame
    sidecar: dict[str, Any]
    sessions: Sequence[Callable[[], np.ndarray]]
    notes: tuple[str, ...] = field(default=())

    @property
    def session_sizes(self) -> list[int]:
        """Number of trials of each session, in order."""
        return [len(own) for _, own in self.events.groupby("session", sort=False)]


@dataclass(frozen=True)
class _Run:
    subject: str
    session: str
    run: str

    @property
    def name(self) -> str:
        return f"sub-{self.subject}_ses-{self.session}_run-{self.run}"


def betas_trials(betas: ReadyBetas, subject: str, stimuli_path: Path) -> pd.DataFrame:
    """Make the trial table; its split is not declared yet.

    Parameters
    ----------
    betas
        Of the subject.
    subject
        BIDS label.
    stimuli_path
        The stimulus table.

    Raises
    ------
    CalcarineError
        A stimulus is not in the stimulus table, or its picture cannot be read.
    """
    stimuli = read_stimuli(stimuli_path)
    concepts = dict(zip(stimuli["stimulus_id"], stimuli["concept"], strict=True))
    unknown = sorted(set(betas.events["stimulus_id"]) - set(concepts))
    if unknown:
        raise CalcarineError(
            f"sub-{subject} saw {len(unknown)} stimuli that {stimuli_path} does not have, the "
            f"first {unknown[0]!r}. Run the `source` step again."
        )
    _check_order(betas.events, subject)
    events = betas.events.assign(concept=betas.events["stimulus_id"].map(concepts))
    runs = [
        (_Run(subject, str(session), str(run)), own.drop(columns=["session", "run"]))
        for (session, run), own in events.groupby(["session", "run"], sort=False)
    ]
    return assemble_trials(runs, stimuli, stimuli_path.parent, subject)


def _check_order(events: pd.DataFrame, subject: str) -> None:
    missing = [name for name in EVENT_COLUMNS if name not in events]
    label = events["session"].astype(str) + "/" + events["run"].astype(str)
    n_stretches = 1 + int((label != label.shift()).iloc[1:].sum())
    if missing or n_stretches != label.nunique():
        raise CalcarineError(
            f"sub-{subject}: trials of {label.nunique()} runs come in {n_stretches} stretches, "
            f"columns {missing} are missing; expected one run after the other."
        )


def write_betas(
    layout: Layout,
    subject: str,
    betas: ReadyBetas,
    trials: pd.DataFrame,
    check: Callable[[np.ndarray, pd.DataFrame], None],
) -> None:
    """Copy betas into the output tree as responses, a session at a time.

    Parameters
    ----------
    layout
        Of the output tree.
    subject
        BIDS label.
    betas
        What is read.
    trials
        Trial table with its split declared.
    check
        Called with all values (memory-mapped) and the trials before they take their place.

    Raises
    ------
    CalcarineError
        A session has another number of trials than its events, or a value is not finite.
    """
    array = layout.responses(subject)
    array.parent.mkdir(parents=True, exist_ok=True)
    temporary = array.with_name(f".{array.name}.reading")
    try:
        _stream(temporary, betas, subject)
        values = np.load(temporary, mmap_mode="r", allow_pickle=False)
        check(values, trials)
        ceilings, statement = unit_ceilings(values, trials)
        units = betas.units.reset_index(drop=True).join(ceilings)
        sidecar = {**betas.sidecar, "noise_ceiling": statement}
        write_responses(layout, subject, Responses(values, trials, units, sidecar), temporary)
    finally:
        temporary.unlink(missing_ok=True)


def betas_quality(betas: ReadyBetas, subject: str) -> dict[str, Any]:
    """Say how much there is, run by run, for quality.json."""
    runs = [
        {"run": f"ses-{session}_run-{run}", "n_trials": len(own)}
        for (session, run), own in betas.events.groupby(["session", "run"], sort=False)
    ]
    return {
        "subject": subject,
        "n_trials": len(betas.events),
        "n_units": len(betas.units),
        "runs": runs,
        "warnings": list(betas.notes),
    }


def _stream(path: Path, betas: ReadyBetas, subject: str) -> None:
    """Write all sessions into one `.npy`, one after the other."""
    shape = (len(betas.events), len(betas.units))
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        pairs = zip(betas.session_sizes, betas.sessions, strict=True)
        for n_trials, read in tqdm(
            pairs, total=len(betas.sessions), desc=f"sub-{subject}: betas", disable=None
        ):
            values = read()
            if values.shape != (n_trials, shape[1]):
                raise CalcarineError(
                    f"sub-{subject}: a session's betas have the shape {values.shape}; its trials "
                    f"and the mask say {(n_trials, shape[1])}. The release is not whole."
                )
            file.write(np.ascontiguousarray(values, dtype="<f4").data)
