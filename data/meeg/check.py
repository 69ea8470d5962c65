"""All problems of a subject's EEG or MEG recording at once, without cleaning anything."""

from dataclasses import dataclass, field

import pandas as pd
from tqdm import tqdm

from calcarine.data.fmri_check import listed, picture_problems
from calcarine.data.meeg.channels import (
    check_same_channels,
    picked,
    same_channels,
    sensor_names,
    units_table,
)
from calcarine.data.meeg.cleaning import check_filter, check_flat
from calcarine.data.meeg.reading import open_raw
from calcarine.data.meeg.recordings import MeegFiles
from calcarine.data.meeg.settings import MeegReading
from calcarine.data.meeg.trials import MeegRun, measure_run, read_meeg_trials, recordings_of
from calcarine.data.meeg.windows import check_windows
from calcarine.data.stimuli import read_stimuli


@dataclass
class Found:
    """What a walk through a recording has found.

    Attributes
    ----------
    problems, warnings
        One sentence each: what stops a run, and what deserves a look.
    runs, trials, units
        Runs, trial table and units table, as far as they could be read.
    first_run
        Name of the run that the units are of.
    """

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    runs: list[MeegRun] = field(default_factory=list)
    trials: pd.DataFrame | None = None
    units: pd.DataFrame | None = None
    first_run: str = ""


def find_problems(reading: MeegReading) -> Found:
    """Walk through a recording and list everything that is wrong with it.

    Every file is read once, one run at a time.

    Parameters
    ----------
    reading
        What to read and how.
    """
    found = Found()
    with listed(found.problems):
        check_windows(reading.epochs)
    with listed(found.problems):
        stimuli = read_stimuli(reading.stimuli)
        found.problems += picture_problems(stimuli, reading.stimuli)
        files = recordings_of(reading)
        for one in tqdm(files, desc=f"sub-{reading.subject}: reading", disable=None):
            with listed(found.problems):
                run = measure_run(reading, one, stimuli)
                found.runs.append(run)
                found.warnings += run.warnings
            with listed(found.problems):
                _look_at_signals(reading, one, found)
    found.problems = list(dict.fromkeys(found.problems))
    if found.runs and not found.problems:
        with listed(found.problems):
            found.trials = read_meeg_trials(reading)[1]
    return found


def _look_at_signals(reading: MeegReading, files: MeegFiles, found: Found) -> None:
    raw = open_raw(files, reading)
    names = sensor_names(raw.info, reading.sensors)
    units = units_table(raw.info, picked(names, reading.picks, "recording"), raw.info["bads"])
    if found.units is None:
        found.units, found.first_run = units, files.name
    check_same_channels(found.units, units, found.first_run, files.name)
    check_flat(raw, names, files.name)
    check_filter(reading, float(raw.info["sfreq"]))


def montage_warnings(units: dict[str, pd.DataFrame]) -> list[str]:
    """Say whose montage differs from the first subject's.

    Parameters
    ----------
    units
        Units table of each subject.
    """
    if len(units) < 2:
        return []
    first = next(iter(units))
    out = []
    for subject, own in units.items():
        differs = same_channels(units[first], own)
        if differs is not None:
            out.append(
                f"sub-{first} and sub-{subject} have different montages: {differs}. Models of each "
                "subject do not mind; a decoder with `subjects: all` must place channels by their "
                "position, or `recording.picks` must name channels that all have."
            )
    return out
