"""All problems of a subject's BOLD recording at once, without estimating anything."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from calcarine.data.block_averages import BlockModel
from calcarine.data.bold import check_whole
from calcarine.data.confounds import framewise_displacement, read_confounds
from calcarine.data.digests import pictures_of, read_picture
from calcarine.data.errors import CalcarineError
from calcarine.data.fmri import open_space
from calcarine.data.fmri_quality import RunQuality, Survey, survey_run
from calcarine.data.fmri_trials import (
    FmriReading,
    MeasuredRun,
    measure_run,
    read_fmri_trials,
    runs_of,
)
from calcarine.data.rois import unit_rois
from calcarine.data.stimuli import NO_PICTURE, read_stimuli


@contextmanager
def listed(problems: list[str]) -> Iterator[None]:
    """Put what goes wrong in the block into a list."""
    try:
        yield
    except CalcarineError as error:
        problems.append(str(error))


def picture_problems(stimuli: pd.DataFrame, path: Path) -> list[str]:
    """List the pictures of a stimulus table that are not there or cannot be read, by row.

    Parameters
    ----------
    stimuli, path
        The table and where it lies.
    """
    problems: list[str] = []
    for row, file in enumerate(stimuli["file"]):
        found: list[str] = []
        if file != NO_PICTURE:
            with listed(found):
                for picture in pictures_of(path.parent / file):
                    read_picture(picture)
        problems += [f"{path}, row {row + 2}: {text}" for text in found]
    return problems


def find_problems(reading: FmriReading) -> tuple[list[str], pd.DataFrame | None]:
    """Walk through a recording and list everything that is wrong with it.

    Every file is read once, one run at a time.

    Parameters
    ----------
    reading
        What to read and how.

    Returns
    -------
    tuple
        One message a problem, and the trial table where it could be made.
    """
    problems: list[str] = []
    runs: list[MeasuredRun] = []
    with listed(problems):
        stimuli = read_stimuli(reading.stimuli)
        problems += picture_problems(stimuli, reading.stimuli)
        for files in runs_of(reading):
            with listed(problems):
                runs.append(measure_run(reading, files, stimuli))
    if runs:
        problems += _confound_problems(reading, runs) + _volume_problems(reading, runs)
    if problems:
        return problems, None
    with listed(problems):
        return problems, read_fmri_trials(reading)[1]
    return problems, None


def _confound_problems(reading: FmriReading, runs: list[MeasuredRun]) -> list[str]:
    problems: list[str] = []
    for run in runs:
        path, n_volumes = run.files.confounds, run.timing.n_volumes
        with listed(problems):
            read_confounds(path, reading.confounds, n_volumes, run.files.name)
            framewise_displacement(path, n_volumes)
    return problems


def _volume_problems(reading: FmriReading, runs: list[MeasuredRun]) -> list[str]:
    problems: list[str] = []
    in_percent = not isinstance(reading.responses, BlockModel)
    with listed(problems):
        qualities: list[RunQuality] = []
        space = open_space(reading, runs)
        with listed(problems):
            unit_rois(space, reading.rois, reading.subject, reading.bids)
        for run in tqdm(runs, desc=f"sub-{reading.subject}: reading", disable=None):
            with listed(problems):
                for path in run.files.bold:
                    check_whole(path)
                qualities.append(survey_run(space.read(run.files), run, space, in_percent))
        if len(qualities) == len(runs):
            Survey.of(qualities, space, reading.subject)
    return problems
