"""The trial table of a subject's BOLD runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from calcarine.data.bids import RunFiles, find_runs
from calcarine.data.block_averages import REST, BlockModel, BlockRows, block_rows
from calcarine.data.bold import Timing, volume_timing
from calcarine.data.errors import CalcarineError
from calcarine.data.events import check_within_scan, read_events, stimulus_events
from calcarine.data.glm import GlmModel
from calcarine.data.stimuli import read_stimuli
from calcarine.data.surface_bold import surface_timing
from calcarine.data.trial_assembly import assemble_trials


@dataclass(frozen=True)
class FmriReading:
    """What to read of a subject and how; the fields are those of the configuration.

    Attributes
    ----------
    bids, subject, task
        Raw data set and BIDS labels.
    stimuli
        The stimulus table.
    responses
        How volumes become responses.
    derivatives, space, sessions, runs, mask, rois, confounds, stimulus_column
        See `recording` of the configuration.
    ignore_trial_types, smoothing_fwhm_mm
        See there.
    """

    bids: Path
    subject: str
    task: str
    stimuli: Path
    responses: GlmModel | BlockModel
    derivatives: Path | None = None
    space: str | None = None
    sessions: Sequence[str] | None = None
    runs: Sequence[str] | None = None
    mask: Path | None = None
    rois: Path | None = None
    confounds: Sequence[str] = ()
    stimulus_column: str = "stim_file"
    ignore_trial_types: Sequence[str] = ("rest", "fixation", "baseline")
    smoothing_fwhm_mm: float | None = None


@dataclass(frozen=True)
class MeasuredRun:
    """A run with its timing and trials.

    Attributes
    ----------
    files, timing
        What and when.
    trials
        Events that are trials: `onset`, `duration`, `stimulus_id`, `concept`, `row` and others.
    blocks
        Volumes of each trial, for block designs.
    """

    files: RunFiles
    timing: Timing
    trials: pd.DataFrame
    blocks: BlockRows | None


def runs_of(reading: FmriReading) -> list[RunFiles]:
    """Find the runs that are to be read."""
    return find_runs(
        reading.bids,
        reading.subject,
        reading.task,
        reading.derivatives,
        reading.space,
        reading.sessions,
        reading.runs,
    )


def measure_run(reading: FmriReading, files: RunFiles, stimuli: pd.DataFrame) -> MeasuredRun:
    """Read the timing and the events of a run, not its volumes.

    Raises
    ------
    CalcarineError
        The events do not fit the scan or the stimulus table, with file and row.
    """
    timing = surface_timing(files) if files.is_surface else volume_timing(files)
    events = read_events(files.events)
    check_within_scan(events, files.events, timing.scan_s, timing.tr_s)
    shown = stimulus_events(
        events,
        files.events,
        stimuli,
        reading.stimulus_column,
        reading.ignore_trial_types,
    )
    if not isinstance(reading.responses, BlockModel):
        return MeasuredRun(files, timing, shown, None)
    blocks = block_rows(
        shown, timing.frame_times_s, timing.tr_s, reading.responses, str(files.events)
    )
    return MeasuredRun(files, timing, blocks.table, blocks)


def read_fmri_trials(reading: FmriReading) -> tuple[list[MeasuredRun], pd.DataFrame]:
    """Read the trials of a subject from the events of all runs.

    Returns
    -------
    tuple
        The runs, and the trial table in their order, sorted by onset; `split` is not declared yet.

    Raises
    ------
    CalcarineError
        A run is missing, events do not fit, a picture is not there, or two trials have one id.
    """
    stimuli = read_stimuli(reading.stimuli)
    wants_rest = isinstance(reading.responses, BlockModel) and reading.responses.include_rest
    if wants_rest and REST not in set(stimuli["stimulus_id"]):
        raise CalcarineError(
            f"`include_rest` makes trials of the stimulus {REST!r}, which {reading.stimuli} does "
            f"not have. Add a row with stimulus_id {REST} and file n/a."
        )
    runs = [measure_run(reading, files, stimuli) for files in runs_of(reading)]
    trials = assemble_trials(
        [(run.files, run.trials) for run in runs],
        stimuli,
        reading.stimuli.parent,
        reading.subject,
    )
    return runs, trials
