"""The trial table of a subject's EEG or MEG runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calcarine.data.errors import CalcarineError
from calcarine.data.events import read_events, stimulus_events
from calcarine.data.meeg.reading import open_raw, rate_warnings
from calcarine.data.meeg.recordings import MeegFiles, find_recordings
from calcarine.data.meeg.settings import MeegReading, Windows
from calcarine.data.stimuli import read_stimuli
from calcarine.data.trial_assembly import assemble_trials


@dataclass(frozen=True)
class MeegRun:
    """A run with its timing and trials.

    Attributes
    ----------
    files
        Where it lies.
    sfreq, length_s
        Sampling rate in Hz and length in seconds.
    trials
        Events that are trials: `onset`, `duration`, `stimulus_id`, `concept`, `row` and others.
    warnings
        What deserves a look, one sentence each.
    """

    files: MeegFiles
    sfreq: float
    length_s: float
    trials: pd.DataFrame
    warnings: tuple[str, ...]


def recordings_of(reading: MeegReading) -> list[MeegFiles]:
    """Find the runs that are to be read."""
    return find_recordings(
        reading.bids,
        reading.subject,
        reading.task,
        reading.datatype,
        reading.sessions,
        reading.runs,
    )


def measure_run(reading: MeegReading, files: MeegFiles, stimuli: pd.DataFrame) -> MeegRun:
    """Read the header and the events of a run, not its samples.

    Raises
    ------
    CalcarineError
        The events do not fit the recording or the stimulus table, with file and row.
    """
    path = files.events_file()
    events = read_events(path)
    raw = open_raw(files, reading)
    sfreq, length_s = float(raw.info["sfreq"]), raw.n_times / float(raw.info["sfreq"])
    check_within_recording(events, path, length_s)
    shown = stimulus_events(
        events, path, stimuli, reading.stimulus_column, reading.ignore_trial_types
    )
    found = [*overlapping_trials(shown, path), *reaching_windows(shown, reading.epochs, path)]
    found += rate_warnings(files, sfreq)
    return MeegRun(files, sfreq, length_s, shown, tuple(found))


def check_within_recording(events: pd.DataFrame, path: Path, length_s: float) -> None:
    """Refuse events that nothing was recorded for.

    Parameters
    ----------
    events
        As `read_events` returns them.
    path
        The file, for the message.
    length_s
        Length of the recording in seconds.

    Raises
    ------
    CalcarineError
        An event begins after the end or before the start. Onsets that look like milliseconds or
        samples are named as such.
    """
    late = events[events["onset"] >= length_s]
    if len(late):
        first, last = late.iloc[0], float(events["onset"].max())
        hint = "Mend the onset or remove the row."
        if last >= 10 * length_s:
            hint = "The onsets look like milliseconds or samples; BIDS counts in seconds."
        raise CalcarineError(
            f"{path}, row {int(first['row'])}: {len(late)} of {len(events)} events begin beyond "
            f"the recording, the first at {first['onset']:g} s; the recording ends at "
            f"{length_s:g} s. {hint}"
        )
    early = events[events["onset"] < 0]
    if len(early):
        first = early.iloc[0]
        raise CalcarineError(
            f"{path}, row {int(first['row'])}: the event begins at {first['onset']:g} s, before "
            "the first sample. Count onsets from the first sample that is in the file."
        )


def overlapping_trials(trials: pd.DataFrame, path: Path) -> list[str]:
    """Say how many trials last beyond the onset of the next one."""
    onset, duration = trials["onset"].to_numpy(), trials["duration"].to_numpy()
    over = np.flatnonzero(onset[:-1] + duration[:-1] > onset[1:] + 1e-6)
    if not len(over):
        return []
    row, following = trials["row"].iloc[over[0]], trials["row"].iloc[over[0] + 1]
    return [
        f"{path}: {len(over)} of {len(trials)} trials overlap the next one, the first in rows "
        f"{row} and {following} ({duration[over[0]]:g} s long, next onset after "
        f"{onset[over[0] + 1] - onset[over[0]]:g} s). If durations are not seconds, mend them."
    ]


def reaching_windows(trials: pd.DataFrame, windows: Windows, path: Path) -> list[str]:
    """Say how many windows reach into the next stimulus."""
    gaps = np.diff(trials["onset"].to_numpy())
    n_reaching = int((gaps < windows.span_s[1] - 1e-6).sum())
    if not n_reaching:
        return []
    return [
        f"{path}: the windows of {n_reaching} of {len(trials)} trials reach into the next "
        f"stimulus: they end {windows.span_s[1]:g} s after the onset, the next one comes after "
        f"{gaps.min():g} s at the least. What a late window tells is not about its own stimulus "
        "alone; shorten `recording.epochs.tmax` or say so."
    ]


def read_meeg_trials(reading: MeegReading) -> tuple[list[MeegRun], pd.DataFrame]:
    """Read the trials of a subject from the events of all runs.

    Returns
    -------
    tuple
        The runs, and the trial table in their order, sorted by onset; `split` is not declared yet.

    Raises
    ------
    CalcarineError
        A run is missing, events do not fit, sampling rates differ, a picture is not there, or two
        trials have one id.
    """
    stimuli = read_stimuli(reading.stimuli)
    runs = [measure_run(reading, files, stimuli) for files in recordings_of(reading)]
    check_same_rate(runs, reading)
    trials = assemble_trials(
        [(run.files, run.trials) for run in runs],
        stimuli,
        reading.stimuli.parent,
        reading.subject,
    )
    return runs, trials


def check_same_rate(runs: Sequence[MeegRun], reading: MeegReading) -> None:
    """Refuse runs of different sampling rates, unless all are resampled.

    Raises
    ------
    CalcarineError
        With the runs and their rates.
    """
    rates: dict[float, str] = {}
    for run in runs:
        rates.setdefault(round(run.sfreq, 3), run.files.name)
    if len(rates) > 1 and reading.resample_sfreq is None:
        told = ", ".join(f"{name} at {rate:g} Hz" for rate, name in rates.items())
        raise CalcarineError(
            f"sub-{reading.subject}: the runs were recorded at different sampling rates ({told}). "
            "Set `recording.resample_sfreq` to bring them to one."
        )


def onset_samples(run: MeegRun, raw: Any, windows: Windows) -> np.ndarray:
    """Give the sample of each trial's onset, counted as MNE counts (from `first_samp`).

    Parameters
    ----------
    run
        The run.
    raw
        Its recording at any sampling rate.
    windows
        Windows, for the shift of onsets.
    """
    onset = run.trials["onset"].to_numpy(dtype=np.float64) + windows.onset_shift_s
    return raw.first_samp + np.round(onset * raw.info["sfreq"]).astype(np.int64)
